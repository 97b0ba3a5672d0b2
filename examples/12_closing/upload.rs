//! Clients that send more than the server accepts.

use std::net::{SocketAddr, TcpStream};

use tungstenite::{Error, Message};

use crate::AnyError;
use crate::accept_or_page::DEADLINE;

// ANCHOR: upload
/// Runs clients that each send 8 MiB in one message. Returns how many of them learn the code of the
/// server's Close.
pub fn upload(address: SocketAddr, clients: u32) -> Result<u32, AnyError> {
    let mut told = 0;
    for _ in 0..clients {
        let socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(DEADLINE))?;
        let (mut websocket, _) = tungstenite::client(format!("ws://{address}/"), socket)?;
        // Like most programs, this client stops at the first error.
        let seen =
            websocket.send(Message::binary(vec![0; 8 << 20])).and_then(|()| websocket.read());
        match seen {
            Ok(Message::Close(Some(_))) => told += 1,
            Ok(other) => return Err(format!("got {other:?}").into()),
            Err(Error::Io(_) | Error::Protocol(_)) => {}
            Err(error) => return Err(error.into()),
        }
        while websocket.read().is_ok() {}
    }
    Ok(told)
}
// ANCHOR_END: upload
