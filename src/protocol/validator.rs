//! Checks each frame of a client against RFC 6455 before tungstenite reads it.
//!
//! tungstenite assembles the messages. But it accepts a few things that RFC 6455 forbids, such as a
//! length in more bytes than it needs, or endless empty fragments, and it describes other faults in
//! general words. The validator sees each frame first. So a faulty frame is refused by its header,
//! before memory is reserved for its payload, and the close reason names the rule and the number of
//! the frame.

use super::fault::{Fault, check_close_body};
use super::frame::mask;
use super::header::FrameHeader;
use super::opcode::Opcode;
use super::parser::{FrameParser, FramePart};

/// The validator of one client's stream.
#[derive(Debug)]
pub struct FrameValidator {
    parser: FrameParser,
    rules: FrameRules,
    /// Frames begun since the handshake; the first is 1.
    frame: u64,
}

/// The rules for one frame after another, with what they must remember of the frames so far.
#[derive(Debug)]
pub struct FrameRules {
    /// The message whose last fragment has not begun.
    open_message: Option<OpenMessage>,
    /// The body so far of a Close frame, the only payload that the rules look at.
    close: Option<CloseBody>,
    /// Bytes of payload that the current message has announced, or the last one if none has begun since.
    announced: u64,
    max_message: usize,
    max_fragments: u32,
}

/// A message of which some fragments have passed.
#[derive(Debug)]
struct OpenMessage {
    /// Bytes of payload that the fragments so far have announced.
    bytes: u64,
    fragments: u32,
}

/// The body of a Close frame, as far as it has arrived.
#[derive(Debug)]
struct CloseBody {
    masking_key: [u8; 4],
    /// At most 125 bytes.
    masked: Vec<u8>,
}

/// The place where a client broke a rule.
#[derive(Debug, PartialEq, Eq)]
pub struct FaultAt {
    /// Bytes in front of the faulty frame. They belong to valid frames.
    pub valid: usize,
    /// Bytes up to the place where the fault showed: behind the frame's header, or behind the body of a
    /// Close frame.
    pub parsed: usize,
    /// The number of the faulty frame; the first after the handshake is 1.
    pub frame: u64,
    /// The rule that the client broke.
    pub fault: Fault,
}

impl FrameValidator {
    /// Starts before the first frame. A message may have `max_message` bytes in `max_fragments`
    /// frames.
    pub fn new(max_message: usize, max_fragments: u32) -> FrameValidator {
        FrameValidator {
            parser: FrameParser::default(),
            rules: FrameRules::new(max_message, max_fragments),
            frame: 0,
        }
    }

    /// Checks the next bytes of the stream, however they were cut, and shows `observe` each part of a
    /// frame. Of a faulty frame, `observe` sees the parts up to the fault, but not the end.
    ///
    /// # Errors
    /// The first frame that breaks a rule. The bytes behind it cannot be trusted, so nobody reads them.
    #[inline]
    pub fn advance(
        &mut self,
        bytes: &[u8],
        mut observe: impl FnMut(FramePart<'_>),
    ) -> Result<(), FaultAt> {
        // A frame that started before these bytes has nothing valid in front of it here.
        let mut valid = 0;
        let FrameValidator { parser, rules, frame } = self;
        parser.try_feed(bytes, |part, end| {
            let is_end = matches!(part, FramePart::End);
            *frame += u64::from(matches!(part, FramePart::Header(_)));
            let checked = rules.check(part);
            if checked.is_ok() || !is_end {
                observe(part);
            }
            checked.map_err(|fault| FaultAt { valid, parsed: end, frame: *frame, fault })?;
            if is_end {
                valid = end;
            }
            Ok(())
        })
    }
}

impl FrameValidator {
    /// Bytes of payload that have come of a message whose last byte has not.
    #[inline]
    pub fn bytes_under_way(&self) -> usize {
        let missing = match (self.parser.payload_left(), &self.rules.open_message) {
            (None, None) => return 0,
            // A control frame between two fragments makes this a few bytes less.
            (left, _) => left.unwrap_or(0),
        };
        usize::try_from(self.rules.announced.saturating_sub(missing)).unwrap_or(usize::MAX)
    }

    /// Bytes of the current frame's payload that have not arrived. `None` inside a header and between frames.
    #[inline]
    pub fn payload_left(&self) -> Option<u64> {
        self.parser.payload_left()
    }

    /// The place in the stream at which this side stops to read for another reason than a broken rule.
    pub fn stop(&self, fault: Fault) -> FaultAt {
        FaultAt { valid: 0, parsed: 0, frame: self.frame, fault }
    }

    /// The bytes of a header whose last bytes have not arrived.
    #[inline]
    pub fn header_so_far(&self) -> &[u8] {
        self.parser.header_so_far()
    }
}

impl FrameRules {
    /// The rules before the first frame. A message may have `max_message` bytes in `max_fragments`
    /// frames.
    pub fn new(max_message: usize, max_fragments: u32) -> FrameRules {
        FrameRules { open_message: None, close: None, announced: 0, max_message, max_fragments }
    }

    /// Checks the next part of a frame. The rules for a single header come first, then the limit on
    /// the size of a message, then what the frames before it allow, and at its end the body of a Close.
    ///
    /// # Errors
    /// The first rule that the part breaks.
    #[inline]
    pub fn check(&mut self, part: FramePart<'_>) -> Result<(), Fault> {
        match part {
            FramePart::Header(header) => self.check_header(header),
            FramePart::Payload(piece) => {
                if let Some(close) = &mut self.close {
                    close.masked.extend_from_slice(piece);
                }
                Ok(())
            }
            FramePart::End => self.check_end(),
        }
    }

    #[inline]
    fn check_header(&mut self, header: &FrameHeader) -> Result<(), Fault> {
        header.check()?;
        if header.opcode.is_control() {
            if self.open_message.is_none() {
                self.announced = 0;
            }
            let masking_key = header.masking_key.filter(|_| header.opcode == Opcode::Close);
            self.close =
                masking_key.map(|masking_key| CloseBody { masking_key, masked: Vec::new() });
            return Ok(());
        }
        let before = self.open_message.as_ref().map_or(0, |message| message.bytes);
        let bytes = before.saturating_add(header.payload_length);
        if bytes > self.max_message as u64 {
            return Err(Fault::MessageTooBig(self.max_message));
        }
        let fragments = match (header.opcode, &self.open_message) {
            (Opcode::Continuation, None) => return Err(Fault::NothingToContinue),
            (Opcode::Continuation, Some(message)) => message.fragments + 1,
            (_, Some(_)) => return Err(Fault::MessageStillOpen),
            (_, None) => 1,
        };
        if fragments > self.max_fragments {
            return Err(Fault::TooManyFragments(self.max_fragments));
        }
        self.open_message = (!header.fin).then_some(OpenMessage { bytes, fragments });
        self.announced = bytes;
        Ok(())
    }

    /// Checks the body of a Close when its frame is complete (RFC 6455 section 5.5.1).
    #[inline]
    fn check_end(&mut self) -> Result<(), Fault> {
        match self.close.take() {
            None => Ok(()),
            Some(CloseBody { masking_key, masked: mut body }) => {
                mask(&mut body, masking_key);
                check_close_body(&body)
            }
        }
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

    #[test]
    fn bytes_count_as_under_way_until_their_message_is_complete() {
        let stream = [
            fragment(Opcode::Text, false, b"12345"),
            fragment(Opcode::Continuation, true, b"678"),
            fragment(Opcode::Ping, true, b"ping"),
            fragment(Opcode::Binary, true, b"9"),
        ]
        .concat();
        let mut validator = validator();
        let counts: Vec<usize> = stream
            .iter()
            .map(|byte| {
                validator.advance(&[*byte], |_| {}).expect("valid");
                validator.bytes_under_way()
            })
            .collect();
        let in_headers = |count: usize, bytes: usize| vec![count; bytes];
        let expected = [
            in_headers(0, 6),
            vec![1, 2, 3, 4, 5],
            in_headers(5, 6),
            vec![6, 7, 0],
            in_headers(0, 10),
            in_headers(0, 7),
        ];
        assert_eq!(counts, expected.concat());
    }

    fn validator() -> FrameValidator {
        FrameValidator::new(1000, 10)
    }

    /// A message in three fragments with a Ping between them, and one of 300 bytes.
    fn valid_stream() -> Vec<u8> {
        [
            fragment(Opcode::Text, false, b"Hel"),
            fragment(Opcode::Ping, true, b"?"),
            fragment(Opcode::Continuation, false, b""),
            fragment(Opcode::Continuation, true, b"lo"),
            fragment(Opcode::Binary, true, &[7; 300]),
        ]
        .concat()
    }

    /// The fault in `stream`, given to the validator in pieces of `size` bytes, and the number of
    /// bytes in front of the faulty frame that had passed by then.
    fn fault_in(stream: &[u8], size: usize) -> Option<(FaultAt, usize)> {
        let mut validator = validator();
        stream.chunks(size).enumerate().find_map(|(n, piece)| {
            let fault = validator.advance(piece, |_| {}).err()?;
            let passed = n * size + fault.valid;
            Some((fault, passed))
        })
    }

    #[test]
    fn valid_frames_pass_however_they_are_cut() {
        let stream = valid_stream();
        for size in 1..=stream.len() {
            let mut validator = validator();
            for piece in stream.chunks(size) {
                assert_eq!(validator.advance(piece, |_| {}), Ok(()), "in pieces of {size}");
            }
            assert_eq!(validator.frame, 5);
        }
    }

    #[test]
    fn a_fault_is_found_however_it_is_cut_and_the_frames_before_it_pass() {
        let valid = valid_stream();
        let faulty = fragment(Opcode::Continuation, true, b"nothing to continue");
        let stream = [valid.clone(), faulty].concat();
        for size in 1..=stream.len() {
            let (fault, passed) = fault_in(&stream, size).expect("no message is open");
            assert_eq!((fault.frame, fault.fault), (6, Fault::NothingToContinue));
            // The first bytes of the faulty header pass when its last bytes come later.
            assert!((valid.len()..valid.len() + 6).contains(&passed), "pieces of {size}: {passed}");
        }
        let (whole, _) = fault_in(&stream, stream.len()).expect("no message is open");
        assert_eq!((whole.valid, whole.parsed), (valid.len(), valid.len() + 6));
    }

    #[test]
    fn an_observer_sees_the_faulty_header_and_nothing_behind_it() {
        let mut stream = fragment(Opcode::Binary, true, b"x");
        stream.extend(fragment(Opcode::Continuation, true, b"nothing to continue"));
        let mut seen = Vec::new();
        let observe = |part: FramePart<'_>| match part {
            FramePart::Header(header) => seen.push(header.opcode.to_string()),
            FramePart::Payload(piece) => seen.push(format!("payload {piece:?}")),
            FramePart::End => seen.push("end".to_owned()),
        };
        validator().advance(&stream, observe).expect_err("no message is open");
        assert_eq!(seen, ["binary", "payload [79]", "end", "continuation"]);
    }

    #[test]
    fn a_frame_may_break_the_rules_for_its_message() {
        let fault_in = |frames: &[&[u8]], max_message, max_fragments| {
            let mut validator = FrameValidator::new(max_message, max_fragments);
            validator.advance(&frames.concat(), |_| {}).expect_err("a fault").fault
        };
        let first = &*fragment(Opcode::Text, false, b"abc");
        let more = &*fragment(Opcode::Continuation, false, b"abc");
        let empty = &*fragment(Opcode::Continuation, false, b"");
        let whole = &*fragment(Opcode::Text, true, b"abc");
        assert_eq!(fault_in(&[more], 9, 9), Fault::NothingToContinue);
        assert_eq!(fault_in(&[first, whole], 9, 9), Fault::MessageStillOpen);
        assert_eq!(fault_in(&[first, more, more], 8, 9), Fault::MessageTooBig(8));
        assert_eq!(fault_in(&[first, empty, empty, empty], 9, 3), Fault::TooManyFragments(3));
    }

    #[test]
    fn the_body_of_a_close_is_checked_when_it_is_complete() {
        let fault_of = |body: &[u8]| {
            let valid = valid_stream();
            let stream = [valid.clone(), fragment(Opcode::Close, true, body)].concat();
            let whole = fault_in(&stream, stream.len());
            assert!(whole.as_ref().is_none_or(|(_, passed)| *passed == valid.len()));
            let bytewise = fault_in(&stream, 1);
            assert_eq!(
                whole.as_ref().map(|(at, _)| &at.fault),
                bytewise.as_ref().map(|(at, _)| &at.fault)
            );
            whole.map(|(at, _)| at.fault)
        };
        assert_eq!(fault_of(b""), None);
        assert_eq!(fault_of(b"\x03\xe8"), None);
        assert_eq!(fault_of(b"\x0b\xb8caf\xc3\xa9"), None);
        assert_eq!(fault_of(b"\x03"), Some(Fault::CloseBody));
        assert_eq!(fault_of(b"\x03\xe8caf\xc3"), Some(Fault::InvalidUtf8));
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
            assert_eq!(fault_of(&u16::to_be_bytes(code)), Some(Fault::CloseCode(code)));
        }
    }

    #[test]
    fn a_frame_behind_an_empty_close_is_not_its_body() {
        let frames = [fragment(Opcode::Close, true, b""), fragment(Opcode::Text, true, b"x")];
        assert_eq!(validator().advance(&frames.concat(), |_| {}), Ok(()));
    }

    #[test]
    fn a_length_of_2_to_the_60_is_refused_by_its_header() {
        let mut bytes = Vec::new();
        FrameHeader::new(Opcode::Binary, KEY, 1 << 60).encode(&mut bytes);
        let fault = FrameValidator::new(1 << 24, 9).advance(&bytes, |_| {}).expect_err("too big");
        let expected =
            FaultAt { valid: 0, parsed: 14, frame: 1, fault: Fault::MessageTooBig(1 << 24) };
        assert_eq!(fault, expected);
    }
}
