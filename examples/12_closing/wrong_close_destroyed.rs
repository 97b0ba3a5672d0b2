//! 12, wrong: a server that sends a Close, and drops its socket at once.
//!
//! Run: cargo run --example wrong_12_close_destroyed
//! See: not one of twenty clients learns why it was refused. It fails, with exit code 1.

use std::net::TcpListener;
use std::thread;

use argh::FromArgs;
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Error, WebSocket};

#[path = "../parts/door.rs"]
mod door;
#[path = "../parts/upload.rs"]
mod upload;

use door::{is_goodbye, open};

/// A server that drops its socket right after its Close.
#[derive(FromArgs)]
struct Flags {
    /// where to listen, ADDR:PORT (default 127.0.0.1:8080)
    #[argh(option, default = "\"127.0.0.1:8080\".to_owned()")]
    listen: String,
    /// accepted as everywhere: it always ends
    #[argh(switch)]
    #[expect(dead_code, reason = "this program has nothing to stay for")]
    once: bool,
}

type AnyError = Box<dyn std::error::Error>;

fn main() -> Result<(), AnyError> {
    let flags: Flags = argh::from_env();
    let listener = TcpListener::bind(&flags.listen)
        .map_err(|error| format!("cannot listen at {}: {error}", flags.listen))?;
    let address = listener.local_addr()?;
    println!("listening at {address}");
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            if let Ok(Some(websocket)) = open(&socket, "") {
                refuse(websocket).ok();
            }
        }
    });
    match upload::upload(address, 20)? {
        20 => Ok(()),
        told => Err(format!("{told} of 20 clients learn the code").into()),
    }
}

// ANCHOR: drop
/// Reads until something is wrong, says what, and drops the socket with the rest unread.
fn refuse(mut websocket: WebSocket<&std::net::TcpStream>) -> Result<(), Error> {
    websocket.set_config(|config| config.max_frame_size = Some(1 << 20));
    loop {
        match websocket.read() {
            Ok(_) => {}
            Err(error) if is_goodbye(&error) => return Ok(()),
            Err(_) => {
                let frame = CloseFrame { code: CloseCode::Size, reason: "".into() };
                return websocket.close(Some(frame));
            }
        }
    }
}
// ANCHOR_END: drop
