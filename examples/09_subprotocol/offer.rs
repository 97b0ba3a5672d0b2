//! An opening handshake by hand, for chapter 09. It shows answers that tungstenite's client would
//! refuse.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use tungstenite::protocol::Role;
use tungstenite::{Message, WebSocket};

use crate::visitor::Visitor;

// ANCHOR: offer
/// Offers these subprotocols. Returns the server's choice as it is written in the answer.
pub fn offer_by_hand(
    address: SocketAddr,
    offer: &str,
) -> Result<(Visitor, String), Box<dyn Error>> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    let header = match offer {
        "" => String::new(),
        offer => format!("Sec-WebSocket-Protocol: {offer}\r\n"),
    };
    write!(
        socket,
        "GET /room/blue HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Version: 13\r\n{header}\r\n"
    )?;
    let (mut answer, mut byte) = (Vec::new(), [0]);
    while !answer.ends_with(b"\r\n\r\n") {
        socket.read_exact(&mut byte)?; // one by one, because the bytes that follow are a frame
        answer.extend(byte);
    }
    let answer = String::from_utf8_lossy(&answer).to_lowercase();
    let chosen = answer.lines().find_map(|line| line.strip_prefix("sec-websocket-protocol: "));
    let mut websocket = WebSocket::from_raw_socket(socket, Role::Client, None);
    // The server answers a Ping only after our thread there has sent Joined to the dispatcher.
    websocket.send(Message::Ping("there?".into()))?;
    while !websocket.read()?.is_pong() {}
    Ok((websocket, chosen.unwrap_or("(none)").to_owned()))
}
// ANCHOR_END: offer
