//! Expecting a refusal: when the client breaks a rule, the server must end the connection.

use super::Client;
use super::send::PAUSE;
use crate::check::evidence::Evidence;
use crate::check::finding::{Finding, Outcome};
use crate::check::received::{Received, close_code};
use crate::protocol::CloseCode;
use crate::protocol::{Frame, Opcode};

/// The text that follows a broken rule. If it comes back, the server has accepted what it must refuse.
const PROBE: &[u8] = b"still there?";

impl Client {
    /// Expects that what was sent ends the connection, with a Close frame that carries `code`. `broken` is the
    /// broken rule, as a sentence.
    ///
    /// If the server echoes, the checker sends it a probe. When the probe comes back, the server has gone on, and
    /// the checker need not wait for a timeout to know it. The probe is a text message and not a Ping, because a
    /// server may answer a Ping before it closes.
    pub fn expect_refusal(&mut self, code: CloseCode, broken: &str) -> Outcome {
        let sent = self.sent.clone();
        let mut accepted = None;
        // A good server has closed before the probe is sent.
        let mut patience = if self.echoes { PAUSE } else { self.timeout };
        loop {
            let received = match self.receive_within(patience) {
                Received::Silence if patience == PAUSE => {
                    self.send_message(Opcode::Text, PROBE);
                    patience = self.timeout;
                    continue;
                }
                received => received,
            };
            let finding = match &received {
                received if received.is_close_with(code) => {
                    self.clear_evidence();
                    return Ok(());
                }
                Received::Close(body) => other_code(broken, close_code(body), code),
                Received::Message(_, payload) if payload == PROBE => Finding::fail(format!(
                    "{broken} Your server accepted it and went on: it sent back the next text message."
                )),
                Received::Message(..) if !self.echoes => continue,
                Received::Message(..) | Received::Control(..) => {
                    accepted.get_or_insert(received);
                    continue;
                }
                Received::Ended if matches!(accepted, Some(Received::Message(..))) => {
                    Finding::fail(format!(
                        "{broken} Your server accepted it and sent it back. Only then did it end the \
                         connection."
                    ))
                }
                Received::Ended => Finding::warn(format!(
                    "{broken} Your server closed TCP, as it must, but sent no Close frame. A Close frame with \
                     code {code} tells the client why (RFC 6455 section 7.1.7)."
                )),
                Received::NotFrames => {
                    Finding::fail(format!("{broken} What your server sent back is not a frame."))
                }
                Received::Silence if accepted.is_some() => Finding::fail(format!(
                    "{broken} Your server accepted it. After that it neither closed nor answered."
                )),
                Received::Silence => Finding::fail(format!(
                    "{broken} Your server neither closed nor answered. It hangs, or waits for more bytes."
                )),
            };
            let expected = Frame::new(Opcode::Close, None, &code.0.to_be_bytes());
            let received = self.received_evidence(&received);
            return Err(finding.sent(sent).received(received).expected(Evidence::frame(&expected)));
        }
    }
}

/// The finding about a server that closed, but with another code than `wanted`.
fn other_code(broken: &str, found: Option<CloseCode>, wanted: CloseCode) -> Box<Finding> {
    match found {
        Some(found) if !found.may_travel() => Finding::fail(format!(
            "{broken} Your server closed with code {found}, which must not be in a Close frame."
        )),
        Some(found) => Finding::warn(format!(
            "Your server closed with code {found}. Code {wanted} would tell the client what was wrong."
        )),
        None => Finding::warn(format!(
            "Your server closed without a code. Code {wanted} would tell the client what was wrong."
        )),
    }
}
