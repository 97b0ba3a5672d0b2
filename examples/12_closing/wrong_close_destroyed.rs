//! Wrong, for chapter 12: a server that sends a Close, and drops its socket at once.
//!
//! Run: `cargo run --example wrong_12_close_destroyed`. It fails, as it should.
//! See: none of twenty clients learns why the server has refused its message.

use std::net::TcpListener;
use std::thread;

use argh::FromArgs;
use tungstenite::handshake::server::NoCallback;
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Error, WebSocket};

#[path = "../common/accept_or_page.rs"]
mod accept_or_page;
mod upload;

use accept_or_page::accept_or_page;

/// Runs a server that drops its socket right after its Close.
#[derive(FromArgs)]
struct Flags {
    /// where to listen, ADDR:PORT (default 127.0.0.1:8080)
    #[argh(option, default = "\"127.0.0.1:8080\".to_owned()")]
    listen: String,
    /// end after the demonstration (this program always does)
    #[argh(switch)]
    #[expect(dead_code, reason = "every example takes this flag")]
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
            if let Ok(Some(websocket)) = accept_or_page(&socket, "", NoCallback) {
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
/// Reads until a message is too large, sends a Close, and drops the socket with the rest unread.
fn refuse(mut websocket: WebSocket<&std::net::TcpStream>) -> Result<(), Error> {
    websocket.set_config(|config| config.max_frame_size = Some(1 << 20));
    loop {
        match websocket.read() {
            Ok(_) => {}
            Err(Error::Capacity(_)) => {
                let frame = CloseFrame { code: CloseCode::Size, reason: "".into() };
                return websocket.close(Some(frame));
            }
            Err(error) => return Err(error),
        }
    }
}
// ANCHOR_END: drop
