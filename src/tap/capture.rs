//! Cuts a stream of bytes into frames to look at: long ones shortened in the middle, text held against
//! UTF-8 as it passes.
//!
//! What the [cursor](crate::protocol::validator) judges by its header, the server has judged before it gets here;
//! whether text is UTF-8 only shows in the payload, and the part that is not kept counts too.

use crate::config::{KEPT_END, KEPT_START};
use crate::protocol::Fault;
use crate::protocol::utf8::Utf8Check;
use crate::protocol::validator::FrameValidator;
use crate::protocol::{FrameHeader, Opcode, mask};

/// A frame, or the part of it that came, shortened in the middle if it is long.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CapturedFrame {
    /// Header and the first bytes of the payload, as they crossed the wire.
    pub start: Vec<u8>,
    /// The last bytes of the payload, when there are more than `start` has.
    pub end: Vec<u8>,
    /// Bytes that came between `start` and `end`.
    pub hidden: u64,
    /// Bytes that the header has announced and that never came.
    pub missing: u64,
    /// The rule that the frame breaks.
    pub fault: Option<Fault>,
}

/// Cuts a stream of bytes, however it comes, into frames.
#[derive(Default)]
pub struct FrameCapture {
    /// The frame so far.
    frame: CapturedFrame,
    /// Bytes of its payload still to come; `None` while its header is not all there.
    payload_left: Option<u64>,
    /// Bytes that belong to a frame whose start was not seen.
    skip: u64,
    /// The current frame's masking key, turned to where its next byte of payload is; there only for
    /// frames of a text.
    text_key: Option<[u8; 4]>,
    /// The text that is open, until it is known to be wrong.
    text: Option<Utf8Check>,
    /// Whether the current frame is the last of its message.
    fin: bool,
}

impl FrameCapture {
    /// A cutter that begins where `cursor` is: in the middle of a frame it waits for the next.
    pub fn beginning_at(cursor: &FrameValidator) -> FrameCapture {
        FrameCapture {
            frame: CapturedFrame {
                start: cursor.header_so_far().to_vec(),
                ..CapturedFrame::default()
            },
            skip: cursor.payload_left(),
            ..FrameCapture::default()
        }
    }

    /// Takes the next bytes, and gives each frame that is complete with them.
    pub fn feed(&mut self, mut bytes: &[u8], mut give: impl FnMut(CapturedFrame)) {
        while !bytes.is_empty() {
            if self.skip > 0 {
                bytes = &bytes[take_some(&mut self.skip, bytes)..];
                continue;
            }
            let taken = match &mut self.payload_left {
                Some(left) => {
                    let taken = take_some(left, bytes);
                    self.frame.keep(&bytes[..taken]);
                    self.read_text(&bytes[..taken]);
                    taken
                }
                None => {
                    let before = self.frame.start.len();
                    let more = bytes.len().min(FrameHeader::MAX_LEN - before);
                    self.frame.start.extend_from_slice(&bytes[..more]);
                    let Some((header, length)) = FrameHeader::decode(&self.frame.start) else {
                        return;
                    };
                    self.frame.start.truncate(length);
                    self.payload_left = Some(header.payload_length);
                    self.enter(&header);
                    length - before
                }
            };
            bytes = &bytes[taken..];
            if self.payload_left == Some(0) {
                self.payload_left = None;
                self.end_text();
                give(std::mem::take(&mut self.frame));
            }
        }
    }

    /// The frame that has begun and will not be completed, if there is one.
    pub fn unfinished(&mut self, fault: Option<Fault>) -> Option<CapturedFrame> {
        let mut frame = std::mem::take(&mut self.frame);
        frame.missing = self.payload_left.take().unwrap_or_default();
        frame.fault = fault.or(frame.fault);
        (!frame.start.is_empty()).then_some(frame)
    }
}

/// Text held against UTF-8 (RFC 6455 section 8.1): all of it, also what is not kept.
impl FrameCapture {
    fn enter(&mut self, header: &FrameHeader) {
        match header.opcode {
            Opcode::Text => self.text = Some(Utf8Check::default()),
            Opcode::Continuation => {}
            opcode if opcode.is_control() => return self.text_key = None,
            _ => self.text = None,
        }
        self.text_key = Some(header.masking_key.unwrap_or_default());
        self.fin = header.fin;
    }

    fn read_text(&mut self, payload: &[u8]) {
        let (Some(key), Some(text)) = (&mut self.text_key, &mut self.text) else { return };
        let mut plain = payload.to_vec();
        mask(&mut plain, *key);
        key.rotate_left(payload.len() % 4);
        if text.feed(&plain).is_err() {
            self.wrong_text();
        }
    }

    fn end_text(&mut self) {
        if self.text_key.take().is_some()
            && self.fin
            && self.text.take().is_some_and(|text| text.finish().is_err())
        {
            self.wrong_text();
        }
    }

    /// Said once a message.
    fn wrong_text(&mut self) {
        self.frame.fault = Some(Fault::InvalidUtf8);
        self.text = None;
    }
}

/// Takes as many of `bytes` as are left, and says how many that is.
fn take_some(left: &mut u64, bytes: &[u8]) -> usize {
    let taken = (*left).min(bytes.len() as u64);
    *left -= taken;
    taken as usize
}

impl CapturedFrame {
    /// Adds payload: to the start while there is room, then to the end, of which only the last
    /// bytes are kept.
    fn keep(&mut self, payload: &[u8]) {
        let room = (KEPT_START + FrameHeader::MAX_LEN).saturating_sub(self.start.len());
        let (to_start, rest) = payload.split_at(room.min(payload.len()));
        self.start.extend_from_slice(to_start);
        let last = &rest[rest.len().saturating_sub(KEPT_END)..];
        self.hidden += (rest.len() - last.len()) as u64;
        self.end.extend_from_slice(last);
        let surplus = self.end.len().saturating_sub(KEPT_END);
        self.end.drain(..surplus);
        self.hidden += surplus as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Frame;

    const KEY: Option<[u8; 4]> = Some([0x37, 0xfa, 0x21, 0x3d]);

    fn cut(stream: &[u8], size: usize) -> Vec<CapturedFrame> {
        let mut cutter = FrameCapture::default();
        let mut frames = Vec::new();
        for piece in stream.chunks(size) {
            cutter.feed(piece, |frame| frames.push(frame));
        }
        assert_eq!(cutter.unfinished(None), None);
        frames
    }

    #[test]
    fn frames_are_cut_out_however_they_come() {
        let frames = [
            Frame::new(Opcode::Text, KEY, b"Hello").encode(),
            Frame::new(Opcode::Ping, KEY, b"").encode(),
            Frame::new(Opcode::Binary, None, &[7; 300]).encode(),
        ];
        for size in 1..400 {
            let found = cut(&frames.concat(), size);
            let starts: Vec<_> = found.into_iter().map(|frame| frame.start).collect();
            assert_eq!(starts, frames, "in pieces of {size}");
        }
    }

    #[test]
    fn long_frames_keep_their_start_and_their_end() {
        let payload: Vec<u8> = (0..100_000_u32).map(|n| (n / 7) as u8).collect();
        let whole = Frame::new(Opcode::Binary, None, &payload).encode();
        for size in [1000, 4096, 100_014] {
            let frame = cut(&whole, size).remove(0);
            let start = KEPT_START + FrameHeader::MAX_LEN;
            assert_eq!(frame.start, whole[..start]);
            assert_eq!(frame.end, whole[whole.len() - KEPT_END..]);
            assert_eq!(frame.hidden, (whole.len() - start - KEPT_END) as u64);
        }
    }

    #[test]
    fn watching_that_begins_inside_a_frame_waits_for_the_next() {
        let first = Frame::new(Opcode::Binary, KEY, &[7; 300]).encode();
        let second = Frame::new(Opcode::Text, KEY, b"Hello").encode();
        let stream = [first.clone(), second.clone()].concat();
        for at in 0..stream.len() {
            let mut cursor = FrameValidator::new(1 << 20, 10);
            cursor.advance(&stream[..at]).unwrap();
            let mut cutter = FrameCapture::beginning_at(&cursor);
            let mut frames = Vec::new();
            cutter.feed(&stream[at..], |frame| frames.push(frame.start));
            // Inside the first header nothing is lost yet: the cursor remembers it.
            let expected = match at {
                0..8 => vec![first.clone(), second.clone()],
                8..=308 => vec![second.clone()],
                309..314 => vec![second.clone()],
                _ => vec![],
            };
            assert_eq!(frames, expected, "from byte {at}");
        }
    }

    #[test]
    fn text_is_held_against_utf_8_across_fragments_and_whatever_is_not_kept() {
        let fragment = |opcode, fin, payload: &[u8]| {
            let mut frame = Frame::new(opcode, KEY, payload);
            frame.header.fin = fin;
            frame.encode()
        };
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
            let frames = cut(&stream, size);
            let wrong: Vec<usize> = frames
                .iter()
                .enumerate()
                .filter(|(_, frame)| frame.fault == Some(Fault::InvalidUtf8))
                .map(|(n, _)| n)
                .collect();
            assert_eq!(wrong, [5, 7, 9], "in pieces of {size}");
        }
    }

    #[test]
    fn a_frame_that_never_ends_is_shown_as_far_as_it_came() {
        let whole = Frame::new(Opcode::Text, KEY, b"Hello").encode();
        let mut cutter = FrameCapture::default();
        cutter.feed(&whole[..8], |_| panic!("not complete"));
        let frame = cutter.unfinished(None).expect("a part");
        assert_eq!((frame.start, frame.missing), (whole[..8].to_vec(), 3));
    }
}
