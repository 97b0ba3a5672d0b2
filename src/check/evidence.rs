//! Evidence: bytes that crossed the wire, or should have. Only the report turns them into hex and columns.

use std::ops::Range;

use super::received::close_code;
use crate::protocol::{Frame, Opcode};
use crate::text::{count, printable};

/// Longest text, in characters, that stands in the description of a frame.
const MAX_QUOTED: usize = 16;

/// One piece of evidence: it is shown on a line of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// Bytes that were sent, were received, or should have been.
    Bytes {
        /// All of them. The report shows the part that matters.
        bytes: Vec<u8>,
        /// What the bytes are, such as `TEXT "Hello", masked`. Empty if there is nothing to say.
        note: String,
        /// The bytes that are wrong.
        mark: Option<Mark>,
    },
    /// A line of HTTP, or other text.
    Line {
        /// The line without its end.
        text: String,
        /// The part of the line that is wrong.
        mark: Option<Mark>,
    },
    /// The checker's own words, where no bytes can be shown. The report puts them in parentheses.
    Remark(String),
}

/// The part of a piece of evidence that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Which bytes.
    pub range: Range<usize>,
    /// What is wrong with them, in a few words.
    pub what: String,
}

impl Evidence {
    /// A whole frame, with its description.
    pub fn frame(frame: &Frame) -> Evidence {
        Evidence::bytes(&frame.encode(), describe(frame))
    }

    /// Bytes, with a note that says what they are.
    pub fn bytes(bytes: &[u8], note: impl Into<String>) -> Evidence {
        Evidence::Bytes { bytes: bytes.to_vec(), note: note.into(), mark: None }
    }

    /// Bytes from the server, with a description of the first frame in them.
    pub fn frames(bytes: &[u8]) -> Evidence {
        let note = match Frame::decode(bytes) {
            Some((frame, length)) if length == bytes.len() => describe(&frame),
            Some((frame, _)) => format!("{}, and more", describe(&frame)),
            None => String::new(),
        };
        Evidence::bytes(bytes, note)
    }

    /// A line of HTTP, or other text.
    pub fn line(text: impl Into<String>) -> Evidence {
        Evidence::Line { text: text.into(), mark: None }
    }

    /// The checker's own words.
    pub fn remark(words: impl Into<String>) -> Evidence {
        Evidence::Remark(words.into())
    }

    /// The same, with a mark under the bytes in `range`. A remark has no bytes, and gets no mark.
    pub fn with_mark(mut self, range: Range<usize>, what: impl Into<String>) -> Evidence {
        if let Evidence::Bytes { mark, .. } | Evidence::Line { mark, .. } = &mut self {
            *mark = Some(Mark { range, what: what.into() });
        }
        self
    }
}

/// Describes a frame in a few words, such as `TEXT "Hello", masked`.
pub fn describe(frame: &Frame) -> String {
    let header = &frame.header;
    let mut words = match header.opcode {
        Opcode::Reserved(bits) => format!("opcode {bits:x}"),
        opcode => opcode.to_string().to_uppercase(),
    };
    match (header.opcode, std::str::from_utf8(&frame.payload)) {
        (Opcode::Close, _) if frame.payload.len() >= 2 => {
            if let Some(code) = close_code(&frame.payload) {
                words += &format!(" {}", code.0);
            }
        }
        (Opcode::Text | Opcode::Continuation | Opcode::Ping | Opcode::Pong, Ok(text))
            if text.chars().count() <= MAX_QUOTED && !text.is_empty() =>
        {
            words += &format!(" \"{}\"", printable(text));
        }
        (_, _) => words += &format!(", {}", count(frame.payload.len() as u64, "byte")),
    }
    if header.rsv != 0 {
        words += &format!(", RSV {:03b}", header.rsv);
    }
    if !header.fin {
        words += ", FIN 0";
    }
    if header.masking_key.is_some() {
        words += ", masked";
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_described_in_a_few_words() {
        let key = Some([0x37, 0xfa, 0x21, 0x3d]);
        let mut fragment = Frame::new(Opcode::Text, key, b"Hel");
        fragment.header.fin = false;
        let mut reserved = Frame::new(Opcode::Reserved(3), None, b"x");
        reserved.header.rsv = 4;
        for (frame, words) in [
            (fragment, "TEXT \"Hel\", FIN 0, masked"),
            (reserved, "opcode 3, 1 byte, RSV 100"),
            (Frame::new(Opcode::Close, None, &[3, 0xe8]), "CLOSE 1000"),
            (Frame::new(Opcode::Close, None, b""), "CLOSE, 0 bytes"),
            (Frame::new(Opcode::Ping, None, &[b'p'; 17]), "PING, 17 bytes"),
        ] {
            assert_eq!(describe(&frame), words);
        }
    }

    #[test]
    fn the_first_of_several_frames_is_described() {
        let frame = Frame::new(Opcode::Text, None, b"Hello").encode();
        let note = |bytes: &[u8]| match Evidence::frames(bytes) {
            Evidence::Bytes { note, .. } => note,
            other => panic!("{other:?}"),
        };
        assert_eq!(note(&frame), "TEXT \"Hello\"");
        assert_eq!(note(&frame.repeat(2)), "TEXT \"Hello\", and more");
        assert_eq!(note(&frame[..4]), "");
    }
}
