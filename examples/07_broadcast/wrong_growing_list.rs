//! Wrong, for chapter 07: a list of connections that only grows.
//!
//! Many tutorials teach broadcast like this: push each new connection into an array, and send to
//! all of them. But when a page is reloaded, its old connection stays in the array.
//!
//! Run: `cargo run --example wrong_07_growing_list`. It fails, as it should.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::{thread, time::Duration};

use argh::FromArgs;
use chalkwire::protocol::{Frame, Opcode};
use tungstenite::{Message, WebSocket, accept, client};

/// Broadcasts to a list that only grows.
#[derive(FromArgs)]
struct Flags {
    /// where to listen, ADDR:PORT (default 127.0.0.1:8080)
    #[argh(option, default = "\"127.0.0.1:8080\".to_owned()")]
    listen: String,
    /// end after the demonstration (this program always does)
    #[argh(switch)]
    #[expect(dead_code, reason = "every example takes this flag")]
    once: bool,
}

type AnyError = Box<dyn std::error::Error>;

// ANCHOR: list
/// Shared by the threads of all clients.
type Connections = Arc<Mutex<Vec<TcpStream>>>;

fn serve(socket: TcpStream, connections: &Connections) -> Result<(), AnyError> {
    let mut list = connections.lock().unwrap_or_else(PoisonError::into_inner);
    list.push(socket.try_clone()?); // nothing in this program removes it again
    drop(list);
    let mut websocket = accept(socket).map_err(|error| error.to_string())?;
    while let Ok(message) = websocket.read() {
        if let Message::Text(text) = message {
            broadcast(connections, text.as_bytes());
        }
    }
    Ok(())
}

fn broadcast(connections: &Connections, text: &[u8]) {
    let frame = Frame::new(Opcode::Text, None, text).encode();
    let list = connections.lock().unwrap_or_else(PoisonError::into_inner);
    let results: Vec<io::Result<()>> =
        list.iter().map(|mut socket| socket.write_all(&frame)).collect();
    let failed = results.iter().filter(|result| result.is_err()).count();
    let sent = results.len() - failed;
    println!("on the list: {}   sent to: {sent}   failed: {failed}", list.len());
}
// ANCHOR_END: list

fn main() -> Result<(), AnyError> {
    let flags: Flags = argh::from_env();
    let listener = TcpListener::bind(&flags.listen)
        .map_err(|error| format!("cannot listen at {}: {error}", flags.listen))?;
    let address = listener.local_addr()?;
    println!("listening at http://{address}/");
    let connections = Connections::default();
    let list = Arc::clone(&connections);
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let list = Arc::clone(&list);
            thread::spawn(move || serve(socket, &list).map_err(|error| error.to_string()));
        }
    });

    // ANCHOR: reload
    println!("a page is reloaded five times, then it stays and says hello three times");
    for _ in 0..5 {
        let mut page = connect(address)?;
        page.close(None)?;
        while !matches!(page.read()?, Message::Close(_)) {}
    }
    let mut page = connect(address)?;
    for _ in 0..3 {
        page.send("hello".into())?;
        page.read()?;
    }
    // ANCHOR_END: reload
    let listed = connections.lock().unwrap_or_else(PoisonError::into_inner).len();
    Err(format!("{listed} connections on the list, 1 client is here"))?
}

fn connect(address: SocketAddr) -> Result<WebSocket<TcpStream>, AnyError> {
    let socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    Ok(client(format!("ws://{address}/"), socket)?.0)
}
