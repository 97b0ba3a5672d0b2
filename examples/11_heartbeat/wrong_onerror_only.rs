//! Wrong, for chapter 11: a client that reconnects only after an error.
//!
//! Run: `cargo run --example wrong_11_onerror_only`. It fails, as it should.
//! See: the server closes properly, and the client never comes back.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use argh::FromArgs;
use crossbeam_channel::{Sender, bounded};
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Error as WsError, Message};

/// Runs a client that reconnects only after an error.
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
/// How long the server waits for its client to come back.
const PATIENCE: Duration = Duration::from_secs(1);

fn main() -> Result<(), AnyError> {
    let flags: Flags = argh::from_env();
    let listener = TcpListener::bind(&flags.listen)
        .map_err(|error| format!("cannot listen at {}: {error}", flags.listen))?;
    let address = listener.local_addr()?;
    println!("listening at {address}");
    let (sender, opened) = bounded(2);
    thread::spawn(move || serve(&listener, &sender).map_err(|error| error.to_string()));
    thread::spawn(move || client(address).map_err(|error| error.to_string()))
        .join()
        .map_err(|_| "the client panicked")??;

    opened.recv_timeout(DEADLINE)?;
    let waiting_since = Instant::now();
    if opened.recv_timeout(PATIENCE).is_err() {
        let millis = waiting_since.elapsed().as_millis();
        return Err(format!("{millis} ms later the client has not come back").into());
    }
    println!("the client is back");
    Ok(())
}

/// Sends each client a proper Close, as a server does that restarts.
fn serve(listener: &TcpListener, opened: &Sender<()>) -> Result<(), AnyError> {
    for socket in listener.incoming() {
        let socket = socket?;
        socket.set_read_timeout(Some(DEADLINE))?;
        let mut websocket = tungstenite::accept(socket)?;
        opened.send(())?;
        let frame = CloseFrame { code: CloseCode::Restart, reason: "back soon".into() };
        websocket.close(Some(frame))?;
        while websocket.read().is_ok() {}
    }
    Ok(())
}

/// Makes a browser's events out of what tungstenite reports: `error` comes only before an unclean
/// `close`.
fn client(address: SocketAddr) -> Result<(), AnyError> {
    let socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(DEADLINE))?;
    let (mut websocket, _) = tungstenite::client(format!("ws://{address}/"), socket)?;
    // ANCHOR: events
    let was_clean = loop {
        match websocket.read() {
            Ok(Message::Close(Some(frame))) => println!("the server says {frame}"),
            Ok(_) => {}
            Err(WsError::ConnectionClosed) => break true,
            Err(_) => break false,
        }
    };
    if !was_clean {
        on_error(address)?;
    }
    println!("event close, wasClean {was_clean}");
    // ANCHOR_END: events
    Ok(())
}

/// Reconnects. This client calls it only after an error.
fn on_error(address: SocketAddr) -> Result<(), AnyError> {
    println!("event error: connecting again");
    client(address)
}
