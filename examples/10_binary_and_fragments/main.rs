//! Chapter 10: text and binary, slices and fragments.
//!
//! Learn: what the type of a message promises, and that a message may come in many frames.
//! Run:   `cargo run --example 10_binary_and_fragments`
//! See:   a file that comes back whole, a Ping inside a message, a character cut in half.
//!        Then open <http://127.0.0.1:8080/> and send a file of your own.
//! Still wrong: a client whose cable is pulled stays for five minutes. See chapter 11.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::{thread, time::Duration};

use chalkwire::protocol::Opcode;
use tungstenite::handshake::server::NoCallback;
use tungstenite::protocol::frame::{CloseFrame, coding::CloseCode};
use tungstenite::{Error as WsError, Message, WebSocket};

#[path = "../common/accept_or_page.rs"]
mod accept_or_page;
#[path = "../common/by_hand.rs"]
mod by_hand;
#[path = "../common/goodbye.rs"]
mod goodbye;
#[path = "../common/linger.rs"]
mod linger;
use accept_or_page::{DEADLINE, accept_or_page};
use by_hand::{connect, receive, send};
use goodbye::is_goodbye;
use linger::linger;

/// Echoes text, binary messages, and messages in many frames.
#[derive(argh::FromArgs)]
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
const PAGE: &str = include_str!("page.html");
// ANCHOR: given
/// A file to send, and how many of its bytes go into one message.
const FILE: &[u8] = include_bytes!("../../LICENSE-APACHE");
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
            let _ = thread::Builder::new().spawn(move || serve(&socket));
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
    let code = match &error {
        WsError::Protocol(_) if !is_goodbye(&error) => CloseCode::Protocol,
        WsError::Utf8(_) => CloseCode::Invalid,
        WsError::Capacity(_) => CloseCode::Size,
        _ => return, // the client has left, or it has been silent for too long
    };
    log::info!("a client broke a rule: {error}");
    if websocket.close(Some(CloseFrame { code, reason: "".into() })).is_ok() {
        // Until the client has answered, or has left.
        while websocket.read().is_ok() {}
    }
}
// ANCHOR_END: echo

fn demonstrate(address: SocketAddr) -> Result<(), AnyError> {
    let socket = connect(address)?;
    println!("\n1. The same five bytes as text and as binary");
    for opcode in [Opcode::Text, Opcode::Binary] {
        send(&socket, opcode, true, b"Hello")?;
        receive(&socket)?;
    }
    // ANCHOR: slices
    println!("\n2. A file of {} bytes, in messages of at most {SLICE}", FILE.len());
    let mut came_back = Vec::new();
    for slice in FILE.chunks(SLICE) {
        send(&socket, Opcode::Binary, true, slice)?;
        came_back.extend(receive(&socket)?.payload);
    }
    println!("  all {} bytes are back, unchanged: {}", came_back.len(), came_back == FILE);
    // ANCHOR_END: slices
    // ANCHOR: fragments
    println!("\n3. One message in two frames, and a Ping between them");
    send(&socket, Opcode::Text, false, b"Hel")?;
    send(&socket, Opcode::Ping, true, b"?")?;
    receive(&socket)?;
    send(&socket, Opcode::Continuation, true, b"lo")?;
    receive(&socket)?;
    // ANCHOR_END: fragments
    // ANCHOR: half
    println!("\n4. One character in two frames");
    let euro = "€".as_bytes();
    send(&socket, Opcode::Text, false, &euro[..1])?;
    send(&socket, Opcode::Continuation, true, &euro[1..])?;
    receive(&socket)?;
    // ANCHOR_END: half
    // ANCHOR: bad
    println!("\n5. A text that ends inside a character");
    send(&socket, Opcode::Text, true, &euro[..2])?;
    let close = receive(&socket)?;
    send(&socket, Opcode::Close, true, &close.payload[..2])?;
    // ANCHOR_END: bad
    Ok(())
}
