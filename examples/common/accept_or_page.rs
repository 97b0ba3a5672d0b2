//! What a new connection gets: a WebSocket, the example's page, or a refusal. Chapter 05 builds it.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use tungstenite::error::ProtocolError::*;
use tungstenite::handshake::server::Callback;
use tungstenite::protocol::Role;
use tungstenite::{Error, HandshakeError, WebSocket, accept_hdr};

#[path = "request.rs"]
mod request;
use request::WholeHead;

// ANCHOR: accept_or_page
/// How long we wait for the next bytes of a request.
pub const DEADLINE: Duration = Duration::from_secs(5);

/// Makes the opening handshake. A browser that asks for a page gets the page, and any other request
/// gets a refusal: then this returns `None`. `callback` sees the request and may change the answer.
pub fn accept_or_page<'a>(
    socket: &'a TcpStream,
    page: &str,
    callback: impl Callback,
) -> Result<Option<WebSocket<&'a TcpStream>>, Error> {
    socket.set_read_timeout(Some(DEADLINE))?;
    match accept_hdr(WholeHead::new(socket), callback) {
        // From here on tungstenite reads from the socket itself.
        Ok(_) => Ok(Some(WebSocket::from_raw_socket(socket, Role::Server, None))),
        Err(HandshakeError::Failure(error)) => answer(socket, error, page).map(|()| None),
        Err(HandshakeError::Interrupted(_)) => Ok(None), // the request took too long
    }
}
// ANCHOR_END: accept_or_page

// ANCHOR: answer
/// Answers a request that is not an opening handshake: with the page, or with a refusal.
fn answer(mut socket: &TcpStream, error: Error, page: &str) -> Result<(), Error> {
    let (status, body) = match error {
        Error::Protocol(MissingConnectionUpgradeHeader | MissingUpgradeWebSocketHeader) => {
            ("200 OK", page)
        }
        Error::Protocol(WrongHttpMethod) => ("405 Method Not Allowed\r\nAllow: GET", ""),
        Error::Protocol(MissingSecWebSocketVersionHeader) => {
            ("426 Upgrade Required\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13", "")
        }
        Error::Http(_) => return Ok(()), // the callback's own refusal has been sent
        Error::Io(_) | Error::Protocol(HandshakeIncomplete) => return Err(error),
        _ => ("400 Bad Request", "This is not an opening handshake."),
    };
    let headers = "Connection: close\r\nContent-Type: text/html; charset=utf-8";
    let length = body.len();
    let answer =
        format!("HTTP/1.1 {status}\r\n{headers}\r\nContent-Length: {length}\r\n\r\n{body}");
    Ok(socket.write_all(answer.as_bytes())?)
}
// ANCHOR_END: answer
