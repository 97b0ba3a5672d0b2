//! Walks over the bytes a client sends, from frame header to frame header, and stops at the first
//! that breaks a rule.
//!
//! tungstenite reads the messages. But it lets a few things pass that RFC 6455 forbids (a length
//! in more bytes than it needs, endless empty fragments), and names others in general words.
//! The cursor sees each frame before tungstenite does, so a fault costs no memory, and is named
//! with the number of the frame it is in.

use crate::protocol::{Fault, check_close_body};
use crate::protocol::{FrameHeader, Opcode, mask};

/// Where in a client's bytes we are.
#[derive(Debug)]
pub struct FrameValidator {
    /// The start of a header that is not all there yet, and how much of it.
    header: [u8; FrameHeader::MAX_LEN],
    header_have: usize,
    /// Bytes of the current frame's payload that are still to come.
    payload_left: u64,
    /// The message whose last fragment is still to come.
    open: Option<OpenMessage>,
    /// The body so far of a Close frame, the only payload that is looked at here.
    close: Option<CloseBody>,
    /// Frames begun since the handshake; the first is 1.
    frame: u64,
    max_message: usize,
    max_fragments: u32,
}

#[derive(Debug)]
struct OpenMessage {
    bytes: u64,
    fragments: u32,
}

#[derive(Debug)]
struct CloseBody {
    masking_key: [u8; 4],
    bytes: Vec<u8>,
}

/// A rule was broken.
#[derive(Debug, PartialEq, Eq)]
pub struct FaultAt {
    /// The bytes in front of the faulty frame, which are still good.
    pub good: usize,
    /// The number of the faulty frame; the first after the handshake is 1.
    pub frame: u64,
    /// The rule.
    pub fault: Fault,
}

impl FrameValidator {
    /// A cursor before the first frame. A message may have `max_message` bytes in
    /// `max_fragments` frames.
    pub fn new(max_message: usize, max_fragments: u32) -> FrameValidator {
        FrameValidator {
            header: [0; FrameHeader::MAX_LEN],
            header_have: 0,
            payload_left: 0,
            open: None,
            close: None,
            frame: 0,
            max_message,
            max_fragments,
        }
    }

    /// Walks over the next bytes, however they were cut.
    ///
    /// # Errors
    /// At the first frame that breaks a rule. What follows it has no meaning any more.
    pub fn advance(&mut self, bytes: &[u8]) -> Result<(), FaultAt> {
        let mut at = 0;
        // Where the current frame starts in these bytes: at 0 if it started before them.
        let mut frame_at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            if self.payload_left > 0 {
                let passed = self.payload_left.min(rest.len() as u64);
                self.payload_left -= passed;
                at += passed as usize;
                self.pass(&rest[..passed as usize]).map_err(|fault| self.stop(frame_at, fault))?;
                continue;
            }
            if self.header_have == 0 {
                frame_at = at;
            }
            let Some((header, taken)) = self.header(rest) else { return Ok(()) };
            self.frame += 1;
            self.enter(&header).map_err(|fault| self.stop(frame_at, fault))?;
            self.payload_left = header.payload_length;
            at += taken;
        }
        Ok(())
    }

    /// The bytes of a header that is not all there yet.
    pub fn header_so_far(&self) -> &[u8] {
        &self.header[..self.header_have]
    }

    /// Bytes of the current frame's payload that are still to come.
    pub fn payload_left(&self) -> u64 {
        self.payload_left
    }

    fn stop(&self, good: usize, fault: Fault) -> FaultAt {
        FaultAt { good, frame: self.frame, fault }
    }

    /// The next header, once its last byte is there, and how many of these bytes belong to it.
    fn header(&mut self, bytes: &[u8]) -> Option<(FrameHeader, usize)> {
        if self.header_have == 0
            && let Some(found) = FrameHeader::decode(bytes)
        {
            return Some(found);
        }
        // Cut in two by the network: put it together, at most 14 bytes.
        let before = self.header_have;
        let added = bytes.len().min(FrameHeader::MAX_LEN - before);
        self.header[before..before + added].copy_from_slice(&bytes[..added]);
        match FrameHeader::decode(&self.header[..before + added]) {
            Some((header, length)) => {
                self.header_have = 0;
                Some((header, length - before))
            }
            None => {
                self.header_have = before + added;
                None
            }
        }
    }

    /// Holds one header against the rules: those of the frame itself, then the size, then what
    /// the frames before it allow.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn enter(&mut self, header: &FrameHeader) -> Result<(), Fault> {
        header.check()?;
        self.close = None;
        if header.opcode.is_control() {
            let masking_key = header.masking_key.filter(|_| header.opcode == Opcode::Close);
            self.close = masking_key.map(|key| CloseBody { masking_key: key, bytes: Vec::new() });
            return Ok(());
        }
        let before = self.open.as_ref().map_or(0, |message| message.bytes);
        let bytes = before.saturating_add(header.payload_length);
        if bytes > self.max_message as u64 {
            return Err(Fault::MessageTooBig(self.max_message));
        }
        let fragments = match (header.opcode, &self.open) {
            (Opcode::Continuation, None) => return Err(Fault::NothingToContinue),
            (Opcode::Continuation, Some(message)) => message.fragments + 1,
            (_, Some(_)) => return Err(Fault::MessageStillOpen),
            (_, None) => 1,
        };
        if fragments > self.max_fragments {
            return Err(Fault::TooManyFragments(self.max_fragments));
        }
        self.open = if header.fin { None } else { Some(OpenMessage { bytes, fragments }) };
        Ok(())
    }

    /// Passes over payload; a Close is held against its rules when its body is all there
    /// (RFC 6455 section 5.5.1).
    fn pass(&mut self, payload: &[u8]) -> Result<(), Fault> {
        let Some(close) = &mut self.close else { return Ok(()) };
        close.bytes.extend_from_slice(payload);
        if self.payload_left > 0 {
            return Ok(());
        }
        mask(&mut close.bytes, close.masking_key);
        let body = std::mem::take(&mut close.bytes);
        self.close = None;
        check_close_body(&body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Frame;

    const KEY: Option<[u8; 4]> = Some([0x37, 0xfa, 0x21, 0x3d]);

    fn fragment(opcode: Opcode, fin: bool, payload: &[u8]) -> Vec<u8> {
        let mut frame = Frame::new(opcode, KEY, payload);
        frame.header.fin = fin;
        frame.encode()
    }

    /// A message in three fragments with a Ping between them, and one of 300 bytes.
    fn good_stream() -> Vec<u8> {
        [
            fragment(Opcode::Text, false, b"Hel"),
            fragment(Opcode::Ping, true, b"?"),
            fragment(Opcode::Continuation, false, b""),
            fragment(Opcode::Continuation, true, b"lo"),
            fragment(Opcode::Binary, true, &[7; 300]),
        ]
        .concat()
    }

    #[test]
    fn good_frames_pass_however_they_are_cut() {
        let stream = good_stream();
        for size in 1..=stream.len() {
            let mut cursor = FrameValidator::new(1000, 10);
            for piece in stream.chunks(size) {
                assert_eq!(cursor.advance(piece), Ok(()), "in pieces of {size}");
            }
            assert_eq!(cursor.frame, 5);
        }
    }

    #[test]
    fn a_fault_is_found_however_it_is_cut_and_what_stands_before_it_is_good() {
        let good = good_stream();
        let bad = fragment(Opcode::Continuation, true, b"nothing to continue");
        let stream = [good.clone(), bad].concat();
        for size in 1..=stream.len() {
            let mut cursor = FrameValidator::new(1000, 10);
            let mut passed = 0;
            let stop = stream.chunks(size).find_map(|piece| match cursor.advance(piece) {
                Ok(()) => {
                    passed += piece.len();
                    None
                }
                Err(stop) => {
                    passed += stop.good;
                    Some(stop)
                }
            });
            let stop = stop.expect("a continuation with nothing open");
            assert_eq!((stop.frame, stop.fault), (6, Fault::NothingToContinue));
            // Bytes of the bad header may have passed, while it was not all there.
            assert!((good.len()..good.len() + 6).contains(&passed), "pieces of {size}: {passed}");
        }
    }

    #[test]
    fn what_the_frames_before_allow() {
        let fault_in = |frames: &[Vec<u8>], max_message, max_fragments| {
            let mut cursor = FrameValidator::new(max_message, max_fragments);
            cursor.advance(&frames.concat()).expect_err("a fault").fault
        };
        let first = fragment(Opcode::Text, false, b"abc");
        let more = fragment(Opcode::Continuation, false, b"abc");
        let empty = fragment(Opcode::Continuation, false, b"");
        let whole = fragment(Opcode::Text, true, b"abc");
        assert_eq!(fault_in(std::slice::from_ref(&more), 9, 9), Fault::NothingToContinue);
        assert_eq!(fault_in(&[first.clone(), whole], 9, 9), Fault::MessageStillOpen);
        assert_eq!(fault_in(&[first.clone(), more.clone(), more], 8, 9), Fault::MessageTooBig(8));
        assert_eq!(
            fault_in(&[first, empty.clone(), empty.clone(), empty], 9, 3),
            Fault::TooManyFragments(3)
        );
    }

    #[test]
    fn a_close_is_judged_when_its_body_is_there() {
        let fault_in = |body: &[u8]| {
            let good = good_stream();
            let stream = [good.clone(), fragment(Opcode::Close, true, body)].concat();
            let whole = FrameValidator::new(1000, 10).advance(&stream).err();
            assert!(whole.as_ref().is_none_or(|stop| stop.good == good.len()));
            let mut cursor = FrameValidator::new(1000, 10);
            let bytewise = stream.chunks(1).find_map(|byte| cursor.advance(byte).err());
            assert_eq!(whole.as_ref().map(|s| &s.fault), bytewise.as_ref().map(|s| &s.fault));
            whole.map(|stop| stop.fault)
        };
        assert_eq!(fault_in(b""), None);
        assert_eq!(fault_in(b"\x03\xe8"), None);
        assert_eq!(fault_in(b"\x0b\xb8caf\xc3\xa9"), None);
        // What follows a Close without a body is not its body.
        let after = [fragment(Opcode::Close, true, b""), fragment(Opcode::Text, true, b"x")];
        assert_eq!(FrameValidator::new(1000, 10).advance(&after.concat()), Ok(()));
        assert_eq!(fault_in(b"\x03"), Some(Fault::CloseBody));
        assert_eq!(fault_in(b"\x03\xe8caf\xc3"), Some(Fault::InvalidUtf8));
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
            assert_eq!(fault_in(&u16::to_be_bytes(code)), Some(Fault::CloseCode(code)));
        }
    }

    #[test]
    fn a_length_of_2_to_the_60_is_refused_by_its_header() {
        let header = FrameHeader::new(Opcode::Binary, KEY, 1 << 60);
        let mut bytes = Vec::new();
        header.encode(&mut bytes);
        let stop = FrameValidator::new(1 << 24, 9).advance(&bytes).expect_err("too big");
        assert_eq!(stop, FaultAt { good: 0, frame: 1, fault: Fault::MessageTooBig(1 << 24) });
    }
}
