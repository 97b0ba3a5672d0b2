//! Chapter 05, echo: tungstenite does chapters 03 and 04, and a browser talks to it.
//!
//! Learn: `accept`, `read`, `send`; one thread a client; that who leaves is no error.
//! Run:   `cargo run --example 05_echo`, then open <http://127.0.0.1:8080/>
//! See:   a Ping, fragments and a Close, and what comes back.
//! Still wrong: the page shows little of what a browser knows. Chapter 06 shows it.

use std::io::{ErrorKind::*, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::{error::Error as StdError, thread, time::Duration};

use tungstenite::error::ProtocolError::*;
use tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tungstenite::protocol::frame::{CloseFrame, Frame};
use tungstenite::{Error, HandshakeError, Message, accept, client};

#[path = "parts/manners.rs"]
mod manners;
use manners::{WholeHead, hang_up};

/// An echo server: tungstenite reads the frames, each client has a thread.
#[derive(argh::FromArgs)]
struct Flags {
    /// where to listen, ADDR:PORT (default 127.0.0.1:8080)
    #[argh(option, default = "\"127.0.0.1:8080\".to_owned()")]
    listen: String,
    /// end after the demonstration
    #[argh(switch)]
    once: bool,
    /// only the demonstration, with the server that listens at this ADDR:PORT
    #[argh(option)]
    against: Option<SocketAddr>,
}

const PAGE: &str = include_str!("05_echo.html");
/// So long a client may be silent. Chapter 11 asks it whether it is still there.
const PATIENCE: Duration = Duration::from_secs(600);

// ANCHOR: goodbye
/// Whether an error only says that the peer has left. Every connection ends like that.
fn is_goodbye(error: &Error) -> bool {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => true,
        Error::Protocol(ResetWithoutClosingHandshake | HandshakeIncomplete) => true,
        Error::Io(e) => matches!(e.kind(), BrokenPipe | ConnectionAborted | ConnectionReset),
        _ => false,
    }
}
// ANCHOR_END: goodbye

// ANCHOR: serve
/// One client, from its request to its end.
fn serve(socket: &TcpStream) -> Result<(), Error> {
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut websocket = match accept(WholeHead::new(socket)) {
        Ok(websocket) => websocket,
        Err(HandshakeError::Failure(error)) => return answer(socket, error),
        Err(HandshakeError::Interrupted(_)) => return Ok(()), // it took too long
    };
    let error = loop {
        match websocket.read() {
            Ok(message) if message.is_text() || message.is_binary() => websocket.send(message)?,
            Ok(_) => {} // a Ping or a Close: the next read sends the answer
            Err(error) => break error,
        }
    };
    let code = match error {
        Error::Protocol(_) if !is_goodbye(&error) => CloseCode::Protocol,
        Error::Utf8(_) => CloseCode::Invalid,
        Error::Capacity(_) => CloseCode::Size,
        _ => return Err(error),
    };
    websocket.close(Some(CloseFrame { code, reason: error.to_string().into() }))?;
    Err(error)
}
// ANCHOR_END: serve

// ANCHOR: answer
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
// ANCHOR_END: answer

// ANCHOR: accept
fn accept_clients(listener: &TcpListener) {
    for socket in listener.incoming() {
        let started = socket.and_then(|socket| {
            thread::Builder::new().spawn(move || {
                if let Some(error) = serve(&socket).err().filter(|e| !is_goodbye(e)) {
                    eprintln!("{error}");
                }
                hang_up(&socket).ok();
            })
        });
        if started.is_err() {
            thread::sleep(Duration::from_millis(100)); // too many sockets or threads
        }
    }
}
// ANCHOR_END: accept

fn main() -> Result<(), Box<dyn StdError>> {
    let flags: Flags = argh::from_env();
    if let Some(address) = flags.against {
        return demonstrate(address);
    }
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

// ANCHOR: demonstrate
/// Asks for what chapter 04's server cannot do, each time on a new connection.
fn demonstrate(address: SocketAddr) -> Result<(), Box<dyn StdError>> {
    let part = |text, of, fin| Message::Frame(Frame::message(text, OpCode::Data(of), fin));
    for (what, messages) in [
        ("text Hello", vec![Message::text("Hello")]),
        ("Ping Hello", vec![Message::Ping("Hello".into())]),
        ("Hel and lo", vec![part("Hel", Data::Text, false), part("lo", Data::Continue, true)]),
        ("a Close", vec![Message::Close(None)]),
    ] {
        let (mut websocket, _) = client("ws://localhost/", TcpStream::connect(address)?)?;
        websocket.get_ref().set_read_timeout(Some(PATIENCE))?;
        let sent: Result<(), Error> = messages.into_iter().try_for_each(|m| websocket.send(m));
        match sent.and_then(|()| websocket.read()) {
            Ok(answer) => println!("sent {what:10}  got {answer:?}"),
            Err(error) if is_goodbye(&error) => println!("sent {what:10}  lost the server"),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
// ANCHOR_END: demonstrate
