//! The items that the checker receives from the server, after it has joined fragments to messages.

use crate::protocol::CloseCode;
use crate::protocol::Opcode;

/// One item from the server: a message, another frame, or the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// A whole message, from one frame or from several.
    Message(Opcode, Vec<u8>),
    /// A Ping, a Pong, or a frame with a reserved opcode.
    Control(Opcode, Vec<u8>),
    /// A Close frame, with its body.
    Close(Vec<u8>),
    /// Bytes that are not frames, or that show a known mistake.
    NotFrames,
    /// The end of the connection.
    Ended,
    /// Nothing more within the time allowed.
    Silence,
}

impl Received {
    /// Whether the server sent nothing, or stopped in the middle.
    pub fn is_too_little(&self) -> bool {
        matches!(self, Received::Ended | Received::Silence)
    }

    /// Whether this is a Close frame with `code`.
    pub fn is_close_with(&self, code: CloseCode) -> bool {
        matches!(self, Received::Close(body) if close_code(body) == Some(code))
    }
}

/// The status code in the body of a Close frame (RFC 6455 section 5.5.1).
pub fn close_code(body: &[u8]) -> Option<CloseCode> {
    body.first_chunk().map(|code| CloseCode(u16::from_be_bytes(*code)))
}
