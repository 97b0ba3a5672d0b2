//! Violations of RFC 6455 that a browser cannot commit: the list from which a class chooses on the lab
//! page, and which the tests run as well.

use serde::Serialize;

use crate::protocol::{Frame, FrameHeader, LengthForm, Opcode};

/// A rule of RFC 6455, and bytes from a client that break it.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Violation {
    /// The name of this violation in addresses.
    pub id: &'static str,
    /// The client's bytes, described in a few words.
    pub title: &'static str,
    /// The rule that it breaks.
    pub rule: &'static str,
    /// The section of RFC 6455 that states the rule.
    pub rfc: &'static str,
    /// The close code that the server must answer with. `None` means that it must not close.
    pub close: Option<u16>,
    /// Makes the bytes that the client sends after the handshake.
    #[serde(skip)]
    pub bytes: fn() -> Vec<u8>,
}

/// The masking key of RFC 6455 section 5.7.
const KEY: Option<[u8; 4]> = Some([0x37, 0xfa, 0x21, 0x3d]);

/// All violations that the lab page offers.
pub static VIOLATIONS: [Violation; 20] = [
    Violation {
        id: "unmasked",
        title: "a text that is not masked",
        rule: "a client must mask every frame",
        rfc: "5.1",
        close: Some(1002),
        bytes: || Frame::new(Opcode::Text, None, b"Hello").encode(),
    },
    Violation {
        id: "rsv1",
        title: "RSV1 set, without an extension",
        rule: "reserved bits must be 0 unless an extension gives them a meaning",
        rfc: "5.2",
        close: Some(1002),
        bytes: || with_header(text(b"Hello"), |header| header.rsv = 0b100),
    },
    Violation {
        id: "reserved-data",
        title: "opcode 3",
        rule: "opcodes 3 to 7 are reserved for future data frames",
        rfc: "5.2",
        close: Some(1002),
        bytes: || Frame::new(Opcode::Reserved(3), KEY, b"Hello").encode(),
    },
    Violation {
        id: "reserved-control",
        title: "opcode 11",
        rule: "opcodes 11 to 15 are reserved for future control frames",
        rfc: "5.2",
        close: Some(1002),
        bytes: || Frame::new(Opcode::Reserved(11), KEY, b"").encode(),
    },
    Violation {
        id: "fragmented-ping",
        title: "a Ping with FIN 0",
        rule: "a control frame must not be fragmented",
        rfc: "5.5",
        close: Some(1002),
        bytes: || with_header(Frame::new(Opcode::Ping, KEY, b"?"), |header| header.fin = false),
    },
    Violation {
        id: "long-ping",
        title: "a Ping of 126 bytes",
        rule: "a control frame has a payload of at most 125 bytes",
        rfc: "5.5",
        close: Some(1002),
        bytes: || Frame::new(Opcode::Ping, KEY, &[b'?'; 126]).encode(),
    },
    Violation {
        id: "nothing-to-continue",
        title: "a continuation outside a message",
        rule: "a continuation frame continues a message that an earlier frame has begun",
        rfc: "5.4",
        close: Some(1002),
        bytes: || Frame::new(Opcode::Continuation, KEY, b"of what?").encode(),
    },
    Violation {
        id: "message-in-message",
        title: "a new text inside an open message",
        rule: "fragments of one message must not be mixed with those of another",
        rfc: "5.4",
        close: Some(1002),
        bytes: || [first_fragment(b"first"), text(b"second").encode()].concat(),
    },
    Violation {
        id: "length-16",
        title: "length 5 in 16 bits",
        rule: "a length must be written in the smallest number of bytes that holds it",
        rfc: "5.2",
        close: Some(1002),
        bytes: || with_header(text(b"Hello"), |header| header.length_form = LengthForm::Bits16),
    },
    Violation {
        id: "length-64",
        title: "length 5 in 64 bits",
        rule: "a length must be written in the smallest number of bytes that holds it",
        rfc: "5.2",
        close: Some(1002),
        bytes: || with_header(text(b"Hello"), |header| header.length_form = LengthForm::Bits64),
    },
    Violation {
        id: "top-bit",
        title: "a 64-bit length with its highest bit set",
        rule: "the highest bit of a 64-bit length must be 0",
        rfc: "5.2",
        close: Some(1002),
        bytes: || header_announcing(1 << 63),
    },
    Violation {
        id: "2-to-the-60",
        title: "a frame that announces 2^60 bytes",
        rule: "an endpoint may limit the size of frames and messages",
        rfc: "10.4",
        close: Some(1009),
        bytes: || header_announcing(1 << 60),
    },
    Violation {
        id: "bad-utf-8",
        title: "a text that is not UTF-8",
        rule: "the payload of a text message is UTF-8",
        rfc: "8.1",
        close: Some(1007),
        bytes: || text(b"\xed\xa0\x80").encode(),
    },
    Violation {
        id: "bad-utf-8-in-2",
        title: "bad UTF-8 in fragment 2 of 3",
        rule: "text is UTF-8, and a server may reject it before the message is complete",
        rfc: "8.1",
        close: Some(1007),
        bytes: || [first_fragment(b"good"), middle_fragment(b"\xff")].concat(),
    },
    Violation {
        id: "half-a-character",
        title: "a text that ends inside a character",
        rule: "a message as a whole is UTF-8",
        rfc: "8.1",
        close: Some(1007),
        bytes: || text(b"\xe2\x82").encode(),
    },
    Violation {
        id: "close-1005",
        title: "a Close with code 1005",
        rule: "1005 means that a Close had no code, so it must not be in a Close",
        rfc: "7.4.1",
        close: Some(1002),
        bytes: || Frame::new(Opcode::Close, KEY, &1005_u16.to_be_bytes()).encode(),
    },
    Violation {
        id: "close-one-byte",
        title: "a Close of one byte",
        rule: "a close code takes two bytes",
        rfc: "5.5.1",
        close: Some(1002),
        bytes: || Frame::new(Opcode::Close, KEY, b"\x03").encode(),
    },
    Violation {
        id: "after-close",
        title: "a text after a Close",
        rule: "after its Close an endpoint sends nothing more; the peer ignores what still comes",
        rfc: "5.5.1",
        close: Some(1000),
        bytes: || {
            let close = Frame::new(Opcode::Close, KEY, &1000_u16.to_be_bytes());
            [close.encode(), text(b"one more thing").encode()].concat()
        },
    },
    Violation {
        id: "http-again",
        title: "HTTP after the handshake",
        rule: "after the handshake both sides send only frames",
        rfc: "5.2",
        close: Some(1002),
        bytes: || b"GET / HTTP/1.1\r\n\r\n".to_vec(),
    },
    Violation {
        id: "half-a-frame",
        title: "half a frame, then silence",
        rule: "this is allowed: the server waits for the rest, and sends a Ping after --ping-interval",
        rfc: "5.5.2",
        close: None,
        bytes: || text(b"Hello").encode()[..8].to_vec(),
    },
];

fn text(payload: &[u8]) -> Frame {
    Frame::new(Opcode::Text, KEY, payload)
}

fn first_fragment(payload: &[u8]) -> Vec<u8> {
    with_header(text(payload), |header| header.fin = false)
}

fn middle_fragment(payload: &[u8]) -> Vec<u8> {
    with_header(Frame::new(Opcode::Continuation, KEY, payload), |header| header.fin = false)
}

fn with_header(mut frame: Frame, change: impl FnOnce(&mut FrameHeader)) -> Vec<u8> {
    change(&mut frame.header);
    frame.encode()
}

/// The header of a binary frame with this length, without its payload.
fn header_announcing(length: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    FrameHeader::new(Opcode::Binary, KEY, length).encode(&mut bytes);
    bytes
}
