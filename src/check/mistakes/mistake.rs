//! A mistake: the bytes that show it, and the words that explain it.

use std::ops::Range;

use crate::check::evidence::{Evidence, describe};
use crate::protocol::{Frame, Opcode, mask};
use crate::text::count;

/// A known mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The bytes that a server with this mistake sends.
    pub bytes: Vec<u8>,
    /// The bytes that are wrong, and what is wrong with them.
    mark: (Range<usize>, String),
    /// The mistake in plain words, and what to do instead.
    pub why: String,
    /// Whether `bytes` must be all that came, because one more byte would make it another mistake.
    pub is_all: bool,
    /// Whether the bytes contain a frame that never ends, or ends too early. Then the checker must not wait
    /// for the frame.
    pub breaks_frames: bool,
}

impl Mistake {
    /// A mistake that shows as `bytes`, of which those in `range` are wrong, as `mark` says.
    pub fn new(
        bytes: Vec<u8>,
        range: Range<usize>,
        mark: impl Into<String>,
        why: impl Into<String>,
    ) -> Mistake {
        let mut rest = &bytes[..];
        while let Some((_, length)) = Frame::decode(rest) {
            rest = &rest[length..];
        }
        let breaks_frames = !rest.is_empty();
        Mistake { bytes, mark: (range, mark.into()), why: why.into(), is_all: false, breaks_frames }
    }

    /// Whether `received` shows this mistake.
    pub fn is(&self, received: &[u8]) -> bool {
        if self.is_all { received == self.bytes } else { received.starts_with(&self.bytes) }
    }

    /// What was received, with a mark under the bytes that are wrong.
    pub fn evidence(&self, received: &[u8]) -> Evidence {
        let note = match Frame::decode(received) {
            Some((frame, length)) if length == received.len() => describe(&frame),
            _ => format!("{} in all", count(received.len() as u64, "byte")),
        };
        let (range, what) = &self.mark;
        Evidence::bytes(received, note).with_mark(range.clone(), what)
    }
}

/// A frame as a server should send it: whole, and not masked.
pub fn plain(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    Frame::new(opcode, None, payload).encode()
}

/// The payload of a frame as it crossed the wire.
pub fn masked(frame: &Frame) -> Vec<u8> {
    let mut payload = frame.payload.clone();
    mask(&mut payload, frame.header.masking_key.unwrap_or_default());
    payload
}
