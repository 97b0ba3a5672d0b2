//! The mistakes that people make, each with the bytes that it leads to: what has come is compared with
//! them, and so a mistake gets its name.

mod accept;
mod headers;
mod lengths;
mod unrecognized;

use std::ops::Range;

use crate::check::client::describe;
use crate::check::finding::Evidence;
use crate::frame::{Frame, FrameHeader, Opcode, mask};

pub use accept::of_accept;
pub use unrecognized::of_what_came;

/// A mistake, and how it shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// What a server that makes it sends, from its first byte.
    pub bytes: Vec<u8>,
    /// The bytes to look at, and what is wrong with them.
    mark: (Range<usize>, String),
    /// The mistake in plain words, and what to do instead.
    pub why: String,
    /// Whether nothing more may follow: what follows would make it another mistake.
    is_all: bool,
    /// Whether it makes a frame that never ends, or ends too early: to wait for the frame would be
    /// to wait in vain.
    pub breaks_frames: bool,
}

impl Mistake {
    fn new(bytes: Vec<u8>, range: Range<usize>, mark: &str, why: impl Into<String>) -> Mistake {
        let mut rest = &bytes[..];
        while let Some((_, length)) = Frame::decode(rest) {
            rest = &rest[length..];
        }
        let breaks_frames = !rest.is_empty();
        let mark = (range, mark.to_owned());
        Mistake { bytes, mark, why: why.into(), is_all: false, breaks_frames }
    }

    /// Whether this is what has come.
    pub fn is(&self, raw: &[u8]) -> bool {
        if self.is_all { raw == self.bytes } else { raw.starts_with(&self.bytes) }
    }

    /// What has come, with the mark.
    pub fn evidence(&self, raw: &[u8]) -> Evidence {
        let note = match Frame::decode(raw) {
            Some((frame, length)) if length == raw.len() => describe(&frame),
            _ if raw.len() == 1 => "1 byte in all".to_owned(),
            _ => format!("{} bytes in all", raw.len()),
        };
        let (range, mark) = &self.mark;
        Evidence::marked(raw, note, range.clone(), mark.clone())
    }
}

/// What Chrome says of a frame that a server has masked (Chromium, websocket_channel.cc).
pub const CHROME_ON_MASK: &str = "A server must not mask any frames that it sends to the client.";

/// A frame as a server should send it.
fn plain(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    Frame::new(opcode, None, payload).encode()
}

/// The payload as it crossed the wire.
fn masked(frame: &Frame) -> Vec<u8> {
    let mut payload = frame.payload.clone();
    mask(&mut payload, frame.header.masking_key.unwrap_or_default());
    payload
}

/// What the payload becomes when its key is applied from its byte number `offset` on.
fn unmasked_from(offset: usize, frame: &Frame) -> Vec<u8> {
    let mut key = frame.header.masking_key.unwrap_or_default();
    key.rotate_left(offset % 4);
    let mut payload = masked(frame);
    mask(&mut payload, key);
    payload
}

/// The mistakes in sending back `payload`, which came in `frames`; `before` bytes of payload had gone
/// over the connection until then, and its first frame had `first_key`.
pub fn of_echo(
    frames: &[Frame],
    before: usize,
    first_key: Option<[u8; 4]>,
    opcode: Opcode,
    payload: &[u8],
) -> Vec<Mistake> {
    let Some(last) = frames.last() else { return Vec::new() };
    let mut mistakes = Vec::new();
    if frames.len() > 1 {
        mistakes.extend(of_fragments(frames, opcode, payload));
    }
    mistakes.extend(headers::of_headers(last, opcode, payload));
    mistakes.extend(of_masking(frames, before, first_key, opcode));
    let other = if opcode == Opcode::Text { Opcode::Binary } else { Opcode::Text };
    mistakes.push(Mistake::new(
        plain(other, payload),
        0..1,
        &format!("opcode {}: {other}", other.bits()),
        format!(
            "You answered a {opcode} message with a {other} message. Send it back with the opcode that \
             it came with: a page gets a string for text, and a Blob or an ArrayBuffer for binary."
        ),
    ));
    mistakes.extend(lengths::of_lengths(last, opcode, payload));
    if let Ok(text) = std::str::from_utf8(payload) {
        let characters = text.chars().count();
        if opcode == Opcode::Text && characters != payload.len() && characters <= 125 {
            let mut bytes = plain(opcode, payload);
            bytes[1] = characters as u8;
            mistakes.push(Mistake::new(
                bytes,
                1..2,
                &format!("length {characters}, but {} bytes follow", payload.len()),
                "The length counts characters. It must count bytes: encode the text as UTF-8 first, \
                 then take the length of that.",
            ));
        }
    }
    // What happens to be right is no mistake.
    let right = plain(opcode, payload);
    mistakes.retain(|mistake| !right.starts_with(&mistake.bytes));
    mistakes
}

fn of_masking(
    frames: &[Frame],
    before: usize,
    first_key: Option<[u8; 4]>,
    opcode: Opcode,
) -> Vec<Mistake> {
    let still_masked: Vec<u8> = frames.iter().flat_map(masked).collect();
    let at = |payload: &[u8]| {
        let header = FrameHeader::new(opcode, None, payload.len() as u64);
        let mut bytes = Vec::new();
        header.encode(&mut bytes);
        bytes.len()
    };
    let start = at(&still_masked);
    let end = start + still_masked.len();
    let mut mistakes = vec![Mistake::new(
        plain(opcode, &still_masked),
        start..end,
        "still masked",
        "You sent the payload back as it crossed the wire, still masked. Unmask it first: \
         byte i XOR key[i % 4] (RFC 6455 5.3).",
    )];
    // The key's index begins at 0 in each frame; these two let it run on.
    let mut in_message = 0;
    let mut in_connection = before;
    let (mut runs_on, mut runs_on_and_on) = (Vec::new(), Vec::new());
    for frame in frames {
        runs_on.extend(unmasked_from(in_message, frame));
        runs_on_and_on.extend(unmasked_from(in_connection, frame));
        in_message += frame.payload.len();
        in_connection += frame.payload.len();
    }
    for payload in [runs_on, runs_on_and_on] {
        mistakes.push(Mistake::new(
            plain(opcode, &payload),
            start..end,
            "unmasked from the wrong byte of the key on",
            "The index into the masking key runs on from the frame before. It begins at 0 with \
             each frame's own payload: byte i of this frame XOR key[i % 4].",
        ));
    }
    // Each frame has a key of its own; these take the first one for all.
    for first in [frames[0].header.masking_key, first_key] {
        let mut payload = still_masked.clone();
        mask(&mut payload, first.unwrap_or_default());
        mistakes.push(Mistake::new(
            plain(opcode, &payload),
            start..end,
            "unmasked with an earlier frame's key",
            "You unmasked with the key of an earlier frame. Each frame brings a new key, in its \
             header: read it anew.",
        ));
    }
    mistakes
}

fn of_fragments(frames: &[Frame], opcode: Opcode, payload: &[u8]) -> Vec<Mistake> {
    let each = |next: Opcode| -> Vec<u8> {
        let opcodes = [opcode].into_iter().chain(std::iter::repeat(next));
        frames.iter().zip(opcodes).flat_map(|(frame, op)| plain(op, &frame.payload)).collect()
    };
    let first = plain(opcode, &frames[0].payload);
    let end = first.len();
    let apart = "You took each fragment for a message of its own. Collect the payloads until a frame \
                 with FIN 1 has come, and only then handle the message: a page calls send() once, \
                 whatever number of frames that takes.";
    let last = frames.last().map(|frame| frame.payload.clone()).unwrap_or_default();
    vec![
        Mistake::new(each(opcode), 0..end, "the first fragment alone", apart),
        Mistake::new(each(Opcode::Continuation), 0..end, "the first fragment alone", apart),
        Mistake::new(
            first,
            0..end,
            "the first fragment alone",
            "Only the first fragment came back: the continuation frames (opcode 0) were lost. Append \
             their payloads until one has FIN 1.",
        ),
        Mistake::new(
            plain(opcode, &last),
            0..last.len() + 2,
            "the last fragment alone",
            "Only the last fragment came back. Keep what came before it: a message is the payloads of \
             all its frames.",
        ),
        Mistake::new(
            plain(Opcode::Continuation, payload),
            0..1,
            "opcode 0: continuation",
            "The message came back as a continuation of nothing. The opcode of the first fragment \
             (text or binary) is that of the whole message: keep it.",
        ),
    ]
}

/// The mistakes in answering the last of `frames`, a Ping with `payload`.
pub fn of_pong(frames: &[Frame], payload: &[u8]) -> Vec<Mistake> {
    let Some(ping) = frames.last() else { return Vec::new() };
    let end = payload.len() + 2;
    let mut mistakes = vec![
        Mistake::new(
            plain(Opcode::Ping, payload),
            0..1,
            "opcode 9: Ping",
            "You answered the Ping with a Ping. The answer is a Pong: opcode a (10), so the first byte \
             is 8a.",
        ),
        Mistake::new(
            plain(Opcode::Pong, &masked(ping)),
            2..end.max(3),
            "still masked",
            "The Pong carries the Ping's payload as it crossed the wire, still masked. Unmask it first, \
             as in any other frame.",
        ),
        Mistake::new(
            plain(Opcode::Text, payload),
            0..1,
            "opcode 1: text",
            "You took the Ping for a message and sent its payload back as text. Look at the opcode: 9 \
             is a Ping, and is answered with a Pong, opcode a (10).",
        ),
        Mistake::new(
            plain(Opcode::Binary, payload),
            0..1,
            "opcode 2: binary",
            "You took the Ping for a message and sent its payload back. Look at the opcode: 9 is a \
             Ping, and is answered with a Pong, opcode a (10).",
        ),
        Mistake::new(
            ping.encode(),
            1..6,
            "MASK and key",
            "You sent the Ping's own bytes back. The answer is a frame of yours: opcode a (10), not \
             masked, with the Ping's payload.",
        ),
    ];
    if !payload.is_empty() {
        mistakes.push(Mistake::new(
            plain(Opcode::Pong, b""),
            1..2,
            "length 0",
            "The Pong is empty. It must carry the Ping's payload (RFC 6455 5.5.3): by it the other side \
             knows which Ping is answered, and how long that took.",
        ));
    }
    let right = plain(Opcode::Pong, payload);
    mistakes.retain(|mistake| !right.starts_with(&mistake.bytes));
    mistakes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No mistake looks like what is right, for all lengths that are tried.
    #[test]
    fn what_is_right_is_no_mistake() {
        for length in [0, 1, 4, 125, 126, 127, 128, 255, 256, 65535, 65536] {
            let payload = vec![b'a'; length];
            let frame = Frame::new(Opcode::Binary, Some([0x37, 0xfa, 0x21, 0x3d]), &payload);
            let right = plain(Opcode::Binary, &payload);
            for before in 0..8 {
                for mistake in
                    of_echo(std::slice::from_ref(&frame), before, None, Opcode::Binary, &payload)
                {
                    assert!(!mistake.is(&right), "{length}: {}", mistake.why);
                }
            }
            if length <= 125 {
                for mistake in of_pong(&[frame], &payload) {
                    assert!(!mistake.is(&plain(Opcode::Pong, &payload)), "{}", mistake.why);
                }
            }
        }
    }
}
