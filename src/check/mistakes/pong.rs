//! Mistakes in answering a Ping.

use super::mistake::{Mistake, masked, plain};
use crate::protocol::{Frame, Opcode};

/// The mistakes in answering the last of `frames`, a Ping with `payload`.
pub fn of_pong(frames: &[Frame], payload: &[u8]) -> Vec<Mistake> {
    let Some(ping) = frames.last() else { return Vec::new() };
    let end = payload.len() + 2;
    let mut mistakes = vec![
        Mistake::new(
            plain(Opcode::Ping, payload),
            0..1,
            "opcode 9: Ping",
            "You answered the Ping with a Ping. The answer is a Pong: its opcode is a (10), so its first byte \
             is 8a.",
        ),
        Mistake::new(
            plain(Opcode::Pong, &masked(ping)),
            2..end.max(3),
            "still masked",
            "Your Pong carries the Ping's payload as it crossed the wire, still masked. Unmask it first, as in \
             any other frame.",
        ),
        Mistake::new(
            plain(Opcode::Text, payload),
            0..1,
            "opcode 1: text",
            "You treated the Ping as a message, and sent its payload back as text. Look at the opcode: 9 is a \
             Ping. Answer it with a Pong, opcode a (10).",
        ),
        Mistake::new(
            plain(Opcode::Binary, payload),
            0..1,
            "opcode 2: binary",
            "You treated the Ping as a message, and sent its payload back. Look at the opcode: 9 is a Ping. \
             Answer it with a Pong, opcode a (10).",
        ),
        Mistake::new(
            ping.encode(),
            1..6,
            "MASK and masking key",
            "You sent the bytes of the Ping back as they came. The answer is a frame of your own: opcode a \
             (10), not masked, with the Ping's payload.",
        ),
    ];
    if !payload.is_empty() {
        mistakes.push(Mistake::new(
            plain(Opcode::Pong, b""),
            1..2,
            "length 0",
            "Your Pong is empty. It must carry the Ping's payload (RFC 6455 section 5.5.3): this tells the \
             client which Ping you answer, and how long the answer took.",
        ));
    }
    let right = plain(Opcode::Pong, payload);
    mistakes.retain(|mistake| !right.starts_with(&mistake.bytes));
    mistakes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_correct_pong_shows_no_mistake() {
        for length in [0, 1, 4, 125] {
            let payload = vec![b'a'; length];
            let ping = Frame::new(Opcode::Ping, Some([0x37, 0xfa, 0x21, 0x3d]), &payload);
            for mistake in of_pong(&[ping], &payload) {
                assert!(!mistake.is(&plain(Opcode::Pong, &payload)), "{}", mistake.why);
            }
        }
    }
}
