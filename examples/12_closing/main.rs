//! Chapter 12: closing.
//!
//! Learn: who closes and who answers, which codes never travel, how the last message arrives.
//! Run:   `cargo run --example 12_closing`
//! See:   six ends, byte by byte, and what the server's program learns of each.
//! Still wrong: a client that does not read blocks its thread in the server. See chapter 13.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use chalkwire::protocol::CloseCode;
use chalkwire::protocol::Opcode;
use crossbeam_channel::{Receiver, unbounded};
use tungstenite::{Error, Message, WebSocket, handshake::server::NoCallback, protocol::CloseFrame};

#[path = "../common/accept_or_page.rs"]
mod accept_or_page;
#[path = "../common/by_hand.rs"]
mod by_hand;
#[path = "../common/goodbye.rs"]
mod goodbye;
#[path = "../common/linger.rs"]
mod linger;
mod upload;
use accept_or_page::{DEADLINE, accept_or_page};
use by_hand::{connect, receive, send};
use goodbye::is_goodbye;
use linger::linger;
use upload::upload;

/// Shows six ways in which a WebSocket ends.
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
const PAGE: &str = include_str!("page.html");
/// The most bytes of a message. A larger message gets a Close 1009.
const MAX_MESSAGE: Option<usize> = Some(1 << 20);

fn main() -> Result<(), AnyError> {
    let flags: Flags = argh::from_env();
    let listener = TcpListener::bind(&flags.listen)
        .map_err(|error| format!("cannot listen at {}: {error}", flags.listen))?;
    let address = listener.local_addr()?;
    println!("listening at http://{address}/");
    let (sender, ends) = unbounded();
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let sender = sender.clone();
            let _ = thread::Builder::new().spawn(move || {
                if let Ok(Some(websocket)) = accept_or_page(&socket, PAGE, NoCallback) {
                    sender.send(talk(websocket)).ok();
                }
                linger(&socket);
            });
        }
    });
    demonstrate(address, &ends)?;
    if !flags.once {
        println!("\nOpen http://{address}/ in a browser. Ctrl-C ends this.");
        ends.iter().for_each(|end| println!("  server: {end}"));
    }
    Ok(())
}

// ANCHOR: talk
/// Echoes until the end, and returns how it ended, in the words of a browser's close event. The
/// text `close 4000 why` asks the server for a Close.
fn talk(mut websocket: WebSocket<&TcpStream>) -> String {
    websocket.get_ref().set_read_timeout(Some(60 * DEADLINE)).ok();
    websocket.get_ref().set_write_timeout(Some(DEADLINE)).ok();
    websocket.set_config(|config| {
        (config.max_frame_size, config.max_message_size) = (MAX_MESSAGE, MAX_MESSAGE)
    });
    let (mut code, mut reason) = (CloseCode::ABNORMAL_CLOSURE, String::new());
    let was_clean = loop {
        let done = match websocket.read() {
            Ok(Message::Close(frame)) => {
                let none = (CloseCode::NO_STATUS_RECEIVED, String::new());
                let said = |f: CloseFrame| (CloseCode(f.code.into()), f.reason.to_string());
                (code, reason) = frame.map_or(none, said);
                Ok(()) // not the end yet: the next `read` sends our answer
            }
            Ok(Message::Text(text)) if text.starts_with("close ") => {
                websocket.close(close_frame(&text))
            }
            Ok(message @ (Message::Text(_) | Message::Binary(_))) if websocket.can_write() => {
                websocket.send(message)
            }
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        match done {
            Ok(()) => {}
            Err(Error::ConnectionClosed) => break true,
            Err(error) if is_goodbye(&error) || matches!(error, Error::Io(_)) => break false,
            Err(error) => {
                code = match error {
                    Error::Utf8(_) => CloseCode::INVALID_PAYLOAD_DATA,
                    Error::Capacity(_) => CloseCode::MESSAGE_TOO_BIG,
                    _ => CloseCode::PROTOCOL_ERROR,
                };
                let frame = CloseFrame { code: code.0.into(), reason: "".into() };
                websocket.close(Some(frame)).ok();
                break false;
            }
        }
    };
    format!("{code} {reason:?}, wasClean {was_clean}")
}
// ANCHOR_END: talk

/// Makes a frame of a text such as `close 4000 why`.
fn close_frame(text: &str) -> Option<CloseFrame> {
    let (code, reason) = text.strip_prefix("close ")?.split_once(' ')?;
    Some(CloseFrame { code: code.parse::<u16>().ok()?.into(), reason: reason.into() })
}

fn demonstrate(address: SocketAddr, ends: &Receiver<String>) -> Result<(), AnyError> {
    for (what, opcode, payload) in [
        ("1. The client closes", Opcode::Close, &b"\x03\xe8bye"[..]),
        ("2. The server closes", Opcode::Text, b"close 4000 see you"),
        ("3. A Close without a code", Opcode::Close, b""),
        ("4. A Close with a code that must not travel", Opcode::Close, b"\x03\xee"),
    ] {
        println!("\n{what}");
        let socket = connect(address)?;
        send(&socket, opcode, true, payload)?;
        let close = receive(&socket)?;
        if opcode == Opcode::Text {
            send(&socket, Opcode::Close, true, &close.payload[..2])?;
        }
        println!("  server: {}", ends.recv_timeout(DEADLINE)?);
    }
    println!("\n5. No Close at all: the client is gone");
    drop(connect(address)?);
    println!("  server: {}", ends.recv_timeout(DEADLINE)?);
    println!("\n6. Twenty clients send 8 MiB in one message, which is too much here");
    println!("  {} of 20 clients learn the code", upload(address, 20)?);
    (1..20).try_for_each(|_| ends.recv_timeout(DEADLINE).map(drop))?; // all end in the same way
    println!("  server: {}", ends.recv_timeout(DEADLINE)?);
    Ok(())
}
