//! Runs a violation: the server connects to itself with a [`RawClient`] and breaks the rule. The page
//! shows the bytes and the answer.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use serde::{Serialize, Serializer};

use super::violations::Violation;
use crate::config::{VIOLATION_ANSWER, VIOLATION_TIMEOUT};
use crate::protocol::{CloseCode, Frame, Opcode};
use crate::raw_client::RawClient;
use crate::sys::Secret;
use crate::text::hex;

/// The bytes that crossed the wire when a violation was run, and how the server closed.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The violation that was run.
    #[serde(flatten)]
    pub violation: Violation,
    /// The bytes that the client sent after the handshake. In hex when serialized.
    #[serde(serialize_with = "as_hex")]
    pub sent: Vec<u8>,
    /// The bytes that the server sent after the handshake. In hex when serialized.
    #[serde(serialize_with = "as_hex")]
    pub received: Vec<u8>,
    /// The close code that the server sent, if it sent a Close frame with a code.
    pub closed: Option<u16>,
    /// The reason in that Close frame; empty if there is none.
    pub reason: String,
}

/// The reason why a violation could not be run.
#[derive(Debug)]
pub enum ViolationError {
    /// The connection to the server failed.
    Connection(io::Error),
    /// The server refused the handshake, with this status line.
    Refused(String),
}

impl fmt::Display for ViolationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ViolationError::Connection(error) => write!(f, "the connection failed: {error}"),
            ViolationError::Refused(line) => write!(f, "the server refused the handshake: {line}"),
        }
    }
}

impl std::error::Error for ViolationError {}

impl From<io::Error> for ViolationError {
    fn from(error: io::Error) -> ViolationError {
        ViolationError::Connection(error)
    }
}

/// The server against which a violation is run, and what the handshake tells it.
#[derive(Debug, Clone, Copy)]
pub struct ThisServer<'a> {
    /// The address at which this machine reaches the server.
    pub address: SocketAddr,
    /// An origin from which the server accepts WebSockets. `None` if it accepts them from all.
    pub origin: Option<&'a str>,
    /// The secret of the tab that wants to see the violation. The connection then belongs to that tab.
    pub tab: Option<Secret>,
}

impl ThisServer<'_> {
    /// A server that accepts WebSockets from all pages.
    pub fn at(address: SocketAddr) -> ThisServer<'static> {
        ThisServer { address, origin: None, tab: None }
    }
}

/// Runs a violation against the server, on a connection of its own.
///
/// # Errors
/// When the server cannot be reached or refuses the handshake.
pub fn run_violation(
    violation: &Violation,
    server: &ThisServer<'_>,
) -> Result<Outcome, ViolationError> {
    let ThisServer { address, origin, tab } = *server;
    let mut client = RawClient::connect(address, VIOLATION_TIMEOUT)?;
    let tab = tab.map(|tab| format!("&tab={}", tab.reveal())).unwrap_or_default();
    let path = format!("/echo?break={}{tab}", violation.id);
    let origin = origin.map_or_else(|| format!("http://{address}"), str::to_owned);
    let head = client.shake_hands(&path, &format!("Origin: {origin}\r\n"))?;
    if !head.starts_with("HTTP/1.1 101 ") {
        let status_line = head.lines().next().unwrap_or_default().to_owned();
        return Err(ViolationError::Refused(status_line));
    }
    let sent = (violation.bytes)();
    client.send(&sent)?;
    let received = client.receive_all(VIOLATION_ANSWER)?;
    let (closed, reason) = close_in(&received).unzip();
    Ok(Outcome {
        violation: *violation,
        sent,
        received,
        closed: closed.map(|code| code.0),
        reason: reason.unwrap_or_default(),
    })
}

/// The code and the reason of the first Close frame in `bytes`, which are whole frames.
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

fn as_hex<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hex(bytes))
}
