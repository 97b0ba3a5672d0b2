//! Large frames: what they cost tungstenite, and how the stream keeps that small.
//!
//! tungstenite reserves memory for a whole frame as soon as it has read the frame's header. A header takes
//! 14 bytes to send and can announce all of [`Config::max_message`](crate::Config::max_message), so a
//! client could make the server reserve memory that it never fills. And tungstenite keeps its largest
//! buffer until the connection ends. So the stream does two things with a frame of more than [`LARGE_FRAME`]
//! bytes:
//!
//! - It hands a longer frame over in fragments (RFC 6455 section 5.4 allows an intermediary to do that).
//!   tungstenite joins them again, and its memory grows with the bytes that have come. A message in one
//!   frame gets fragments of [`LONG_FRAGMENT`], because joining costs a copy: a 1 MiB echo with fragments
//!   of 16 KiB took 1.2 times the processor time.
//! - It stops behind the last byte of a message in one frame. Then tungstenite's buffer is empty. When no
//!   large frame follows within [`LARGE_BUFFER_KEPT`](crate::config::LARGE_BUFFER_KEPT), the session replaces
//!   the buffer by a small one. In a message of several frames the stream cannot stop, so these frames get
//!   fragments of [`LARGE_FRAME`], for which no large buffer is needed.

use crate::config::{LARGE_FRAME, LONG_FRAGMENT, READ_BUFFER};
use crate::protocol::{FrameHeader, LengthForm, Opcode};

/// The large frame that is being handed over, if there is one.
#[derive(Debug, Default)]
pub(super) struct LargeFrames {
    /// The header of the next fragment, encoded: the part that tungstenite has not read yet.
    header: Vec<u8>,
    current: Option<LargeFrame>,
    /// Payload that came together with the header.
    payload: Vec<u8>,
    /// Whether the last byte of a large message has been handed over.
    message_has_passed: bool,
    /// Bytes of the buffer that tungstenite keeps from large messages.
    buffer: usize,
}

#[derive(Debug)]
struct LargeFrame {
    /// The header of the frame, as the client sent it.
    header: FrameHeader,
    /// Bytes of payload that tungstenite has not read.
    left: u64,
    /// The part of them that belongs to the current fragment.
    left_in_fragment: usize,
}

impl LargeFrame {
    /// Whether the frame is a whole message.
    fn is_message(&self) -> bool {
        self.header.fin && self.header.opcode != Opcode::Continuation
    }
}

impl LargeFrames {
    /// Whether a frame with this header is large.
    pub(super) fn is_large(header: &FrameHeader) -> bool {
        header.payload_length > LARGE_FRAME as u64
    }

    /// Whether a large frame may have begun in the last read, of whose last frame `left` bytes of payload are
    /// missing. A read brings at most [`READ_BUFFER`] bytes.
    #[inline]
    pub(super) fn may_begin(&self, left: Option<u64>) -> bool {
        left > Some((LARGE_FRAME - READ_BUFFER) as u64) && self.current.is_none()
    }

    /// Looks for a large frame in `bytes`, which begin with `left_before` bytes of payload of an earlier frame,
    /// and begins it. Returns the number of bytes in front of it.
    #[cold]
    pub(super) fn find(&mut self, bytes: &[u8], left_before: Option<u64>) -> Option<usize> {
        let mut at = usize::try_from(left_before.unwrap_or(0)).ok()?;
        loop {
            let (header, length) = FrameHeader::decode(bytes.get(at..)?)?;
            let payload = at + length;
            if LargeFrames::is_large(&header) {
                self.begin(&header, bytes.get(payload..)?);
                return Some(at);
            }
            at = payload + usize::try_from(header.payload_length).ok()?;
        }
    }

    /// Begins a large frame. `payload` came in the same read as its header.
    fn begin(&mut self, header: &FrameHeader, payload: &[u8]) {
        self.payload = payload.to_vec();
        self.current =
            Some(LargeFrame { header: *header, left: header.payload_length, left_in_fragment: 0 });
        self.begin_fragment(header.opcode);
    }

    /// Puts into `buffer` what tungstenite has to read before the next byte from the socket. Returns how
    /// many bytes that is.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> usize {
        if !self.header.is_empty() {
            return take_front(&mut self.header, buffer);
        }
        let room = self.room(buffer.len());
        let count = take_front(&mut self.payload, &mut buffer[..room]);
        self.advance(count);
        count
    }

    /// How many of `available` bytes still belong to the current fragment.
    pub(super) fn room(&self, available: usize) -> usize {
        self.current.as_ref().map_or(available, |frame| available.min(frame.left_in_fragment))
    }

    /// Notes that tungstenite gets `count` bytes of payload. They are inside the current fragment.
    pub(super) fn advance(&mut self, count: usize) {
        let Some(frame) = &mut self.current else { return };
        frame.left -= count as u64;
        frame.left_in_fragment -= count;
        if frame.left == 0 {
            self.message_has_passed = frame.is_message();
            self.current = None;
        } else if frame.left_in_fragment == 0 {
            self.begin_fragment(Opcode::Continuation);
        }
    }

    /// Whether the last byte of a large message has been handed over, and nothing of the next frame.
    #[inline]
    pub(super) fn has_large_message(&self) -> bool {
        self.message_has_passed
    }

    /// Notes that a large frame follows, for which tungstenite keeps its buffer.
    pub(super) fn keep_buffer(&mut self) {
        self.message_has_passed = false;
    }

    /// Whether tungstenite has a large buffer with nothing in it. The caller then replaces that buffer.
    pub(super) fn take_useless_buffer(&mut self) -> bool {
        let is_useless = std::mem::take(&mut self.message_has_passed);
        if is_useless {
            self.buffer = 0;
        }
        is_useless
    }

    /// Bytes of memory that tungstenite keeps from large messages.
    pub(super) fn buffer(&self) -> usize {
        self.buffer
    }

    fn begin_fragment(&mut self, opcode: Opcode) {
        let Some(frame) = &mut self.current else { return };
        let most = if frame.is_message() { LONG_FRAGMENT } else { LARGE_FRAME };
        let length = frame.left.min(most as u64);
        frame.left_in_fragment = length as usize;
        if frame.is_message() {
            self.buffer = self.buffer.max(frame.left_in_fragment);
        }
        let header = FrameHeader {
            // The masking key fits each fragment, because it is used from its first byte again and
            // the length of a fragment is a multiple of four.
            fin: frame.header.fin && length == frame.left,
            opcode,
            length_form: LengthForm::shortest(length),
            payload_length: length,
            ..frame.header
        };
        header.encode(&mut self.header);
    }
}

/// Moves bytes from the front of `source` to `buffer`, as many as fit, and returns how many.
fn take_front(source: &mut Vec<u8>, buffer: &mut [u8]) -> usize {
    let count = source.len().min(buffer.len());
    buffer[..count].copy_from_slice(&source[..count]);
    source.drain(..count);
    if source.is_empty() {
        *source = Vec::new();
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Frame;

    /// What tungstenite gets for a frame of `length` bytes when it reads `at_once` bytes at a time and the
    /// network delivers as many.
    fn fragments_of(frame: &Frame, at_once: usize) -> Vec<u8> {
        let encoded = frame.encode();
        let header = frame.header;
        let (first, mut rest) = encoded[header.encoded_len()..].split_at(at_once.min(1000));
        let mut large = LargeFrames::default();
        assert!(LargeFrames::is_large(&header));
        large.begin(&header, first);
        let mut read = Vec::new();
        let mut buffer = vec![0; at_once];
        loop {
            let mut count = large.read(&mut buffer);
            if count == 0 {
                count = large.room(at_once).min(rest.len());
                buffer[..count].copy_from_slice(&rest[..count]);
                rest = &rest[count..];
                large.advance(count);
            }
            if count == 0 {
                return read;
            }
            read.extend_from_slice(&buffer[..count]);
        }
    }

    #[test]
    fn the_buffer_counts_from_a_large_message_until_it_is_replaced() {
        let mut large = LargeFrames::default();
        let pass = |large: &mut LargeFrames, fin, length: usize| {
            let mut header = FrameHeader::new(Opcode::Binary, Some([0; 4]), length as u64);
            header.fin = fin;
            large.begin(&header, &[]);
            let mut buffer = vec![0; length];
            while large.current.is_some() {
                if large.read(&mut buffer) == 0 {
                    large.advance(large.room(length));
                }
            }
            (large.has_large_message(), large.buffer())
        };
        assert_eq!(pass(&mut large, false, 100_000), (false, 0), "its fragments are small");
        assert_eq!(pass(&mut large, true, 100_000), (true, 100_000));
        large.keep_buffer();
        assert_eq!(pass(&mut large, true, LARGE_FRAME + 1), (true, 100_000));
        large.keep_buffer();
        assert_eq!(pass(&mut large, true, 3 * LONG_FRAGMENT), (true, LONG_FRAGMENT));
        assert!(large.take_useless_buffer());
        assert_eq!((large.take_useless_buffer(), large.buffer()), (false, 0));
    }

    #[test]
    fn a_large_frame_becomes_fragments_with_the_same_payload() {
        const KEY: [u8; 4] = [1, 2, 3, 4];
        for (length, fin, at_once, fragment) in [
            (LONG_FRAGMENT + 1, true, 4096, LONG_FRAGMENT),
            (2 * LONG_FRAGMENT, true, 100, LONG_FRAGMENT),
            (LARGE_FRAME + 1, true, 8 * LARGE_FRAME, LONG_FRAGMENT),
            (3 * LARGE_FRAME + 7, false, 1, LARGE_FRAME),
            (5 * LARGE_FRAME - 1, false, 8 * LARGE_FRAME, LARGE_FRAME),
        ] {
            let payload: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
            let mut frame = Frame::new(Opcode::Text, Some(KEY), &payload);
            frame.header.fin = fin;
            let read = fragments_of(&frame, at_once);
            let mut rest = &read[..];
            let (mut joined, mut fins, mut opcodes) = (Vec::new(), Vec::new(), Vec::new());
            while let Some((part, length)) = Frame::decode(rest) {
                assert!(part.payload.len() <= fragment);
                joined.extend_from_slice(&part.payload);
                fins.push(part.header.fin);
                opcodes.push(part.header.opcode);
                rest = &rest[length..];
            }
            assert!(joined == payload && rest.is_empty(), "{length} in pieces of {at_once}");
            assert_eq!(fins.pop(), Some(fin));
            assert!(fins.iter().all(|fin| !fin));
            assert_eq!(opcodes.remove(0), Opcode::Text);
            assert!(opcodes.iter().all(|opcode| *opcode == Opcode::Continuation));
        }
    }
}
