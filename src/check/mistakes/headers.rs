//! Mistakes in the two bytes of a short frame's header.

use super::mistake::{Mistake, masked, plain};
use crate::protocol::{Frame, Opcode};

/// The mistakes in the header of a short message, whose length fits in seven bits.
pub fn of_headers(frame: &Frame, opcode: Opcode, payload: &[u8]) -> Vec<Mistake> {
    let right = plain(opcode, payload);
    let (first, length) = (right[0], payload.len());
    if length > 121 || length == 0 {
        return Vec::new();
    }
    let length = length as u8;
    let with = |header: &[u8], rest: &[u8]| [header, rest].concat();
    let key = frame.header.masking_key.unwrap_or_default();
    let as_text: String = right.iter().map(|byte| char::from(*byte)).collect();
    let mut mistakes = vec![
        Mistake::new(
            with(&[first, 0x80 | length], payload),
            1..2,
            format!("MASK 1; it should be {length:02x}"),
            "The MASK bit in your second byte is set, but no masking key follows. A server does not mask: its \
             second byte is the length alone.",
        ),
        Mistake::new(
            with(&with(&[first, 0x80 | length], &key), payload),
            1..6,
            "MASK 1, and our masking key",
            "You copied the header of our frame, with MASK and masking key, and put the unmasked payload behind \
             it. A server does not mask: its second byte is the length alone, and no key follows.",
        ),
        Mistake::new(
            with(&with(&[first, length + 4], &key), &masked(frame)),
            2..6,
            "the key, read as payload",
            "You read the masking key as the first four bytes of the payload. The payload begins after the key.",
        ),
        Mistake::new(
            with(&[first, length + 4, 0, 0, 0, 0], payload),
            2..6,
            "the key XOR itself",
            "Four zeros stand before the payload. They are the masking key, unmasked with itself. The payload \
             begins after the key.",
        ),
        Mistake::new(
            with(&[first & 0x7f, length], payload),
            0..1,
            format!("FIN 0; it should be {first:02x}"),
            "FIN is 0, so the message never ends, and the receiver waits for another fragment.",
        ),
        Mistake::new(
            with(&with(&[0], payload), &[0xff]),
            0..1,
            "the framing of a draft",
            "You put the message between the bytes 00 and ff, as a draft of 2010 did. RFC 6455 has a header \
             instead: two bytes for a short message.",
        ),
        Mistake::new(
            as_text.into_bytes(),
            0..2,
            format!("{first:02x} in UTF-8"),
            format!(
                "You wrote the bytes as text, so {first:02x} became c2 {first:02x} on the wire. A frame consists of \
                 bytes: write them as a byte buffer, not as a string."
            ),
        ),
    ];
    if length < 10 {
        mistakes.push(Mistake::new(
            with(&[first, b'0' + length], payload),
            1..2,
            format!("the character '{length}'"),
            format!(
                "{:02x} is the character '{length}', not the number. Write the length as a number: {length:02x}.",
                b'0' + length
            ),
        ));
    }
    if payload.len() > 1 {
        mistakes.push(Mistake::new(
            payload.to_vec(),
            0..2,
            "the payload, without a header",
            format!(
                "The header is missing. Two bytes go before the payload: {first:02x} (FIN and opcode) and \
                 {length:02x} (the length)."
            ),
        ));
    }
    for end in ["\n", "\r\n"] {
        mistakes.push(Mistake::new(
            with(end.as_bytes(), &right),
            0..end.len(),
            "a line end",
            "A line end stands before this frame, because you wrote one after the frame before. Nothing may stand \
             between frames. Functions such as println add a line end: use one that does not.",
        ));
    }
    let mut too_long = Mistake::new(
        with(&[first, length + 1], payload),
        1..2,
        format!("length {}, but {length} bytes follow", length + 1),
        "The length is one too large. It counts the bytes of the payload, and nothing else.",
    );
    // With one more byte it would be a correct frame with another payload.
    too_long.is_all = true;
    // After each of these the receiver would wait for more bytes, or misread the next ones. Only FIN 0 can
    // still be right: an empty last fragment may follow.
    for mistake in &mut mistakes {
        mistake.breaks_frames = mistake.bytes[0] != first & 0x7f;
    }
    too_long.breaks_frames = false;
    mistakes.push(too_long);
    mistakes
}
