//! How a length can be written or read wrong.

use super::{Mistake, plain};
use crate::protocol::{Frame, LengthForm, Opcode, mask};

/// How a length can be written or read wrong.
pub fn of_lengths(frame: &Frame, opcode: Opcode, payload: &[u8]) -> Vec<Mistake> {
    let right = plain(opcode, payload);
    let first = right[0];
    let length = payload.len();
    let with = |header: &[u8]| -> Vec<u8> { [&[first], header, payload].concat() };
    let mut mistakes = Vec::new();
    match LengthForm::shortest(length as u64) {
        LengthForm::Bits7 => {}
        LengthForm::Bits16 => {
            let [high, low] = (length as u16).to_be_bytes();
            let swapped = u16::from_le_bytes([high, low]);
            mistakes.push(Mistake::new(
                with(&[126, low, high]),
                2..4,
                &format!("the length says {swapped}, but {length} bytes follow"),
                format!(
                    "The two length bytes are swapped ({low:02x} {high:02x}). The high byte comes \
                     first, in network byte order: {high:02x} {low:02x}."
                ),
            ));
            mistakes.push(Mistake::new(
                with(&[&[127][..], &(length as u64).to_be_bytes()].concat()),
                1..10,
                "127 and eight bytes: the 64-bit form",
                format!(
                    "{length} is written in 64 bits. The shortest form must be used (RFC 6455 5.2): \
                     126 and two bytes, for 126 to 65535."
                ),
            ));
            mistakes.push(Mistake::new(
                with(&[length as u8]),
                1..2,
                &format!("the second byte alone, {:02x}", length as u8),
                format!(
                    "The length {length} stands in the second byte, which holds 125 at most. From 126 \
                     on that byte is 126, and the length follows in two bytes: 7e {high:02x} {low:02x}."
                ),
            ));
            for (read, which) in [(low, "low"), (high, "high")] {
                let part = &payload[..usize::from(read).min(length)];
                mistakes.push(Mistake::new(
                    plain(opcode, part),
                    1..2,
                    &format!("{} bytes of {length}", part.len()),
                    format!(
                        "You read only the {which} byte of the two length bytes {high:02x} {low:02x}. \
                         Both are the length: high * 256 + low."
                    ),
                ));
            }
        }
        LengthForm::Bits64 => {
            let eight = (length as u64).to_be_bytes();
            mistakes.push(Mistake::new(
                with(&[&[127][..], &(length as u64).to_le_bytes()].concat()),
                2..10,
                "the eight bytes are in the wrong order",
                "The eight length bytes are swapped. The high byte comes first, in network byte order.",
            ));
            mistakes.push(Mistake::new(
                with(&[&[127][..], &eight[4..]].concat()),
                1..6,
                "127 and only four bytes",
                "After 127 come eight bytes of length. You wrote four.",
            ));
            mistakes.push(Mistake::new(
                with(&[&[126][..], &eight[6..]].concat()),
                1..4,
                &format!("126 and two bytes, which cannot hold {length}"),
                "Two bytes hold 65535 at most. From 65536 on the second byte is 127, and eight bytes \
                 of length follow.",
            ));
            mistakes.push(Mistake::new(
                plain(opcode, b""),
                0..2,
                "an empty message",
                "You read only some of the eight length bytes, and those are 0. Read all eight after \
                 127 as one number, high byte first.",
            ));
        }
    }
    if let Some(read) = marker_taken_as_length(frame) {
        let marker = read.len();
        let why = format!(
            "You took {marker} in the second byte for the length. It is a marker: the length is in the \
             {} bytes that follow, and the masking key comes after those.",
            if marker == 126 { "two" } else { "eight" }
        );
        let what = format!("{marker} bytes, unmasked with the wrong key");
        let mut short = vec![first, marker as u8];
        short.extend(&read);
        for bytes in [plain(opcode, &read), short] {
            mistakes.push(Mistake::new(bytes, 1..2, &what, why.clone()));
        }
    }
    mistakes
}

/// What a server reads that takes 126 or 127 for the length: the key is then the length bytes and
/// what follows them.
fn marker_taken_as_length(frame: &Frame) -> Option<Vec<u8>> {
    let wire = frame.encode();
    let marker = match frame.header.length_form {
        LengthForm::Bits7 => return None,
        LengthForm::Bits16 => 126,
        LengthForm::Bits64 => 127,
    };
    let key: [u8; 4] = wire.get(2..6)?.try_into().ok()?;
    let mut payload = wire.get(6..6 + marker)?.to_vec();
    mask(&mut payload, key);
    Some(payload)
}
