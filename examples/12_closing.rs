//! 12. Closing.
//!
//! You learn: who closes and who answers, which codes never travel, how a last word arrives.
//! Run:       cargo run --example 12_closing
//! You see:   six ends, byte by byte, and what the server's program is told of each.
//! Still wrong: a client that does not read stops its server's thread. Chapter 13 mends that.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use argh::FromArgs;
use chalkwire::protocol::CloseCode;
use chalkwire::protocol::Opcode;
use crossbeam_channel::{Receiver, unbounded};
use tungstenite::protocol::CloseFrame;
use tungstenite::{Error, Message, WebSocket};

#[path = "parts/by_hand.rs"]
mod by_hand;
#[path = "parts/door.rs"]
mod door;
#[path = "parts/linger.rs"]
mod linger;
#[path = "parts/upload.rs"]
mod upload;

use by_hand::{connect, receive, send};
use door::{DEADLINE, is_goodbye, open};
use linger::linger;

/// Six ways in which a WebSocket ends.
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
const PAGE: &str = include_str!("12_closing.html");
/// Bytes of a message. More gets Close 1009.
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
                if let Ok(Some(websocket)) = open(&socket, PAGE) {
                    sender.send(talk(websocket)).ok();
                    linger(&socket);
                }
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
/// Echoes until the end, and says how that was, in the words of a browser's close event. The
/// text `close 4000 why` asks for a Close.
fn talk(mut websocket: WebSocket<&TcpStream>) -> String {
    websocket.get_ref().set_read_timeout(Some(60 * DEADLINE)).ok();
    websocket.set_config(|config| {
        (config.max_frame_size, config.max_message_size) = (MAX_MESSAGE, MAX_MESSAGE)
    });
    let (mut code, mut reason) = (CloseCode::ABNORMAL_CLOSURE, String::new());
    let was_clean = loop {
        let done = match websocket.read() {
            Ok(Message::Close(frame)) => {
                code = frame
                    .as_ref()
                    .map_or(CloseCode::NO_STATUS_RECEIVED, |f| CloseCode(f.code.into()));
                reason = frame.map_or(String::new(), |frame| frame.reason.to_string());
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
            Err(error) if is_goodbye(&error) => break false,
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

/// `close 4000 why` as a frame.
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
    println!("  {} of 20 clients learn the code", upload::upload(address, 20)?);
    for _ in 1..20 {
        ends.recv_timeout(DEADLINE)?; // all say the same
    }
    println!("  server: {}", ends.recv_timeout(DEADLINE)?);
    Ok(())
}
