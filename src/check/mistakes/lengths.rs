//! Mistakes in writing or reading a length.

use super::mistake::{Mistake, plain};
use crate::protocol::{Frame, LengthForm, Opcode, mask};

/// The mistakes in the length of a message that is sent back.
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
                format!("the length says {swapped}, but {length} bytes follow"),
                format!(
                    "The two length bytes are swapped ({low:02x} {high:02x}). The high byte comes first \
                     (network byte order): {high:02x} {low:02x}."
                ),
            ));
            mistakes.push(Mistake::new(
                with(&[&[127][..], &(length as u64).to_be_bytes()].concat()),
                1..10,
                "127 and eight bytes: the 64-bit form",
                format!(
                    "You wrote the length {length} in 64 bits. The shortest form must be used (RFC 6455 \
                     section 5.2): for 126 to 65535 that is the byte 126 and two bytes of length."
                ),
            ));
            mistakes.push(Mistake::new(
                with(&[length as u8]),
                1..2,
                format!("the second byte alone, {:02x}", length as u8),
                format!(
                    "You wrote the length {length} into the second byte, which can hold 125 at most. From 126 on, \
                     that byte is 126 and the length follows in two bytes: 7e {high:02x} {low:02x}."
                ),
            ));
            for (read, which) in [(low, "low"), (high, "high")] {
                let part = &payload[..usize::from(read).min(length)];
                mistakes.push(Mistake::new(
                    plain(opcode, part),
                    1..2,
                    format!("{} bytes of {length}", part.len()),
                    format!(
                        "You read only the {which} byte of the two length bytes {high:02x} {low:02x}. The length is \
                         both together: high * 256 + low."
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
                "The eight length bytes are in the wrong order. The high byte comes first (network byte order).",
            ));
            mistakes.push(Mistake::new(
                with(&[&[127][..], &eight[4..]].concat()),
                1..6,
                "127 and only four bytes",
                "Eight bytes of length come after 127. You wrote four.",
            ));
            mistakes.push(Mistake::new(
                with(&[&[126][..], &eight[6..]].concat()),
                1..4,
                format!("126 and two bytes, which cannot hold {length}"),
                "Two bytes can hold 65535 at most. From 65536 on, the second byte is 127, and eight bytes of \
                 length follow.",
            ));
            mistakes.push(Mistake::new(
                plain(opcode, b""),
                0..2,
                "an empty message",
                "You read only some of the eight length bytes, and those are 0. Read all eight bytes after 127 \
                 as one number, high byte first.",
            ));
        }
    }
    if let Some(read) = marker_taken_as_length(frame) {
        let marker = read.len();
        let why = format!(
            "You read {marker} in the second byte as the length. It is a marker: the length is in the next {} \
             bytes, and the masking key comes after those.",
            if marker == 126 { "two" } else { "eight" }
        );
        let what = format!("{marker} bytes, unmasked with the wrong key");
        let mut short = vec![first, marker as u8];
        short.extend(&read);
        for bytes in [plain(opcode, &read), short] {
            mistakes.push(Mistake::new(bytes, 1..2, &*what, &*why));
        }
    }
    mistakes.extend(characters_counted(opcode, payload));
    mistakes
}

/// The payload that a server gets when it reads 126 or 127 as the length. Its key is then made of the length
/// bytes and what follows them.
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

/// The length of a text in characters, where bytes must be counted.
fn characters_counted(opcode: Opcode, payload: &[u8]) -> Option<Mistake> {
    let characters = std::str::from_utf8(payload).ok()?.chars().count();
    if opcode != Opcode::Text || characters == payload.len() || characters > 125 {
        return None;
    }
    let mut bytes = plain(opcode, payload);
    bytes[1] = characters as u8;
    Some(Mistake::new(
        bytes,
        1..2,
        format!("length {characters}, but {} bytes follow", payload.len()),
        "Your length counts characters. It must count bytes: encode the text as UTF-8 first, then take the length \
         of the result.",
    ))
}
