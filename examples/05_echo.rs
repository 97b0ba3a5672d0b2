//! 05. Echo: tungstenite does chapters 03 and 04, and a browser talks to it.
//!
//! Learn: `accept`, `read`, `send`; one thread a client; who leaves is no error.
//! Run:   `cargo run --example 05_echo`, then open <http://127.0.0.1:8080/>
//! See:   a Ping, fragments, a Close and a plain GET, and what comes back.
//! Still wrong: the page shows little of what a browser knows. Chapter 06 shows all of it.

use std::error::Error as StdError;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use tungstenite::error::ProtocolError;
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tungstenite::{Error, HandshakeError, Message, WebSocket, accept, client};

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
/// In this time the next bytes of a request must come, and what we write must go.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);
/// A client may be silent for so long. Chapter 11 asks it whether it is still there.
const PATIENCE: Duration = Duration::from_secs(600);

// ANCHOR: goodbye
/// Whether an error only says that the peer has left. That is how every connection ends.
fn is_goodbye(error: &Error) -> bool {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => true,
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => true,
        Error::Protocol(ProtocolError::HandshakeIncomplete) => true,
        Error::Io(error) => matches!(
            error.kind(),
            ErrorKind::ConnectionReset
                | ErrorKind::ConnectionAborted
                | ErrorKind::BrokenPipe
                | ErrorKind::UnexpectedEof
        ),
        _ => false,
    }
}
// ANCHOR_END: goodbye

// ANCHOR: serve
/// One client, from its request to its end.
fn serve(socket: &TcpStream) -> Result<(), Error> {
    socket.set_read_timeout(Some(HANDSHAKE_PATIENCE))?;
    socket.set_write_timeout(Some(HANDSHAKE_PATIENCE))?;
    let mut websocket = match accept(socket) {
        Ok(websocket) => websocket,
        Err(HandshakeError::Failure(error)) => return answer(socket, error),
        Err(HandshakeError::Interrupted(_)) => return Err(Error::Io(ErrorKind::TimedOut.into())),
    };
    socket.set_read_timeout(Some(PATIENCE))?;
    let error = echo(&mut websocket);
    let code = match error {
        _ if is_goodbye(&error) => return Ok(()),
        Error::Protocol(_) => CloseCode::Protocol,
        Error::Utf8(_) => CloseCode::Invalid,
        Error::Capacity(_) => CloseCode::Size,
        error => return Err(error),
    };
    websocket.close(Some(CloseFrame { code, reason: error.to_string().into() }))?;
    hang_up(socket)?;
    Err(error)
}
// ANCHOR_END: serve

// ANCHOR: echo
/// Sends text and binary messages back as they came, until something ends it.
fn echo(websocket: &mut WebSocket<&TcpStream>) -> Error {
    loop {
        let result = match websocket.read() {
            Ok(message @ (Message::Text(_) | Message::Binary(_))) => websocket.send(message),
            // Ping and Close: tungstenite has the answer ready, the next read sends it.
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = result {
            return error;
        }
    }
}
// ANCHOR_END: echo

// ANCHOR: answer
/// The answer to a request that is no opening handshake: the page, or a refusal.
fn answer(mut socket: &TcpStream, error: Error) -> Result<(), Error> {
    use ProtocolError::*;
    let Error::Protocol(what) = &error else { return Err(error) };
    let (status, body) = match what {
        MissingConnectionUpgradeHeader | MissingUpgradeWebSocketHeader => ("200 OK", PAGE),
        WrongHttpMethod => ("405 Method Not Allowed\r\nAllow: GET", ""),
        MissingSecWebSocketVersionHeader => {
            ("426 Upgrade Required\r\nSec-WebSocket-Version: 13", "")
        }
        HandshakeIncomplete => return Err(error),
        _ => ("400 Bad Request", ""),
    };
    let length = body.len();
    write!(
        socket,
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )?;
    Ok(hang_up(socket)?)
}
// ANCHOR_END: answer

/// Waits for the peer to hang up, so that our last bytes arrive (chapter 12 says why).
fn hang_up(socket: &TcpStream) -> io::Result<()> {
    socket.set_read_timeout(Some(Duration::from_secs(1)))?;
    socket.shutdown(Shutdown::Write)?;
    io::copy(&mut socket.take(1 << 24), &mut io::sink()).map(|_| ()).or(Ok(()))
}

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

// ANCHOR: accept
fn accept_clients(listener: &TcpListener) {
    for (number, socket) in listener.incoming().enumerate() {
        let thread = thread::Builder::new().name(format!("client {number}"));
        let started = socket.and_then(|socket| {
            thread.spawn(move || match serve(&socket) {
                Err(error) if !is_goodbye(&error) => eprintln!("client {number}: {error}"),
                _ => {}
            })
        });
        if started.is_err() {
            // Too many sockets or threads. Some will end; until then, do not spin.
            thread::sleep(Duration::from_millis(100));
        }
    }
}
// ANCHOR_END: accept

// ANCHOR: demonstrate
/// Tries what chapter 04's server cannot do, each on a connection of its own.
fn demonstrate(address: SocketAddr) -> Result<(), Box<dyn StdError>> {
    use Data::{Continue, Text};
    let part = |text: &'static str, opcode, fin| {
        Message::Frame(Frame::message(text, OpCode::Data(opcode), fin))
    };
    let close = CloseFrame { code: CloseCode::Normal, reason: "bye".into() };
    for (what, messages) in [
        ("text \"Hello\"", vec![Message::text("Hello")]),
        ("Ping \"Hello\"", vec![Message::Ping("Hello".into())]),
        ("\"Hel\" + \"lo\"", vec![part("Hel", Text, false), part("lo", Continue, true)]),
        ("Close 1000", vec![Message::Close(Some(close))]),
    ] {
        let got = ask(address, messages).unwrap_or_else(|error| match error {
            error if is_goodbye(&error) => "nothing: the connection ended".to_owned(),
            error => error.to_string(),
        });
        println!("sent {what:12}  got {got}");
    }
    Ok(())
}

fn ask(address: SocketAddr, messages: Vec<Message>) -> Result<String, Error> {
    let socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(HANDSHAKE_PATIENCE))?;
    let (mut websocket, _) = match client(format!("ws://{address}/"), socket) {
        Ok(opened) => opened,
        Err(HandshakeError::Failure(error)) => return Err(error),
        Err(HandshakeError::Interrupted(_)) => return Err(Error::Io(ErrorKind::TimedOut.into())),
    };
    for message in messages {
        websocket.send(message)?;
    }
    Ok(match websocket.read()? {
        Message::Text(text) => format!("text {:?}", text.as_str()),
        Message::Pong(payload) => format!("Pong {:?}", String::from_utf8_lossy(&payload)),
        Message::Close(Some(close)) => format!("Close {} {:?}", close.code, close.reason.as_str()),
        other => format!("{other:?}"),
    })
}
// ANCHOR_END: demonstrate
