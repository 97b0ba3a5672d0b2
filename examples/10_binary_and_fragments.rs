//! 10. Text and binary, slices and fragments.
//!
//! You learn: what the type of a message promises, and that a message may come in many frames.
//! Run:       cargo run --example 10_binary_and_fragments
//! You see:   a file that comes back whole, a Ping inside a message, a character cut in half.
//!            Then open http://127.0.0.1:8080/ and send a file of your own.
//! Still wrong: a client whose cable is pulled stays for five minutes. Chapter 11 mends that.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use argh::FromArgs;
use chalkwire::frame::{Frame, Opcode};
use chalkwire::http::Response;
use tungstenite::error::ProtocolError;
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Error as WsError, HandshakeError, Message, WebSocket};

/// Text and binary messages, and messages in many frames.
#[derive(FromArgs)]
struct Flags {
    /// where to listen, ADDR:PORT (default 127.0.0.1:8080)
    #[argh(option, default = "\"127.0.0.1:8080\".to_owned()")]
    listen: String,
    /// end after the demonstration
    #[argh(switch)]
    once: bool,
}

type AnyError = Box<dyn std::error::Error>;

/// Who does not shake hands, or does not take an answer, is waited for this long.
const DEADLINE: Duration = Duration::from_secs(5);
/// Who has shaken hands and says nothing is kept this long.
const SILENCE: Duration = Duration::from_secs(300);
const PAGE: &str = include_str!("10_binary_and_fragments.html");
// ANCHOR: given
/// The masking key of RFC 6455's examples. A real client takes four random bytes each time.
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
/// A file to send, and how many of its bytes go into one message.
const FILE: &[u8] = include_bytes!("../LICENSE-APACHE");
const SLICE: usize = 4096;
// ANCHOR_END: given

fn main() -> Result<(), AnyError> {
    let flags: Flags = argh::from_env();
    env_logger::init();
    let listener = TcpListener::bind(&flags.listen)
        .map_err(|error| format!("cannot listen at {}: {error}", flags.listen))?;
    let address = listener.local_addr()?;
    println!("listening at http://{address}/");
    let server = thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            thread::spawn(move || serve(&socket));
        }
    });
    demonstrate(address)?;
    if !flags.once {
        println!("\nOpen http://{address}/ and send a file. Ctrl-C ends this.");
        server.join().ok();
    }
    Ok(())
}

/// One client, in a thread of its own.
fn serve(socket: &TcpStream) {
    match open(socket) {
        Ok(None) => {}
        Ok(Some(websocket)) => {
            socket.set_read_timeout(Some(SILENCE)).ok();
            echo(websocket);
        }
        Err(error) => log::info!("a client left in the handshake: {error}"),
    }
}

/// Shakes hands. A browser that asks for no WebSocket gets the page, and anybody else a refusal.
fn open(mut socket: &TcpStream) -> Result<Option<WebSocket<&TcpStream>>, AnyError> {
    socket.set_read_timeout(Some(DEADLINE))?;
    socket.set_write_timeout(Some(DEADLINE))?;
    let answer = match tungstenite::accept(socket) {
        Ok(websocket) => return Ok(Some(websocket)),
        Err(HandshakeError::Failure(WsError::Protocol(
            ProtocolError::MissingConnectionUpgradeHeader,
        ))) => Response::with_body(200, "text/html; charset=utf-8", PAGE.into()),
        Err(error) => Response::new(400, &error.to_string()),
    };
    socket.write_all(&answer.encode().concat())?;
    Ok(None)
}

// ANCHOR: echo
/// Sends every message back as it came: text as text, binary as binary.
fn echo(mut websocket: WebSocket<&TcpStream>) {
    let error = loop {
        let done = match websocket.read() {
            Ok(message @ (Message::Text(_) | Message::Binary(_))) => websocket.send(message),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            break error;
        }
    };
    // ANCHOR: refuse
    let code = match &error {
        error if is_goodbye(error) => return,
        WsError::Utf8(_) => CloseCode::Invalid,
        WsError::Capacity(_) => CloseCode::Size,
        _ => CloseCode::Protocol,
    };
    log::info!("a client broke a rule: {error}");
    if websocket.close(Some(CloseFrame { code, reason: "".into() })).is_ok() {
        // Until the client has answered, or is gone.
        while websocket.read().is_ok() {}
    }
    // ANCHOR_END: refuse
}
// ANCHOR_END: echo

/// Whether the client has simply gone: that is no error.
fn is_goodbye(error: &WsError) -> bool {
    use ProtocolError::ResetWithoutClosingHandshake as Reset;
    match error {
        WsError::ConnectionClosed | WsError::AlreadyClosed | WsError::Io(_) => true,
        WsError::Protocol(error) => *error == Reset,
        _ => false,
    }
}

// ANCHOR: hands
/// A client's frame, by hand: no library cuts a character in half for us.
fn send(socket: &mut TcpStream, opcode: Opcode, fin: bool, payload: &[u8]) -> io::Result<()> {
    let mut frame = Frame::new(opcode, Some(KEY), payload);
    frame.header.fin = fin;
    show("->", &frame);
    socket.write_all(&frame.encode())
}

/// Waits until a frame is complete.
fn receive(socket: &mut TcpStream) -> io::Result<Frame> {
    let mut bytes = Vec::new();
    loop {
        if let Some((frame, _)) = Frame::decode(&bytes) {
            show("<-", &frame);
            return Ok(frame);
        }
        let mut next = [0];
        socket.read_exact(&mut next)?;
        bytes.extend(next);
    }
}
// ANCHOR_END: hands

/// Writes down a frame's first bytes, and what they say.
fn show(arrow: &str, frame: &Frame) {
    let bytes = frame.encode();
    let mut hex: String = bytes.iter().take(11).map(|byte| format!("{byte:02x} ")).collect();
    hex += if bytes.len() > 11 { ".." } else { "" };
    let fin = if frame.header.fin { "" } else { " FIN 0" };
    let said = match frame.header.opcode {
        Opcode::Binary | Opcode::Close => format!("{} bytes", frame.payload.len()).into(),
        _ => String::from_utf8_lossy(&frame.payload),
    };
    println!("  {arrow} {hex:<36}{}{fin}: {said}", frame.header.opcode);
}

fn demonstrate(address: SocketAddr) -> Result<(), AnyError> {
    let socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(DEADLINE))?;
    // tungstenite shakes hands and gives the socket back.
    let mut socket = tungstenite::client(format!("ws://{address}/"), socket)?.0.into_inner();
    println!("\n1. The same five bytes as text and as binary");
    for opcode in [Opcode::Text, Opcode::Binary] {
        send(&mut socket, opcode, true, b"Hello")?;
        receive(&mut socket)?;
    }
    // ANCHOR: slices
    println!("\n2. A file of {} bytes, in messages of at most {SLICE}", FILE.len());
    let mut came_back = Vec::new();
    for slice in FILE.chunks(SLICE) {
        send(&mut socket, Opcode::Binary, true, slice)?;
        came_back.extend(receive(&mut socket)?.payload);
    }
    println!("  all {} bytes are back, unchanged: {}", came_back.len(), came_back == FILE);
    // ANCHOR_END: slices
    // ANCHOR: fragments
    println!("\n3. One message in two frames, and a Ping between them");
    send(&mut socket, Opcode::Text, false, b"Hel")?;
    send(&mut socket, Opcode::Ping, true, b"?")?;
    receive(&mut socket)?;
    send(&mut socket, Opcode::Continuation, true, b"lo")?;
    receive(&mut socket)?;
    // ANCHOR_END: fragments
    // ANCHOR: half
    println!("\n4. One character in two frames");
    let euro = "€".as_bytes();
    send(&mut socket, Opcode::Text, false, &euro[..1])?;
    send(&mut socket, Opcode::Continuation, true, &euro[1..])?;
    receive(&mut socket)?;
    // ANCHOR_END: half
    // ANCHOR: bad
    println!("\n5. A text that ends inside a character");
    send(&mut socket, Opcode::Text, true, &euro[..2])?;
    let close = receive(&mut socket)?;
    send(&mut socket, Opcode::Close, true, &close.payload[..2])?;
    // ANCHOR_END: bad
    Ok(())
}
