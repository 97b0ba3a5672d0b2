//! The opcode: the type of a frame.

use std::fmt;

/// The type of a frame (RFC 6455 sections 5.2 and 11.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Opcode {
    /// A fragment that continues the open message.
    Continuation,
    /// A text message, or its first fragment.
    Text,
    /// A binary message, or its first fragment.
    Binary,
    /// The closing handshake: the first Close asks for the end, the second answers it.
    Close,
    /// Asks the peer for a Pong.
    Ping,
    /// Answers a Ping, with the same payload.
    Pong,
    /// 3 to 7 and 11 to 15, to which RFC 6455 gives no meaning.
    Reserved(u8),
}

impl Opcode {
    /// The opcode that the low four bits encode. Ignores the high four.
    pub fn from_bits(bits: u8) -> Opcode {
        match bits & 0x0f {
            0x0 => Opcode::Continuation,
            0x1 => Opcode::Text,
            0x2 => Opcode::Binary,
            0x8 => Opcode::Close,
            0x9 => Opcode::Ping,
            0xa => Opcode::Pong,
            reserved => Opcode::Reserved(reserved),
        }
    }

    /// The four bits of the opcode.
    pub fn bits(self) -> u8 {
        match self {
            Opcode::Continuation => 0x0,
            Opcode::Text => 0x1,
            Opcode::Binary => 0x2,
            Opcode::Close => 0x8,
            Opcode::Ping => 0x9,
            Opcode::Pong => 0xa,
            Opcode::Reserved(bits) => bits & 0x0f,
        }
    }

    /// Whether the frame is a control frame: at most 125 bytes, never fragmented, and allowed
    /// between the fragments of a message (RFC 6455 section 5.5).
    pub fn is_control(self) -> bool {
        self.bits() & 0x8 != 0
    }
}

impl fmt::Display for Opcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Opcode::Continuation => f.write_str("continuation"),
            Opcode::Text => f.write_str("text"),
            Opcode::Binary => f.write_str("binary"),
            Opcode::Close => f.write_str("Close"),
            Opcode::Ping => f.write_str("Ping"),
            Opcode::Pong => f.write_str("Pong"),
            Opcode::Reserved(bits) => write!(f, "reserved opcode {bits:#x}"),
        }
    }
}
