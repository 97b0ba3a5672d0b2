//! A client for demonstrations: it joins, and hears texts.

use std::error::Error;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use tungstenite::{Message, WebSocket, client};

pub type Client = WebSocket<TcpStream>;

/// A client that is on the list: its thread answers Pings only once it has said Joined. It waits
/// for `patience` when nothing comes.
pub fn connect(address: SocketAddr, patience: Duration) -> Result<Client, Box<dyn Error>> {
    let socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(patience))?;
    let (mut client, _) = client(format!("ws://{address}/"), socket)?;
    client.send(Message::Ping("joined?".into()))?;
    while !client.read()?.is_pong() {}
    Ok(client)
}

/// The next text.
pub fn hear(client: &mut Client) -> Result<String, Box<dyn Error>> {
    loop {
        if let Message::Text(text) = client.read()? {
            return Ok(text.to_string());
        }
    }
}
