//! Chapter 05's exercises solved: who comes and goes is told, and a message has 64 KiB at most.
//!
//! Run: `cargo run --example solution_05_echo`
//! See: two clients come and go; the second sends too much, and is told so by a Close 1009.
//! Still wrong: the page shows little of what a browser knows.

use std::io::{ErrorKind::*, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::{error::Error as StdError, thread, time::Duration};

use tungstenite::error::ProtocolError::*;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::protocol::frame::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Error, HandshakeError, Message, accept_with_config, client};

#[path = "../../examples/parts/manners.rs"]
mod manners;
use manners::{WholeHead, hang_up};

/// An echo server that tells who comes and goes, and takes 64 KiB at most.
#[derive(argh::FromArgs)]
struct Flags {
    /// where to listen, ADDR:PORT (default 127.0.0.1:8080)
    #[argh(option, default = "\"127.0.0.1:8080\".to_owned()")]
    listen: String,
    /// end after the demonstration
    #[argh(switch)]
    once: bool,
}

/// Bytes of a message. More gets Close 1009.
const MOST: usize = 64 * 1024;
const PAGE: &str = include_str!("../../examples/05_echo.html");
/// So long a client may be silent. Chapter 11 asks it whether it is still there.
const PATIENCE: Duration = Duration::from_secs(600);
/// Whether an error only says that the peer has left. Every connection ends like that.
fn is_goodbye(error: &Error) -> bool {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => true,
        Error::Protocol(ResetWithoutClosingHandshake | HandshakeIncomplete) => true,
        Error::Io(e) => matches!(e.kind(), BrokenPipe | ConnectionAborted | ConnectionReset),
        _ => false,
    }
}
/// One client, from its request to its end.
fn serve(number: usize, socket: &TcpStream) -> Result<(), Error> {
    socket.set_read_timeout(Some(PATIENCE))?;
    // ANCHOR: limit
    let limits = WebSocketConfig::default().max_message_size(Some(MOST)).max_frame_size(Some(MOST));
    let mut websocket = match accept_with_config(WholeHead::new(socket), Some(limits)) {
        // ANCHOR_END: limit
        Ok(websocket) => websocket,
        Err(HandshakeError::Failure(error)) => return answer(socket, error),
        Err(HandshakeError::Interrupted(_)) => return Ok(()), // it took too long
    };
    // ANCHOR: tell
    println!("client {number} has come");
    let error = loop {
        match websocket.read() {
            Ok(Message::Close(Some(frame))) => println!("client {number} closes: {}", frame.code),
            Ok(Message::Close(None)) => println!("client {number} closes without a code"),
            Ok(message) if message.is_text() || message.is_binary() => websocket.send(message)?,
            Ok(_) => {} // a Ping: the next read sends the answer
            Err(error) => break error,
        }
    };
    println!("client {number} has gone: {error}");
    // ANCHOR_END: tell
    let code = match error {
        Error::Protocol(_) if !is_goodbye(&error) => CloseCode::Protocol,
        Error::Utf8(_) => CloseCode::Invalid,
        Error::Capacity(_) => CloseCode::Size,
        _ => return Err(error),
    };
    websocket.close(Some(CloseFrame { code, reason: error.to_string().into() }))?;
    Err(error)
}
/// The answer to a request that is no opening handshake: the page, or a refusal.
fn answer(mut socket: &TcpStream, error: Error) -> Result<(), Error> {
    let (status, body) = match error {
        Error::Protocol(MissingConnectionUpgradeHeader) => ("200 OK", PAGE),
        Error::Protocol(_) => ("400 Bad Request", "That is no opening handshake."),
        _ => return Err(error),
    };
    let headers = "Connection: close\r\nContent-Type: text/html\r\nSec-WebSocket-Version: 13";
    Ok(write!(socket, "HTTP/1.1 {status}\r\n{headers}\r\n\r\n{body}")?)
}
fn accept_clients(listener: &TcpListener) {
    for (number, socket) in (1..).zip(listener.incoming()) {
        let started = socket.and_then(|socket| {
            thread::Builder::new().spawn(move || {
                // It has told already how it ended.
                serve(number, &socket).ok();
                hang_up(&socket).ok();
            })
        });
        if started.is_err() {
            thread::sleep(Duration::from_millis(100)); // too many sockets or threads
        }
    }
}

fn main() -> Result<(), Box<dyn StdError>> {
    let flags: Flags = argh::from_env();
    let listener = TcpListener::bind(&flags.listen)
        .map_err(|error| format!("cannot listen at {}: {error}", flags.listen))?;
    let address = listener.local_addr()?;
    println!("listening at http://{address}/");
    let server = thread::spawn(move || accept_clients(&listener));
    demonstrate(address)?;
    if !flags.once {
        println!("Open http://{address}/ in a browser. Ctrl-C ends the server.");
        server.join().map_err(|_| "the server's thread panicked")?;
    }
    Ok(())
}
fn demonstrate(address: SocketAddr) -> Result<(), Box<dyn StdError>> {
    for text in ["Hello".to_owned(), "x".repeat(70_000)] {
        let (mut websocket, _) = client("ws://localhost/", TcpStream::connect(address)?)?;
        websocket.get_ref().set_read_timeout(Some(PATIENCE))?;
        let sent = text.len();
        websocket.send(Message::text(text))?;
        match websocket.read()? {
            Message::Close(Some(frame)) => println!("sent {sent} bytes, got Close {}", frame.code),
            echo => println!("sent {sent} bytes, got {} back", echo.len()),
        }
        let close = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        // Where the server has closed already, there is nothing left to close.
        websocket.close(Some(close)).ok();
        while websocket.read().is_ok() {}
    }
    Ok(())
}
