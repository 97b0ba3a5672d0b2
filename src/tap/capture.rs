//! Copies frames for those who watch: the header, the first and the last bytes of the payload, and
//! whether a text is UTF-8.
//!
//! The capture takes the parts that the [parser](crate::protocol::parser) finds. The
//! [validator](crate::protocol::validator) finds the frames that break a rule, but it does not check text.
//! So the capture checks UTF-8 itself, also in the bytes that it does not keep.

use crate::config::{KEPT_END, KEPT_START};
use crate::protocol::parser::FramePart;
use crate::protocol::utf8::Utf8Check;
use crate::protocol::{Fault, FrameHeader, Opcode, mask};

/// A frame, or the part of it that came. The middle of a long payload is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapturedFrame {
    /// The header.
    pub header: FrameHeader,
    /// The first bytes of the payload, as they crossed the wire.
    pub start: Vec<u8>,
    /// The last bytes of the payload, when it has more than `start` keeps.
    pub end: Vec<u8>,
    /// Bytes of payload that came between `start` and `end` and were not kept.
    pub omitted: u64,
    /// Bytes of payload that the header announced and that never came.
    pub never_received: u64,
    /// The rule that the frame breaks.
    pub fault: Option<Fault>,
}

/// The capture of one direction of a connection.
///
/// It may begin anywhere in the stream: it ignores the rest of a frame whose header it has not seen.
#[derive(Debug, Default)]
pub struct FrameCapture {
    /// The frame so far. `None` until the next header.
    frame: Option<CapturedFrame>,
    text: TextCheck,
}

impl FrameCapture {
    /// Takes the next part of a frame, and returns the frame when it is complete.
    pub fn take(&mut self, part: FramePart<'_>) -> Option<CapturedFrame> {
        match part {
            FramePart::Header(header) => {
                self.frame = Some(CapturedFrame::new(*header));
                self.text.begin_frame(header);
                None
            }
            FramePart::Payload(piece) => {
                let frame = self.frame.as_mut()?;
                frame.keep(piece);
                if !self.text.is_valid_so_far(piece) {
                    frame.fault = Some(Fault::InvalidUtf8);
                }
                None
            }
            FramePart::End => {
                let mut frame = self.frame.take()?;
                if !self.text.is_valid_at_end(&frame.header) {
                    frame.fault = Some(Fault::InvalidUtf8);
                }
                Some(frame)
            }
        }
    }

    /// Returns the frame that broke a rule, with the bytes of it that came. `rest` are the bytes behind the
    /// place where the fault showed. This frame is the last one that can be captured.
    pub fn take_faulty(&mut self, fault: Fault, rest: &[u8]) -> Option<CapturedFrame> {
        let mut frame = self.frame.take()?;
        let left = usize::try_from(frame.payload_left()).unwrap_or(usize::MAX);
        frame.keep(&rest[..rest.len().min(left)]);
        frame.never_received = frame.payload_left();
        frame.fault = Some(fault);
        Some(frame)
    }

    /// Returns the frame whose end will never come, if there is one.
    pub fn take_unfinished(&mut self) -> Option<CapturedFrame> {
        let mut frame = self.frame.take()?;
        frame.never_received = frame.payload_left();
        Some(frame)
    }
}

impl CapturedFrame {
    /// A frame of which only the header has come.
    pub fn new(header: FrameHeader) -> CapturedFrame {
        CapturedFrame {
            header,
            start: Vec::new(),
            end: Vec::new(),
            omitted: 0,
            never_received: 0,
            fault: None,
        }
    }

    /// Bytes of payload that have come.
    pub fn received(&self) -> u64 {
        (self.start.len() + self.end.len()) as u64 + self.omitted
    }

    fn payload_left(&self) -> u64 {
        self.header.payload_length.saturating_sub(self.received())
    }

    /// Adds payload to `start` until that is full, then to `end`, which keeps the last bytes.
    fn keep(&mut self, piece: &[u8]) {
        let room = KEPT_START.saturating_sub(self.start.len());
        let (to_start, rest) = piece.split_at(room.min(piece.len()));
        self.start.extend_from_slice(to_start);
        let last = &rest[rest.len().saturating_sub(KEPT_END)..];
        self.end.extend_from_slice(last);
        let surplus = self.end.len().saturating_sub(KEPT_END);
        self.end.drain(..surplus);
        self.omitted += (rest.len() - last.len() + surplus) as u64;
    }
}

/// Checks whether the text messages of one direction are UTF-8 (RFC 6455 section 8.1).
#[derive(Debug, Default)]
struct TextCheck {
    /// The text message that is open. `None` once it is known to be invalid, so that one fault is shown
    /// for a message.
    text: Option<Utf8Check>,
    /// The masking key of the current frame, rotated to its next byte of payload. `None` in control
    /// frames, which may stand between the fragments of a text.
    key: Option<[u8; 4]>,
}

impl TextCheck {
    fn begin_frame(&mut self, header: &FrameHeader) {
        self.key = None;
        if header.opcode.is_control() {
            return;
        }
        match header.opcode {
            Opcode::Text => self.text = Some(Utf8Check::default()),
            Opcode::Continuation => {}
            _ => self.text = None,
        }
        self.key = Some(header.masking_key.unwrap_or_default());
    }

    fn is_valid_so_far(&mut self, piece: &[u8]) -> bool {
        let (Some(key), Some(text)) = (&mut self.key, &mut self.text) else { return true };
        let mut unmasked = piece.to_vec();
        mask(&mut unmasked, *key);
        key.rotate_left(piece.len() % 4);
        let is_valid = text.feed(&unmasked).is_ok();
        if !is_valid {
            self.text = None;
        }
        is_valid
    }

    /// A text must not end inside a character.
    fn is_valid_at_end(&mut self, header: &FrameHeader) -> bool {
        if self.key.is_none() || !header.fin {
            return true;
        }
        self.text.take().is_none_or(|text| text.finish().is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Frame;
    use crate::protocol::parser::FrameParser;

    const KEY: Option<[u8; 4]> = Some([0x37, 0xfa, 0x21, 0x3d]);

    fn fragment(opcode: Opcode, fin: bool, payload: &[u8]) -> Vec<u8> {
        let mut frame = Frame::new(opcode, KEY, payload);
        frame.header.fin = fin;
        frame.encode()
    }

    /// The frames that `capture` returns for `bytes`, given to `parser` in pieces of `size`.
    fn frames_in(
        parser: &mut FrameParser,
        capture: &mut FrameCapture,
        bytes: &[u8],
        size: usize,
    ) -> Vec<CapturedFrame> {
        let mut frames = Vec::new();
        for piece in bytes.chunks(size) {
            parser.feed(piece, |part| frames.extend(capture.take(part)));
        }
        frames
    }

    fn captured(bytes: &[u8], size: usize) -> Vec<CapturedFrame> {
        let mut capture = FrameCapture::default();
        let frames = frames_in(&mut FrameParser::default(), &mut capture, bytes, size);
        assert_eq!(capture.take_unfinished(), None);
        frames
    }

    #[test]
    fn frames_are_captured_however_the_stream_is_cut() {
        let frames = [
            Frame::new(Opcode::Text, KEY, b"Hello"),
            Frame::new(Opcode::Ping, KEY, b""),
            Frame::new(Opcode::Binary, None, &[7; 300]),
        ];
        let stream = frames.each_ref().map(Frame::encode).concat();
        for size in 1..400 {
            let found = captured(&stream, size);
            assert_eq!(found.len(), frames.len(), "in pieces of {size}");
            for (found, frame) in found.iter().zip(&frames) {
                assert_eq!(found.header, frame.header);
                let mut payload = found.start.clone();
                mask(&mut payload, found.header.masking_key.unwrap_or_default());
                assert_eq!(payload, frame.payload);
            }
        }
    }

    #[test]
    fn a_long_payload_keeps_its_first_and_last_bytes() {
        let payload: Vec<u8> = (0..100_000_u32).map(|n| (n / 7) as u8).collect();
        let whole = Frame::new(Opcode::Binary, None, &payload).encode();
        for size in [1, 1000, 4096, 100_014] {
            let frame = captured(&whole, size).remove(0);
            assert_eq!(frame.start, payload[..KEPT_START]);
            assert_eq!(frame.end, payload[payload.len() - KEPT_END..]);
            assert_eq!(frame.omitted, (payload.len() - KEPT_START - KEPT_END) as u64);
            assert_eq!(frame.received(), payload.len() as u64);
        }
    }

    #[test]
    fn a_capture_that_begins_inside_a_frame_waits_for_the_next() {
        let first = Frame::new(Opcode::Binary, KEY, &[7; 300]).encode();
        let second = Frame::new(Opcode::Text, KEY, b"Hello").encode();
        let stream = [first.clone(), second.clone()].concat();
        for at in 0..stream.len() {
            let mut parser = FrameParser::default();
            parser.feed(&stream[..at], |_| {});
            let frames = frames_in(&mut parser, &mut FrameCapture::default(), &stream[at..], 7);
            let opcodes: Vec<_> = frames.iter().map(|frame| frame.header.opcode).collect();
            // Nothing is lost inside a header, because the parser remembers it.
            let expected: &[_] = match at {
                0..8 => &[Opcode::Binary, Opcode::Text],
                8..314 => &[Opcode::Text],
                _ => &[],
            };
            assert_eq!(opcodes, expected, "from byte {at}");
        }
    }

    #[test]
    fn text_is_checked_across_fragments_and_in_the_bytes_that_are_not_kept() {
        let mut long = vec![b'x'; 10_000];
        long[5000] = 0xff;
        let stream = [
            fragment(Opcode::Text, true, b"caf\xc3\xa9"),
            fragment(Opcode::Text, false, b"caf\xc3"),
            fragment(Opcode::Ping, true, b"\xff"),
            fragment(Opcode::Continuation, true, b"\xa9"),
            fragment(Opcode::Text, false, b"caf\xc3"),
            fragment(Opcode::Continuation, false, b"e"),
            fragment(Opcode::Continuation, true, b"\xff"),
            fragment(Opcode::Text, true, b"caf\xc3"),
            fragment(Opcode::Binary, true, b"\xff"),
            fragment(Opcode::Text, true, &long),
            fragment(Opcode::Text, true, b""),
        ]
        .concat();
        for size in [1, 3, 1000, stream.len()] {
            let invalid: Vec<usize> = captured(&stream, size)
                .iter()
                .enumerate()
                .filter(|(_, frame)| frame.fault == Some(Fault::InvalidUtf8))
                .map(|(n, _)| n)
                .collect();
            assert_eq!(invalid, [5, 7, 9], "in pieces of {size}");
        }
    }

    #[test]
    fn a_frame_that_never_ends_is_returned_as_far_as_it_came() {
        let whole = Frame::new(Opcode::Text, KEY, b"Hello").encode();
        let mut capture = FrameCapture::default();
        let mut parser = FrameParser::default();
        assert_eq!(frames_in(&mut parser, &mut capture, &whole[..8], 8), []);
        let frame = capture.take_unfinished().expect("a header and two bytes");
        assert_eq!((frame.start, frame.never_received), (whole[6..8].to_vec(), 3));
        assert_eq!(capture.take_unfinished(), None);
    }

    #[test]
    fn a_faulty_frame_has_the_bytes_of_its_own_that_came() {
        let whole = Frame::new(Opcode::Binary, None, b"Hello").encode();
        for (rest, start, never_received) in
            [(&b"Hello, and more"[..], &b"Hello"[..], 0), (b"He", b"He", 3), (b"", b"", 5)]
        {
            let mut capture = FrameCapture::default();
            frames_in(&mut FrameParser::default(), &mut capture, &whole[..2], 2);
            let frame = capture.take_faulty(Fault::NotMasked, rest).expect("a header");
            assert_eq!((&*frame.start, frame.never_received), (start, never_received));
            assert_eq!(frame.fault, Some(Fault::NotMasked));
        }
    }
}
