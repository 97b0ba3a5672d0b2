//! Mistakes in sending a message back: in its masking, its fragments, its opcode.

use super::headers::of_headers;
use super::lengths::of_lengths;
use super::mistake::{Mistake, masked, plain};
use crate::protocol::{Frame, Opcode, mask};

/// The mistakes in sending back `payload`, which the client had sent in `frames`. `before` bytes of payload
/// had crossed the connection until then, and its first frame had the key `first_key`.
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
    mistakes.extend(of_headers(last, opcode, payload));
    mistakes.extend(of_masking(frames, before, first_key, opcode));
    let other = if opcode == Opcode::Text { Opcode::Binary } else { Opcode::Text };
    mistakes.push(Mistake::new(
        plain(other, payload),
        0..1,
        format!("opcode {}: {other}", other.bits()),
        format!(
            "You answered a {opcode} message with a {other} message. Send it back with the opcode that it came \
             with: a page gets a string for text, and a Blob or an ArrayBuffer for binary."
        ),
    ));
    mistakes.extend(of_lengths(last, opcode, payload));
    // A wrong computation can give the right bytes by chance.
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
    let end = plain(opcode, &still_masked).len();
    let start = end - still_masked.len();
    let mut mistakes = vec![Mistake::new(
        plain(opcode, &still_masked),
        start..end,
        "still masked",
        "You sent the payload back as it crossed the wire, still masked. Unmask it first: byte i XOR \
         key[i % 4] (RFC 6455 section 5.3).",
    )];
    // The index into the key must start at 0 in each frame. Here it runs on from frame to frame: within the
    // message, and within the connection.
    let mut in_message = 0;
    let mut in_connection = before;
    let (mut runs_on_in_message, mut runs_on_in_connection) = (Vec::new(), Vec::new());
    for frame in frames {
        runs_on_in_message.extend(unmasked_from(in_message, frame));
        runs_on_in_connection.extend(unmasked_from(in_connection, frame));
        in_message += frame.payload.len();
        in_connection += frame.payload.len();
    }
    for payload in [runs_on_in_message, runs_on_in_connection] {
        mistakes.push(Mistake::new(
            plain(opcode, &payload),
            start..end,
            "unmasked from the wrong byte of the key on",
            "Your index into the masking key runs on from the frame before. It must start at 0 in each frame: \
             byte i of this frame's payload XOR key[i % 4].",
        ));
    }
    // Each frame has a key of its own. Here one key is used for all: the message's first, or the connection's.
    for first in [frames[0].header.masking_key, first_key] {
        let mut payload = still_masked.clone();
        mask(&mut payload, first.unwrap_or_default());
        mistakes.push(Mistake::new(
            plain(opcode, &payload),
            start..end,
            "unmasked with an earlier frame's key",
            "You unmasked with the key of an earlier frame. Each frame has a new key in its header: read it \
             each time.",
        ));
    }
    mistakes
}

/// The payload of `frame`, unmasked from byte number `offset` of its key on.
fn unmasked_from(offset: usize, frame: &Frame) -> Vec<u8> {
    let mut key = frame.header.masking_key.unwrap_or_default();
    key.rotate_left(offset % 4);
    let mut payload = masked(frame);
    mask(&mut payload, key);
    payload
}

fn of_fragments(frames: &[Frame], opcode: Opcode, payload: &[u8]) -> Vec<Mistake> {
    let one_by_one = |next: Opcode| -> Vec<u8> {
        let opcodes = [opcode].into_iter().chain(std::iter::repeat(next));
        frames.iter().zip(opcodes).flat_map(|(frame, op)| plain(op, &frame.payload)).collect()
    };
    let first = plain(opcode, &frames[0].payload);
    let end = first.len();
    let apart = "You treated each fragment as a message of its own. Collect the payloads until a frame with FIN 1 \
                 has come, and handle the message only then. A page that calls send() once sends one message, \
                 even if it takes several frames.";
    let last = frames.last().map(|frame| frame.payload.clone()).unwrap_or_default();
    vec![
        Mistake::new(one_by_one(opcode), 0..end, "the first fragment alone", apart),
        Mistake::new(one_by_one(Opcode::Continuation), 0..end, "the first fragment alone", apart),
        Mistake::new(
            first,
            0..end,
            "the first fragment alone",
            "Only the first fragment came back, and the continuation frames (opcode 0) were lost. Append their \
             payloads until one of them has FIN 1.",
        ),
        Mistake::new(
            plain(opcode, &last),
            0..last.len() + 2,
            "the last fragment alone",
            "Only the last fragment came back. Keep the fragments before it: a message is the payloads of all \
             its frames, one after another.",
        ),
        Mistake::new(
            plain(Opcode::Continuation, payload),
            0..1,
            "opcode 0: continuation",
            "The message came back as a continuation, but no message was open. The opcode of the first \
             fragment (text or binary) is the opcode of the whole message: keep it.",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_correct_echo_shows_no_mistake_at_any_length() {
        for length in [0, 1, 4, 125, 126, 127, 128, 255, 256, 65535, 65536] {
            let payload = vec![b'a'; length];
            let frame = Frame::new(Opcode::Binary, Some([0x37, 0xfa, 0x21, 0x3d]), &payload);
            let right = plain(Opcode::Binary, &payload);
            for before in 0..8 {
                let frames = std::slice::from_ref(&frame);
                for mistake in of_echo(frames, before, None, Opcode::Binary, &payload) {
                    assert!(!mistake.is(&right), "{length}: {}", mistake.why);
                }
            }
        }
    }
}
