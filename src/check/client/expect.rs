//! Expecting an answer: an echo or a Pong, or else a finding that explains what came instead.

use super::Client;
use super::receive::AFTER_MISTAKE;
use crate::check::evidence::Evidence;
use crate::check::finding::{Finding, Outcome};
use crate::check::mistakes::{self, Mistake};
use crate::check::received::Received;
use crate::protocol::{Frame, Opcode};

impl Client {
    /// Expects that the message sent last comes back, and nothing else.
    pub fn expect_echo(&mut self, opcode: Opcode, payload: &[u8]) -> Outcome {
        let (frames, before) = (&self.frames, self.payload_before);
        let mistakes = mistakes::of_echo(frames, before, self.first_key, opcode, payload);
        loop {
            match self.receive_or_recognize(&mistakes, self.timeout) {
                Received::Message(back, found) if back == opcode && found == payload => {
                    self.clear_evidence();
                    return Ok(());
                }
                // If Pings have been sent, this may be a late answer to one.
                Received::Control(Opcode::Pong, _) => {}
                received => return Err(self.mismatch(received, &mistakes, opcode, payload)),
            }
        }
    }

    /// Expects a Pong with `payload`.
    pub fn expect_pong(&mut self, payload: &[u8]) -> Outcome {
        let mistakes = mistakes::of_pong(&self.frames, payload);
        let mut other_pong = None;
        loop {
            let patience = if other_pong.is_some() { AFTER_MISTAKE } else { self.timeout };
            match self.receive_or_recognize(&mistakes, patience) {
                // If the server does not echo, messages come from other clients.
                Received::Message(_, found) if !self.echoes && found != payload => {}
                Received::Control(Opcode::Pong, found) if found == payload => {
                    self.clear_evidence();
                    return Ok(());
                }
                // The server may have sent this Pong without being asked, and the right one follows.
                Received::Control(Opcode::Pong, found) if other_pong.is_none() => {
                    other_pong = Some(Received::Control(Opcode::Pong, found));
                }
                received => {
                    let received = other_pong.unwrap_or(received);
                    return Err(self.mismatch(received, &mistakes, Opcode::Pong, payload));
                }
            }
        }
    }

    /// Makes the finding about an answer that is not the expected frame.
    fn mismatch(
        &mut self,
        received: Received,
        mistakes: &[Mistake],
        opcode: Opcode,
        payload: &[u8],
    ) -> Box<Finding> {
        self.read_rest();
        let known = mistakes.iter().find(|mistake| mistake.is(&self.received));
        let mut finding = match known {
            Some(mistake) => {
                Finding::fail(&*mistake.why).received(vec![mistake.evidence(&self.received)])
            }
            None => {
                let why = mistakes::explain(&received, &self.received, opcode, payload);
                Finding::fail(why).received(self.received_evidence(&received))
            }
        };
        if received == Received::Ended && self.has_answered() {
            finding.why += " It had answered on this connection before. Does your server read frames in a loop?";
        }
        if known.is_none() {
            finding.instead = Some(received);
        }
        let expected = Frame::new(opcode, None, payload);
        finding.sent(self.sent.clone()).expected(Evidence::frame(&expected))
    }
}
