//! The mistakes that people make, each with the bytes that it leads to: what has come is compared with
//! them, and so a mistake gets its name.

use std::ops::Range;

use data_encoding::{BASE64, HEXLOWER, HEXUPPER};
use sha1::{Digest, Sha1};

use super::client::{Heard, describe};
use super::finding::Evidence;
use crate::close::CloseCode;
use crate::frame::{Frame, FrameHeader, LengthForm, Opcode, mask};
use crate::wire::{AcceptKey, GUID};

/// A mistake, and how it shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// What a server that makes it sends, from its first byte.
    pub bytes: Vec<u8>,
    /// The bytes to look at, and what is wrong with them.
    mark: (Range<usize>, String),
    /// The mistake in plain words, and what to do instead.
    pub why: String,
    /// What Chrome writes to its console.
    pub browser: Option<String>,
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
        Mistake { bytes, mark, why: why.into(), browser: None, breaks_frames }
    }

    /// Whether this is what has come.
    pub fn is(&self, raw: &[u8]) -> bool {
        raw.starts_with(&self.bytes)
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
/// over the connection until then.
pub fn of_echo(frames: &[Frame], before: usize, opcode: Opcode, payload: &[u8]) -> Vec<Mistake> {
    let Some(last) = frames.last() else { return Vec::new() };
    let mut mistakes = Vec::new();
    if frames.len() > 1 {
        mistakes.extend(of_fragments(frames, opcode, payload));
    }
    mistakes.extend(of_masking(frames, before, opcode));
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
    mistakes.extend(of_lengths(last, opcode, payload));
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

fn of_masking(frames: &[Frame], before: usize, opcode: Opcode) -> Vec<Mistake> {
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
    for first in [frames[0].header.masking_key, Some([0x37, 0xfa, 0x21, 0x3d])] {
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

/// How a length can be written or read wrong.
fn of_lengths(frame: &Frame, opcode: Opcode, payload: &[u8]) -> Vec<Mistake> {
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

/// What came, where it is none of the mistakes that have a name.
pub fn of_what_came(heard: &Heard, raw: &[u8], opcode: Opcode, payload: &[u8]) -> String {
    let wanted = match opcode {
        Opcode::Pong => "a Pong",
        Opcode::Close => "a Close",
        _ => "the message",
    };
    match heard {
        Heard::Nonsense if raw.starts_with(b"HTTP") => {
            "After the 101 your server still speaks HTTP: the bytes 48 54 54 50 spell \"HTTP\". From the \
             blank line on there are only frames."
                .to_owned()
        }
        Heard::Nonsense => "What came is no frame, or far too much.".to_owned(),
        Heard::Silence if raw.is_empty() => format!(
            "Nothing came, and the connection stayed open. Your server did not see the frame as \
             complete, or did not send {wanted} back."
        ),
        Heard::Silence => format!(
            "Part of a frame came, and then nothing: its header promises more than followed, or {wanted} \
             is still waited for."
        ),
        Heard::Ended if raw.is_empty() => format!(
            "Your server ended the connection instead of sending {wanted}. Look at what it wrote on its \
             own console: an error, perhaps, or a thread that stopped."
        ),
        Heard::Ended => "Your server ended the connection in the middle of this.".to_owned(),
        Heard::Close(body) => match super::client::close_code(body) {
            Some(code) if code == CloseCode::INVALID_DATA => {
                "Your server closed with 1007: it took this for text that is not UTF-8. So what it looked at \
                 is not what was sent: which length did it read, and which key did it unmask with?"
                    .to_owned()
            }
            Some(code) => format!("Your server closed with {code} here, where nothing was wrong."),
            None => "Your server closed here, where nothing was wrong.".to_owned(),
        },
        Heard::Control(Opcode::Reserved(bits), _) => {
            format!("A frame with opcode {bits:x} came. That opcode means nothing.")
        }
        Heard::Control(found, _) if *found == opcode => {
            format!("A {found} came, but not with the payload that it should have.")
        }
        Heard::Control(found, _) => format!("A {found} came, and not {wanted}."),
        Heard::Message(_, found) => of_another_message(found, payload),
    }
}

fn of_another_message(found: &[u8], payload: &[u8]) -> String {
    let text = String::from_utf8_lossy(found);
    let looks_like_an_object =
        ["[object", "Text(", "Binary(", "b'", "<Buffer", "<_io", "bytearray("]
            .iter()
            .any(|start| text.starts_with(start));
    if looks_like_an_object {
        return "You sent back the description of an object, not what is in it: take the text or the \
                bytes out of the message first."
            .to_owned();
    }
    let contains = found.windows(payload.len().max(1)).any(|window| window == payload);
    if contains && found.len() > payload.len() && !payload.is_empty() {
        return "The message came back with something added. These steps need it back exactly as it was \
                sent; is there a greeting, or a line end?"
            .to_owned();
    }
    if payload.starts_with(found) && !found.is_empty() {
        return format!("Only {} of {} bytes came back.", found.len(), payload.len());
    }
    "Another message came than was sent. If your server answers in words of its own, test it with \
     --no-echo."
        .to_owned()
}

/// The wrong answers to a Sec-WebSocket-Key, each with the mistake that leads to it.
pub fn of_accept(key: &str, found: &str) -> Option<String> {
    let sha1 = |text: &[u8]| Sha1::digest(text).to_vec();
    let base64 = |text: &[u8]| BASE64.encode(&sha1(text));
    let joined = format!("{key}{GUID}");
    let right = AcceptKey::of(key).accept;
    let decoded = BASE64.decode(key.as_bytes()).unwrap_or_default();
    let digest = sha1(joined.as_bytes());
    let of_hex = |hex: String| BASE64.encode(hex.as_bytes());
    let hex = "You base64-encoded the 40 hex letters of the SHA-1. Encode its 20 raw bytes.";
    let known = [
        (of_hex(HEXLOWER.encode(&digest)), hex),
        (of_hex(HEXUPPER.encode(&digest)), hex),
        (
            HEXLOWER.encode(&digest),
            "This is the SHA-1 in hex. Base64-encode its 20 raw bytes instead.",
        ),
        (
            HEXUPPER.encode(&digest),
            "This is the SHA-1 in hex. Base64-encode its 20 raw bytes instead.",
        ),
        (
            base64(&[&decoded[..], GUID.as_bytes()].concat()),
            "You base64-decoded the key first. Take its text as it stands in the header.",
        ),
        (
            base64(key.as_bytes()),
            "The GUID was forgotten. It comes after the key: SHA-1 of key and GUID in one string.",
        ),
        (
            base64(format!("{key}{}", GUID.to_lowercase()).as_bytes()),
            "The GUID is in lower case. It is text, not a number: its letters are capitals.",
        ),
        (base64(format!("{GUID}{key}").as_bytes()), "The GUID comes after the key, not before it."),
        (
            base64(format!("{key}\r\n{GUID}").as_bytes()),
            "The line end (CR LF) was left on the key. Trim the header's value.",
        ),
        (
            base64(format!("{key}\n{GUID}").as_bytes()),
            "The line end (LF) was left on the key. Trim the header's value.",
        ),
        (
            base64(format!("{key}\r{GUID}").as_bytes()),
            "A CR was left on the key. Trim the header's value.",
        ),
        (
            base64(format!(" {key}{GUID}").as_bytes()),
            "The space after the colon was left on the key. Trim the header's value.",
        ),
        (
            base64(format!("{joined}\n").as_bytes()),
            "There is a line end after the GUID in what you hash.",
        ),
        (
            right.replace('+', "-").replace('/', "_"),
            "This is base64 with the URL-safe alphabet (- and _). The standard one has + and /.",
        ),
        (
            right.trim_end_matches('=').to_owned(),
            "The padding (=) at the end was dropped. It belongs to the value.",
        ),
        (key.to_owned(), "You sent the key itself back. It must be hashed together with the GUID."),
        (
            BASE64.encode(joined.as_bytes()),
            "You base64-encoded key and GUID without hashing them: the SHA-1 is missing.",
        ),
    ];
    if let Some((_, why)) = known.iter().find(|(value, _)| value == found) {
        return Some((*why).to_owned());
    }
    let bytes = BASE64.decode(found.as_bytes()).ok()?.len();
    let hash = match bytes {
        16 => "MD5",
        32 => "SHA-256",
        64 => "SHA-512",
        _ => return None,
    };
    Some(format!("This decodes to {bytes} bytes, as {hash} gives. SHA-1 gives 20."))
}

#[cfg(test)]
mod tests {
    use super::super::request::SAMPLE_KEY;
    use super::*;

    /// The values of known wrong servers, computed elsewhere.
    #[test]
    fn wrong_accept_values_have_names() {
        for (value, names) in [
            ("YjM3YTRmMmNjMDYyNGYxNjkwZjY0NjA2Y2YzODU5NDViMmJlYzRlYQ==", "hex letters"),
            ("QjM3QTRGMkNDMDYyNEYxNjkwRjY0NjA2Q0YzODU5NDVCMkJFQzRFQQ==", "hex letters"),
            ("b37a4f2cc0624f1690f64606cf385945b2bec4ea", "in hex"),
            ("BXhwxM0SZasKmCD9S4BfpPmCnEw=", "decoded"),
            ("hHLtf2V1k8aDQZfNjw3Ia1hCwt0=", "forgotten"),
            ("WJfwerbIozKsJXHxxI0JTO1SQgU=", "lower case"),
            ("2OZf2Seed9yzIpkj+zvC9KS9Mjw=", "before"),
            ("kex8Ji4w0ek1Mc3Dwcf4mOpf5b4=", "CR LF"),
            ("r9/ho7dygrDPAQf/zFnJxWqPVO4=", "(LF)"),
            ("s3mCG3XUBfFRrUGpYOBQiHm5i8g=", "space"),
            ("c8qeCxwB8sJPxkSckeL76bKL7f642+KYzDiR7EbKyTY=", "SHA-256"),
            ("fI/F95pFHyUax3HLt0ktmQ==", "MD5"),
            ("s3pPLMBiTxaQ9kYGzzhZRbK-xOo=", "URL-safe"),
            ("s3pPLMBiTxaQ9kYGzzhZRbK+xOo", "padding"),
            (SAMPLE_KEY, "itself"),
        ] {
            let why = of_accept(SAMPLE_KEY, value).unwrap_or_else(|| panic!("{value} has no name"));
            assert!(why.contains(names), "{value}: {why}");
        }
        assert_eq!(of_accept(SAMPLE_KEY, "AAAAAAAAAAAAAAAAAAAAAAAAAAA="), None);
    }

    /// No mistake looks like what is right, for all lengths that are tried.
    #[test]
    fn what_is_right_is_no_mistake() {
        for length in [0, 1, 4, 125, 126, 127, 128, 255, 256, 65535, 65536] {
            let payload = vec![b'a'; length];
            let frame = Frame::new(Opcode::Binary, Some([0x37, 0xfa, 0x21, 0x3d]), &payload);
            let right = plain(Opcode::Binary, &payload);
            for before in 0..8 {
                for mistake in
                    of_echo(std::slice::from_ref(&frame), before, Opcode::Binary, &payload)
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
