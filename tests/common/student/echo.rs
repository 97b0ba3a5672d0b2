//! The answer to each frame: messages come back, Ping and Close are answered.

use std::time::Duration;

use super::Mistake;
use super::connection::{Connection, End};
use super::frame::*;

/// How long `Mistake::EchoesAfterClose` goes on after the last frame.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A message, as far as it has been received.
pub struct Message {
    opcode: u8,
    pub payload: Vec<u8>,
    /// How many bytes are known to be UTF-8.
    checked: usize,
    /// The payload before unmasking. Used only by `Mistake::PayloadNotUnmasked`.
    masked: Vec<u8>,
    /// How many bytes have been echoed. Without a mistake this is 0 until the message is complete.
    echoed: usize,
}

impl Message {
    fn new(opcode: u8) -> Message {
        Message { opcode, payload: Vec::new(), checked: 0, masked: Vec::new(), echoed: 0 }
    }

    /// Whether the text is UTF-8 so far. A character may be split at the end of a fragment, but not at the end of
    /// the message.
    fn is_text_so_far(&mut self, is_complete: bool) -> bool {
        match std::str::from_utf8(&self.payload[self.checked..]) {
            Ok(text) => self.checked += text.len(),
            Err(error) if is_complete || error.error_len().is_some() => return false,
            Err(error) => self.checked += error.valid_up_to(),
        }
        true
    }
}

impl Connection {
    /// Answers frames until there is a reason to end.
    pub fn talk(&mut self) -> End {
        if self.makes(Mistake::GreetsFirst)
            && let Err(end) = self.send(TEXT, b"Welcome!")
        {
            return end;
        }
        loop {
            if let Err(end) = self.answer_frame() {
                return end;
            }
        }
    }

    fn answer_frame(&mut self) -> Result<(), End> {
        let header = self.read_header()?;
        self.check(&header)?;
        match header.opcode {
            CONTINUATION..=BINARY => self.read_fragment(&header),
            CLOSE => self.answer_close(&header),
            PING => self.answer_ping(&header),
            PONG => {
                let payload = self.read_payload(&header)?;
                if self.makes(Mistake::PongEchoedAsText) {
                    self.send(TEXT, &payload)?;
                }
                Ok(())
            }
            // A reserved opcode. Only a mistake lets it come here.
            _ => self.read_payload(&header).map(drop),
        }
    }

    fn read_fragment(&mut self, header: &Header) -> Result<(), End> {
        // `check` accepts a continuation only if a message is open, and a new message only if none is. The other
        // cases happen only when a mistake accepts them.
        let mut message = match self.message.take() {
            Some(message) if header.opcode == CONTINUATION => message,
            _ => Message::new(if header.opcode == BINARY { BINARY } else { TEXT }),
        };
        let mut left = header.length;
        while left > 0 {
            let mut piece = self.piece(left)?;
            left -= piece.len() as u64;
            if self.makes(Mistake::PayloadNotUnmasked) {
                message.masked.extend(&piece);
            }
            self.unmask(header, &mut piece);
            message.payload.extend(piece);
            self.check_text(&mut message, false)?;
        }
        self.end_of_frame();
        let ends_for_utf8 = header.fin || self.makes(Mistake::Utf8CheckedPerFragment);
        self.check_text(&mut message, ends_for_utf8)?;
        let is_time_to_echo = if self.makes(Mistake::ContinuationsIgnored) {
            header.opcode != CONTINUATION
        } else {
            header.fin || self.makes(Mistake::FragmentsEchoedOneByOne)
        };
        if is_time_to_echo {
            self.echo(&mut message)?;
        }
        if !header.fin {
            self.message = Some(message);
        }
        Ok(())
    }

    /// Refuses a text as soon as its first wrong byte is there (RFC 6455 section 8.1).
    fn check_text(&self, message: &mut Message, is_complete: bool) -> Result<(), End> {
        let is_unchecked = self.makes(Mistake::InvalidUtf8Accepted)
            || self.makes(Mistake::InvalidUtf8Replaced)
            || (self.makes(Mistake::Utf8CheckedAtTheEnd) && !is_complete);
        if message.opcode == BINARY || is_unchecked || message.is_text_so_far(is_complete) {
            return Ok(());
        }
        let code = if self.makes(Mistake::InvalidUtf8ClosedWith1002) { 1002 } else { 1007 };
        Err(End::Broken(code, "a text is not UTF-8"))
    }

    fn echo(&mut self, message: &mut Message) -> Result<(), End> {
        let (mut opcode, mut payload) =
            (message.opcode, message.payload[message.echoed..].to_vec());
        message.echoed = message.payload.len();
        if self.makes(Mistake::EmptyMessagesDropped) && payload.is_empty() {
            return Ok(());
        }
        if self.makes(Mistake::HttpAfter101) {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", payload.len());
            return self.write(&[head.as_bytes(), &payload].concat());
        }
        if self.makes(Mistake::BinaryEchoedAsText) {
            opcode = TEXT;
        }
        if self.makes(Mistake::TextEchoedAsBinary) {
            opcode = BINARY;
        }
        if self.makes(Mistake::PayloadNotUnmasked) {
            payload.clone_from(&message.masked);
        }
        if self.makes(Mistake::InvalidUtf8Replaced) && opcode == TEXT {
            payload = String::from_utf8_lossy(&payload).into_owned().into_bytes();
        }
        if self.makes(Mistake::NewlineAdded) && opcode == TEXT {
            payload.push(b'\n');
        }
        self.send(opcode, &payload)?;
        if self.makes(Mistake::OneMessageOnly) { Err(End::HungUp) } else { Ok(()) }
    }

    fn answer_ping(&mut self, header: &Header) -> Result<(), End> {
        let payload = self.read_payload(header)?;
        if self.makes(Mistake::PingNotAnswered) {
            Ok(())
        } else if self.makes(Mistake::PongWithoutPayload) {
            self.send(PONG, b"")
        } else if self.makes(Mistake::PingEchoedAsPing) {
            self.send(PING, &payload)
        } else {
            self.send(PONG, &payload)
        }
    }

    /// Answers a Close with the same code (RFC 6455 section 5.5.1).
    fn answer_close(&mut self, header: &Header) -> Result<(), End> {
        let payload = self.read_payload(header)?;
        let (code, reason) = match payload.split_first_chunk::<2>() {
            Some((code, reason)) => (&code[..], reason),
            None if payload.is_empty() || self.makes(Mistake::OneByteCloseAccepted) => {
                (&[][..], &[][..])
            }
            None => return Err(End::Broken(1002, "half a close code")),
        };
        if let Ok(code) = code.try_into().map(u16::from_be_bytes) {
            let is_valid = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
            if !is_valid && !self.makes(Mistake::CloseCodeNotChecked) {
                return Err(End::Broken(1002, "no such close code"));
            }
        }
        if std::str::from_utf8(reason).is_err() && !self.makes(Mistake::CloseReasonNotChecked) {
            return Err(End::Broken(1007, "the reason is not UTF-8"));
        }
        match self.mistake() {
            Some(Mistake::CloseIgnored) => return Ok(()),
            Some(Mistake::CloseNotAnswered) => return Err(End::HungUp),
            Some(Mistake::CloseAnsweredWith1000) => self.send(CLOSE, &1000_u16.to_be_bytes())?,
            Some(Mistake::CloseAnsweredEmpty) => self.send(CLOSE, b"")?,
            _ => self.send(CLOSE, code)?,
        }
        if self.makes(Mistake::EchoesAfterClose) {
            return self.echo_on();
        }
        Err(End::Closed)
    }

    /// Goes on as if no Close had come. Closes when the client sends nothing more, so that no other mistake shows.
    fn echo_on(&mut self) -> Result<(), End> {
        loop {
            self.wait_at_most(LAST_WORDS);
            if self.unread.is_empty() && self.receive().is_err() {
                return Err(End::Closed);
            }
            self.answer_frame()?;
        }
    }

    /// Tells the client which rule it has broken.
    pub fn tell(&mut self, code: u16, reason: &str) {
        if self.makes(Mistake::ClosesWithoutCloseFrame) {
            return;
        }
        let code = if self.makes(Mistake::BrokenRuleClosedWith1000) { 1000 } else { code };
        // Sending fails if the client has gone, and then nobody reads the reason.
        let _ = self.send(CLOSE, &[&code.to_be_bytes(), reason.as_bytes()].concat());
    }
}
