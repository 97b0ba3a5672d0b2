//! The way in, as chapter 05 built it: a WebSocket, or the page.

use std::io::{self, Write};
use std::net::TcpStream;
use std::time::Duration;

use chalkwire::http::response::Response;
use tungstenite::error::ProtocolError;
use tungstenite::http::StatusCode;
use tungstenite::{Error, HandshakeError, WebSocket};

/// Who does not shake hands, or does not take what we write, is waited for this long.
pub const DEADLINE: Duration = Duration::from_secs(5);

/// Shakes hands. A browser that asks for no WebSocket gets the page, and anybody else a refusal.
pub fn open<'a>(
    mut socket: &'a TcpStream,
    page: &'static str,
) -> io::Result<Option<WebSocket<&'a TcpStream>>> {
    socket.set_read_timeout(Some(DEADLINE))?;
    socket.set_write_timeout(Some(DEADLINE))?;
    let answer = match tungstenite::accept(socket) {
        Ok(websocket) => return Ok(Some(websocket)),
        Err(HandshakeError::Failure(Error::Protocol(
            ProtocolError::MissingConnectionUpgradeHeader,
        ))) => Response::ok("text/html; charset=utf-8", page.into()),
        Err(error) => Response::refusal(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    socket.write_all(&answer.encode().concat())?;
    Ok(None)
}

/// Whether the peer has simply gone: that is no error, every connection ends so.
pub fn is_goodbye(error: &Error) -> bool {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed | Error::Io(_) => true,
        Error::Protocol(error) => *error == ProtocolError::ResetWithoutClosingHandshake,
        _ => false,
    }
}
