//! A client for the demonstrations of chapters 07, 08, 09 and 13: tungstenite, with a deadline for
//! each read.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use tungstenite::client::IntoClientRequest;
use tungstenite::{Error, HandshakeError, Message, WebSocket, client};

/// A client that visits the server.
pub type Visitor = WebSocket<TcpStream>;

/// Opens a WebSocket. `request` is its URL, or an HTTP request with more headers.
pub fn connect(address: SocketAddr, request: impl IntoClientRequest) -> Result<Visitor, Error> {
    let socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    match client(request, socket) {
        Ok((websocket, _)) => Ok(websocket),
        Err(HandshakeError::Failure(error)) => Err(error),
        Err(HandshakeError::Interrupted(_)) => Err(std::io::Error::other("no answer").into()),
    }
}

/// Waits for the next text.
pub fn hear(visitor: &mut Visitor) -> Result<String, Error> {
    loop {
        if let Message::Text(text) = visitor.read()? {
            return Ok(text.to_string());
        }
    }
}
