//! The exercises of chapter 10, solved: the server counts the bytes of an announced file, and it
//! answers in frames of three bytes.
//!
//! Run: cargo run --example solution_10_binary_and_fragments

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use argh::FromArgs;
use bytes::Bytes;
use chalkwire::protocol::Opcode;
use tungstenite::handshake::server::NoCallback;
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tungstenite::{Error as WsError, Message, WebSocket};

#[path = "../../examples/common/accept_or_page.rs"]
mod accept_or_page;
#[path = "../../examples/common/by_hand.rs"]
mod by_hand;
#[path = "../../examples/common/goodbye.rs"]
mod goodbye;
#[path = "../../examples/common/linger.rs"]
mod linger;

use accept_or_page::{DEADLINE, accept_or_page};
use by_hand::{connect, receive, send};
use goodbye::is_goodbye;
use linger::linger;

/// Takes announced files, and echoes messages in many frames.
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

/// How long a client may be silent before the server ends its connection.
const SILENCE: Duration = Duration::from_secs(300);
const PAGE: &str = include_str!("../../examples/10_binary_and_fragments/page.html");
/// A file to send, and how many of its bytes go into one message.
const FILE: &[u8] = include_bytes!("../../LICENSE-APACHE");
const SLICE: usize = 4096;
/// The most bytes of an echo in one frame.
const PIECE: usize = 3;

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

/// Serves one client, in a thread of its own.
fn serve(socket: &TcpStream) {
    match accept_or_page(socket, PAGE, NoCallback) {
        Ok(None) => linger(socket),
        Ok(Some(websocket)) => {
            socket.set_read_timeout(Some(SILENCE)).ok();
            socket.set_write_timeout(Some(DEADLINE)).ok();
            echo(websocket);
        }
        Err(error) => log::info!("a client left in the handshake: {error}"),
    }
}

// ANCHOR: upload
/// A file whose name and size a text message has announced.
struct Upload {
    name: String,
    size: usize,
    bytes: Vec<u8>,
}

/// Reads `file NAME SIZE`.
fn announced(text: &str) -> Option<Upload> {
    let (name, size) = text.strip_prefix("file ")?.rsplit_once(' ')?;
    Some(Upload { name: name.to_owned(), size: size.parse().ok()?, bytes: Vec::new() })
}

/// Takes the next slice. Returns a text when the file is complete.
fn take_slice(upload: &mut Option<Upload>, slice: &Bytes) -> Option<String> {
    let open = upload.as_mut()?;
    open.bytes.extend_from_slice(slice);
    if open.bytes.len() < open.size {
        return None;
    }
    let done = upload.take()?;
    Some(format!("{}: {} of {} bytes", done.name, done.bytes.len(), done.size))
}
// ANCHOR_END: upload

// ANCHOR: fragments
/// Sends one message in frames of at most `PIECE` bytes.
fn send_cut(
    websocket: &mut WebSocket<&TcpStream>,
    mut kind: Data,
    payload: &[u8],
) -> Result<(), WsError> {
    use tungstenite::protocol::frame::Frame;
    let mut rest = payload;
    loop {
        let (piece, after) = rest.split_at(rest.len().min(PIECE));
        let last = after.is_empty();
        let frame = Frame::message(piece.to_vec(), OpCode::Data(kind), last);
        websocket.write(Message::Frame(frame))?;
        if last {
            return websocket.flush();
        }
        kind = Data::Continue;
        rest = after;
    }
}
// ANCHOR_END: fragments

/// Takes announced files, and sends every other message back in small frames.
fn echo(mut websocket: WebSocket<&TcpStream>) {
    let mut upload = None;
    let error = loop {
        let done = match websocket.read() {
            Ok(Message::Text(text)) => match announced(&text) {
                Some(announced) => {
                    upload = Some(announced);
                    Ok(())
                }
                None => send_cut(&mut websocket, Data::Text, text.as_bytes()),
            },
            Ok(Message::Binary(slice)) if upload.is_some() => take_slice(&mut upload, &slice)
                .map_or(Ok(()), |answer| websocket.send(Message::text(answer))),
            Ok(Message::Binary(bytes)) => send_cut(&mut websocket, Data::Binary, &bytes),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            break error;
        }
    };
    let code = match &error {
        WsError::Protocol(_) if !is_goodbye(&error) => CloseCode::Protocol,
        WsError::Utf8(_) => CloseCode::Invalid,
        WsError::Capacity(_) => CloseCode::Size,
        _ => return, // the client has left, or it has been silent for too long
    };
    if websocket.close(Some(CloseFrame { code, reason: "".into() })).is_ok() {
        while websocket.read().is_ok() {}
    }
}

fn demonstrate(address: SocketAddr) -> Result<(), AnyError> {
    let socket = connect(address)?;
    println!("\n1. An announced file, counted by the server");
    let announcement = format!("file LICENSE-APACHE {}", FILE.len());
    send(&socket, Opcode::Text, true, announcement.as_bytes())?;
    for slice in FILE.chunks(SLICE) {
        send(&socket, Opcode::Binary, true, slice)?;
    }
    receive(&socket)?;
    println!("\n2. An answer in frames of {PIECE} bytes");
    send(&socket, Opcode::Text, true, b"Hello")?;
    while !receive(&socket)?.header.fin {}
    let goodbye = 1000_u16.to_be_bytes();
    send(&socket, Opcode::Close, true, &goodbye)?;
    receive(&socket)?;
    Ok(())
}
