//! Wrong, for chapter 12: a server that leaves its loop when it reads a Close.
//!
//! Run: `cargo run --example wrong_12_stop_at_close`. It fails, as it should.
//! See: the client sends a Close, and gets no answer to it.

use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use argh::FromArgs;
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Error, Message};

/// Runs a server that stops reading at a Close.
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
const DEADLINE: Duration = Duration::from_secs(5);

fn main() -> Result<(), AnyError> {
    let flags: Flags = argh::from_env();
    let listener = TcpListener::bind(&flags.listen)
        .map_err(|error| format!("cannot listen at {}: {error}", flags.listen))?;
    let address = listener.local_addr()?;
    println!("listening at {address}");
    thread::spawn(move || serve(&listener).map_err(|error| error.to_string()));

    let socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(DEADLINE))?;
    let (mut websocket, _) = tungstenite::client(format!("ws://{address}/"), socket)?;
    println!("the client closes with 1000");
    websocket.close(Some(CloseFrame { code: CloseCode::Normal, reason: "bye".into() }))?;
    loop {
        match websocket.read() {
            Ok(message) => println!("the server answers {message:?}"),
            Err(Error::ConnectionClosed) => return Ok(()),
            Err(error) => return Err(error.to_string().into()),
        }
    }
}

/// Serves one client.
fn serve(listener: &TcpListener) -> Result<(), AnyError> {
    let (socket, _) = listener.accept()?;
    socket.set_read_timeout(Some(DEADLINE))?;
    let mut websocket = tungstenite::accept(socket)?;
    // ANCHOR: stop
    loop {
        match websocket.read()? {
            Message::Close(_) => return Ok(()),
            message if message.is_text() => websocket.send(message)?,
            _ => {}
        }
    }
    // ANCHOR_END: stop
}
