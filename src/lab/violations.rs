//! Rules of RFC 6455 that a browser cannot break, and a client that does.
//!
//! The lab page lets the server's own raw client break them against this server, so that a class sees
//! the bytes and the answer. The same list drives the tests.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::protocol::CloseCode;
use crate::protocol::{Frame, FrameHeader, LengthForm, Opcode};
use crate::sys::socket::is_timeout;
use crate::text::hex;

/// Something illegal to do.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Violation {
    /// Its name in addresses.
    pub id: &'static str,
    /// What is done.
    pub title: &'static str,
    /// The rule.
    pub rule: &'static str,
    /// The section of RFC 6455 that has it.
    pub rfc: &'static str,
    /// The close code that it gets; `None` where there is nothing to answer.
    pub close: Option<u16>,
    /// The bytes to send behind the handshake.
    #[serde(skip)]
    pub bytes: fn() -> Vec<u8>,
}

/// The masking key of RFC 6455 section 5.7.
const KEY: Option<[u8; 4]> = Some([0x37, 0xfa, 0x21, 0x3d]);

/// All of them.
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
        bytes: || changed(text(b"Hello"), |header| header.rsv = 0b100),
    },
    Violation {
        id: "reserved-data",
        title: "opcode 3",
        rule: "opcodes 3 to 7 have no meaning yet",
        rfc: "5.2",
        close: Some(1002),
        bytes: || Frame::new(Opcode::Reserved(3), KEY, b"Hello").encode(),
    },
    Violation {
        id: "reserved-control",
        title: "opcode 11",
        rule: "opcodes 11 to 15 have no meaning yet",
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
        bytes: || changed(Frame::new(Opcode::Ping, KEY, b"?"), |header| header.fin = false),
    },
    Violation {
        id: "long-ping",
        title: "a Ping of 126 bytes",
        rule: "a control frame has at most 125 bytes",
        rfc: "5.5",
        close: Some(1002),
        bytes: || Frame::new(Opcode::Ping, KEY, &[b'?'; 126]).encode(),
    },
    Violation {
        id: "nothing-to-continue",
        title: "a continuation, with no message open",
        rule: "a continuation belongs to a message that has begun",
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
        bytes: || [beginning(b"first"), text(b"second").encode()].concat(),
    },
    Violation {
        id: "length-16",
        title: "length 5 in 16 bits",
        rule: "a length must be written in as few bytes as hold it",
        rfc: "5.2",
        close: Some(1002),
        bytes: || changed(text(b"Hello"), |header| header.length_form = LengthForm::Bits16),
    },
    Violation {
        id: "length-64",
        title: "length 5 in 64 bits",
        rule: "a length must be written in as few bytes as hold it",
        rfc: "5.2",
        close: Some(1002),
        bytes: || changed(text(b"Hello"), |header| header.length_form = LengthForm::Bits64),
    },
    Violation {
        id: "top-bit",
        title: "a 64-bit length with its highest bit set",
        rule: "the highest bit of a 64-bit length must be 0",
        rfc: "5.2",
        close: Some(1002),
        bytes: || announcing(1 << 63),
    },
    Violation {
        id: "2-to-the-60",
        title: "2^60 bytes announced",
        rule: "an endpoint may limit what it takes",
        rfc: "10.4",
        close: Some(1009),
        bytes: || announcing(1 << 60),
    },
    Violation {
        id: "bad-utf-8",
        title: "a text that is not UTF-8",
        rule: "text is UTF-8",
        rfc: "8.1",
        close: Some(1007),
        bytes: || text(b"\xed\xa0\x80").encode(),
    },
    Violation {
        id: "bad-utf-8-in-2",
        title: "bad UTF-8 in fragment 2 of 3",
        rule: "text is UTF-8, and need not be complete to be wrong",
        rfc: "8.1",
        close: Some(1007),
        bytes: || [beginning(b"good"), more(b"\xff")].concat(),
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
        rule: "1005 means that there was no code, so it never travels",
        rfc: "7.4.1",
        close: Some(1002),
        bytes: || Frame::new(Opcode::Close, KEY, &1005_u16.to_be_bytes()).encode(),
    },
    Violation {
        id: "close-one-byte",
        title: "a Close of one byte",
        rule: "a close code has two bytes",
        rfc: "5.5.1",
        close: Some(1002),
        bytes: || Frame::new(Opcode::Close, KEY, b"\x03").encode(),
    },
    Violation {
        id: "after-close",
        title: "a text after a Close",
        rule: "after a Close nothing more is sent; what comes all the same is ignored",
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
        rule: "after the handshake only frames are sent",
        rfc: "5.2",
        close: Some(1002),
        bytes: || b"GET / HTTP/1.1\r\n\r\n".to_vec(),
    },
    Violation {
        id: "half-a-frame",
        title: "half a frame, then silence",
        rule: "no rule: the server waits, and after --ping-interval it asks with a Ping who is there",
        rfc: "5.5.2",
        close: None,
        bytes: || text(b"Hello").encode()[..8].to_vec(),
    },
];

fn text(payload: &[u8]) -> Frame {
    Frame::new(Opcode::Text, KEY, payload)
}

fn beginning(payload: &[u8]) -> Vec<u8> {
    changed(text(payload), |header| header.fin = false)
}

fn more(payload: &[u8]) -> Vec<u8> {
    changed(Frame::new(Opcode::Continuation, KEY, payload), |header| header.fin = false)
}

fn changed(mut frame: Frame, change: impl FnOnce(&mut FrameHeader)) -> Vec<u8> {
    change(&mut frame.header);
    frame.encode()
}

fn announcing(length: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    FrameHeader::new(Opcode::Binary, KEY, length).encode(&mut bytes);
    bytes
}

/// What came of breaking a rule.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The rule.
    #[serde(flatten)]
    pub rule: Violation,
    /// What was sent behind the handshake, in hex.
    pub sent: String,
    /// What came back, in hex.
    pub received: String,
    /// The code of the Close that came back.
    pub closed: Option<u16>,
    /// Its reason.
    pub reason: String,
}

/// How long the raw client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Bytes of an answer that it takes at most.
const MOST: usize = 64 * 1024;

/// Breaks a rule against the server at `address`, on a connection of its own.
///
/// # Errors
/// When the server cannot be reached, or does not shake hands.
pub fn run_violation(rule: &Violation, address: SocketAddr) -> io::Result<Outcome> {
    let deadline = Instant::now() + PATIENCE;
    let mut socket = TcpStream::connect_timeout(&address, PATIENCE)?;
    socket.set_nodelay(true)?;
    socket.set_write_timeout(Some(PATIENCE))?;
    let id = rule.id;
    let request = format!(
        "GET /echo?break={id} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Version: 13\r\nOrigin: http://{address}\r\n\r\n"
    );
    socket.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    let head_end = |bytes: &[u8]| bytes.windows(4).position(|four| four == b"\r\n\r\n");
    while head_end(&bytes).is_none() {
        if !read_some(&mut socket, &mut bytes, deadline)? {
            return Err(io::Error::other("the server did not shake hands"));
        }
    }
    let answer = bytes.split_off(head_end(&bytes).map_or(0, |end| end + 4));
    if !bytes.starts_with(b"HTTP/1.1 101 ") {
        let line = String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default().to_owned();
        return Err(io::Error::other(format!("the server did not shake hands: {line}")));
    }
    let sent = (rule.bytes)();
    socket.write_all(&sent)?;
    let mut received = answer;
    while received.len() < MOST && read_some(&mut socket, &mut received, deadline)? {}
    let close = close_in(&received);
    Ok(Outcome {
        rule: *rule,
        sent: hex(&sent),
        received: hex(&received),
        closed: close.as_ref().map(|(code, _)| code.0),
        reason: close.map(|(_, reason)| reason).unwrap_or_default(),
    })
}

/// Reads what comes; false at the end, or when it has been waited for long enough.
fn read_some(socket: &mut TcpStream, into: &mut Vec<u8>, deadline: Instant) -> io::Result<bool> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Ok(false);
    }
    socket.set_read_timeout(Some(left))?;
    let mut chunk = [0; 4096];
    match socket.read(&mut chunk) {
        Ok(count) => {
            into.extend_from_slice(&chunk[..count]);
            Ok(count > 0)
        }
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
        Err(error) if is_timeout(&error) || error.kind() == io::ErrorKind::ConnectionReset => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

fn close_in(mut bytes: &[u8]) -> Option<(CloseCode, String)> {
    while let Some((frame, length)) = Frame::decode(bytes) {
        if frame.header.opcode == Opcode::Close {
            let (code, reason) = frame.payload.split_first_chunk()?;
            let reason = String::from_utf8_lossy(reason).into_owned();
            return Some((CloseCode(u16::from_be_bytes(*code)), reason));
        }
        bytes = &bytes[length..];
    }
    None
}
