//! The exercises of chapter 12, solved: a reason in each Close, and a server that closes all its
//! connections before it ends.
//!
//! Run: cargo run --example solution_12_closing

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use argh::FromArgs;
use chalkwire::protocol::Opcode;
use chalkwire::protocol::{CloseCode, fit_reason};
use crossbeam_channel::{Receiver, bounded, unbounded};
use tungstenite::handshake::server::NoCallback;
use tungstenite::protocol::CloseFrame;
use tungstenite::{Error, Message, WebSocket};

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

/// Sends a reason in each Close, and closes all connections at the end.
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
const PAGE: &str = include_str!("../../examples/12_closing/page.html");
/// The most bytes of a message. A larger message gets a Close 1009.
const MAX_MESSAGE: Option<usize> = Some(1 << 20);

/// Set when the server ends. Then every client's thread sends a Close.
static ENDING: AtomicBool = AtomicBool::new(false);

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
            thread::spawn(move || {
                CLIENTS.fetch_add(1, Ordering::SeqCst);
                if let Ok(Some(websocket)) = accept_or_page(&socket, PAGE, NoCallback) {
                    sender.send(talk(websocket)).ok();
                }
                linger(&socket);
                CLIENTS.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    let (stop, stopped) = bounded(1);
    if flags.once {
        stop.send(()).ok();
    } else {
        println!("Ctrl-C ends the server.");
        ctrlc::set_handler(move || {
            stop.try_send(()).ok();
        })?;
    }
    demonstrate(address, &ends, &stopped)
}

// ANCHOR: ending
/// How many clients have a thread.
static CLIENTS: AtomicUsize = AtomicUsize::new(0);

/// Asks every client's thread to end, and gives them a second.
fn end_all() {
    ENDING.store(true, Ordering::SeqCst);
    let deadline = Instant::now() + Duration::from_secs(1);
    while CLIENTS.load(Ordering::SeqCst) > 0 && Instant::now() < deadline {
        thread::sleep(LOOK_EVERY);
    }
}

/// How often a thread that reads checks whether the server ends.
const LOOK_EVERY: Duration = Duration::from_millis(20);

fn is_timeout(error: &Error) -> bool {
    use std::io::ErrorKind::{TimedOut, WouldBlock};
    matches!(error, Error::Io(error) if matches!(error.kind(), TimedOut | WouldBlock))
}
// ANCHOR_END: ending

/// Echoes until the end, and returns how it ended, in the words of a browser's close event. The
/// text `close 4000 why` asks the server for a Close.
fn talk(mut websocket: WebSocket<&TcpStream>) -> String {
    websocket.get_ref().set_read_timeout(Some(LOOK_EVERY)).ok();
    websocket.get_ref().set_write_timeout(Some(DEADLINE)).ok();
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
            // ANCHOR: going_away
            Err(error) if is_timeout(&error) => {
                if ENDING.load(Ordering::SeqCst) && websocket.can_write() {
                    let reason = "the server ends".into();
                    websocket.close(Some(CloseFrame { code: 1001.into(), reason })).ok();
                }
            }
            // ANCHOR_END: going_away
            Err(Error::ConnectionClosed) => break true,
            Err(error) if is_goodbye(&error) => break false,
            Err(Error::Io(_)) => break false, // the socket has failed
            Err(error) => {
                // ANCHOR: reason
                let (found, why) = match error {
                    Error::Utf8(_) => (CloseCode::INVALID_PAYLOAD_DATA, "not UTF-8".to_owned()),
                    Error::Capacity(error) => (CloseCode::MESSAGE_TOO_BIG, error.to_string()),
                    error => (CloseCode::PROTOCOL_ERROR, error.to_string()),
                };
                (code, reason) = (found, fit_reason(&why).to_owned());
                let frame = CloseFrame { code: code.0.into(), reason: (&reason).into() };
                websocket.close(Some(frame)).ok();
                // ANCHOR_END: reason
                break false;
            }
        }
    };
    format!("{code} {reason:?}, wasClean {was_clean}")
}

/// Makes a frame of a text such as `close 4000 why`.
fn close_frame(text: &str) -> Option<CloseFrame> {
    let (code, reason) = text.strip_prefix("close ")?.split_once(' ')?;
    Some(CloseFrame { code: code.parse::<u16>().ok()?.into(), reason: reason.into() })
}

fn demonstrate(
    address: SocketAddr,
    ends: &Receiver<String>,
    stopped: &Receiver<()>,
) -> Result<(), AnyError> {
    println!("\n1. A refusal with a reason");
    let socket = connect(address)?;
    send(&socket, Opcode::Text, true, b"\xff")?;
    receive(&socket)?;
    println!("  server: {}", ends.recv_timeout(DEADLINE)?);
    drop(socket);

    println!("\n2. The server ends");
    let clients = [connect(address)?, connect(address)?, connect(address)?];
    stopped.recv()?; // Ctrl-C, or --once
    let ending = thread::spawn(end_all);
    for socket in clients {
        let close = receive(&socket)?;
        send(&socket, Opcode::Close, true, &close.payload[..2])?;
        println!("  server: {}", ends.recv_timeout(DEADLINE)?);
    }
    ending.join().map_err(|_| "the end has panicked")?;
    println!("  {} clients are left", CLIENTS.load(Ordering::SeqCst));
    Ok(())
}
