//! What a step expects to come, and what it says if something else does.

use std::time::{Duration, Instant};

use super::{APART, Client, Heard, MOST, close_code, describe};
use crate::check::finding::{Evidence, Finding, Outcome};
use crate::check::mistakes::{self, Mistake};
use crate::protocol::CloseCode;
use crate::protocol::{Frame, Opcode};

/// How long more is waited for when something has come that should not.
const AFTER_MISTAKE: Duration = Duration::from_millis(100);

impl Client {
    /// Expects the message back that has been sent last, and only that.
    pub fn expect_back(&mut self, opcode: Opcode, payload: &[u8]) -> Outcome {
        let (frames, before) = (&self.frames, self.payload_before);
        let mistakes = mistakes::of_echo(frames, before, self.first_key, opcode, payload);
        loop {
            match self.hear_unless(&mistakes, self.timeout) {
                Heard::Message(back, found) if back == opcode && found == payload => {
                    self.settled();
                    return Ok(());
                }
                // Where Pings have been sent, it may be a late answer to one.
                Heard::Control(Opcode::Pong, _) => {}
                heard => return Err(self.mismatch(&heard, &mistakes, opcode, payload)),
            }
        }
    }

    fn mismatch(
        &mut self,
        heard: &Heard,
        mistakes: &[Mistake],
        opcode: Opcode,
        payload: &[u8],
    ) -> Box<Finding> {
        self.hear_the_rest();
        let expected = Frame::new(opcode, None, payload);
        let shown = Evidence::bytes(&expected.encode(), describe(&expected));
        let named = mistakes.iter().find(|mistake| mistake.is(&self.raw));
        let mut finding = match named {
            Some(mistake) => {
                Finding::fail(mistake.why.clone()).received(vec![mistake.evidence(&self.raw)])
            }
            None => Finding::fail(mistakes::of_what_came(heard, &self.raw, opcode, payload))
                .received(self.heard_evidence(heard)),
        };
        if matches!(heard, Heard::Ended) && self.has_answered() {
            finding.why += " Before that it had answered on this connection: is there a loop around the \
                            reading of frames?";
        }
        finding.sent(self.sent.clone()).expected(format!("{}  {}", shown.shown, shown.note))
    }

    /// Takes in what follows at once: it helps to tell one mistake from another.
    fn hear_the_rest(&mut self) {
        let deadline = Instant::now() + AFTER_MISTAKE;
        while self.raw.len() < MOST && self.read_more(deadline) {}
    }

    /// What has come, as evidence.
    pub fn heard_evidence(&mut self, heard: &Heard) -> Vec<Evidence> {
        self.hear_the_rest();
        let mut evidence = Vec::new();
        if !self.raw.is_empty() {
            let note = match Frame::decode(&self.raw) {
                Some((frame, length)) if length == self.raw.len() => describe(&frame),
                Some((frame, _)) => format!("{}, and more", describe(&frame)),
                None => String::new(),
            };
            evidence.push(Evidence::bytes(&self.raw, note));
        }
        match heard {
            Heard::Ended => evidence.push(Evidence::line("(the connection ended)")),
            Heard::Silence if evidence.is_empty() => evidence.push(Evidence::line("(nothing)")),
            Heard::Silence => evidence.push(Evidence::line("(then nothing)")),
            _ => {}
        }
        evidence
    }

    /// Expects a Pong with `payload`.
    pub fn expect_pong(&mut self, payload: &[u8]) -> Outcome {
        let mistakes = mistakes::of_pong(&self.frames, payload);
        let mut another = None;
        loop {
            let patience = if another.is_some() { AFTER_MISTAKE } else { self.timeout };
            match self.hear_unless(&mistakes, patience) {
                // Where messages do not come back, they come from others.
                Heard::Message(_, found) if !self.echoes && found != payload => {}
                Heard::Control(Opcode::Pong, found) if found == payload => {
                    self.settled();
                    return Ok(());
                }
                // It may be one that nobody asked for, and the right one follows.
                Heard::Control(Opcode::Pong, found) if another.is_none() => {
                    another = Some(Heard::Control(Opcode::Pong, found));
                }
                heard => {
                    let heard = another.unwrap_or(heard);
                    return Err(self.mismatch(&heard, &mistakes, Opcode::Pong, payload));
                }
            }
        }
    }

    /// Expects that what has been sent ends the connection, with a Close of `code`.
    ///
    /// No timer decides that the server has taken it, where a probe can: a text message that comes back.
    /// It is no Ping, since a server may answer that before it closes.
    pub fn expect_refusal(&mut self, code: CloseCode, broken: &str) -> Outcome {
        let evidence = self.sent.clone();
        let probe = b"still there?";
        let mut took = None;
        // A good server has closed before the probe is sent.
        let mut patience = if self.echoes { APART } else { self.timeout };
        loop {
            let heard = match self.hear_within(patience) {
                Heard::Silence if patience == APART => {
                    self.say(Opcode::Text, probe);
                    patience = self.timeout;
                    continue;
                }
                heard => heard,
            };
            let finding = match &heard {
                Heard::Close(body) => match close_code(body) {
                    Some(found) if found == code => {
                        self.settled();
                        return Ok(());
                    }
                    Some(found) if !found.may_travel() => Finding::fail(format!(
                        "{broken} Your server closed with {found}, which must not be in a Close frame."
                    )),
                    found => Finding::warn(other_code(found, code)),
                },
                Heard::Message(_, payload) if payload == probe => Finding::fail(format!(
                    "{broken} Your server took it and went on: the text sent after it came back."
                )),
                Heard::Message(..) if !self.echoes => continue,
                Heard::Message(..) | Heard::Control(..) => {
                    took.get_or_insert_with(|| heard.clone());
                    continue;
                }
                Heard::Ended if matches!(took, Some(Heard::Message(..))) => Finding::fail(format!(
                    "{broken} Your server took it and sent it back, and only then ended the connection."
                )),
                Heard::Ended => Finding::warn(format!(
                    "{broken} Your server closed TCP, as it must, but without a Close frame: with \
                     Close {code} the client would learn why (RFC 6455 7.1.7)."
                )),
                Heard::Nonsense => Finding::fail(format!("{broken} What came back is no frame.")),
                Heard::Silence if took.is_some() => Finding::fail(format!(
                    "{broken} Your server took it, and then neither closed nor answered."
                )),
                Heard::Silence => Finding::fail(format!(
                    "{broken} Your server neither closed nor answered: it hangs, or waits for more."
                )),
            };
            let expected = Frame::new(Opcode::Close, None, &code.0.to_be_bytes());
            let expected = format!("{}  {}", hex(&expected.encode()), describe(&expected));
            let received = self.heard_evidence(&heard);
            return Err(finding.sent(evidence).received(received).expected(expected));
        }
    }
}

fn other_code(found: Option<CloseCode>, wanted: CloseCode) -> String {
    match found {
        Some(found) => format!(
            "Your server closed with {found}. {wanted} would tell the client what was wrong."
        ),
        None => format!(
            "Your server closed, and gave no code. {wanted} would tell the client what was wrong."
        ),
    }
}

/// Bytes in hex.
fn hex(bytes: &[u8]) -> String {
    Evidence::bytes(bytes, "").shown
}
