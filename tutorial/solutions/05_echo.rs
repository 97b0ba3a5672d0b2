//! The exercises of chapter 05, solved: the server prints when clients come and go, and accepts at
//! most 64 KiB in a message.
//!
//! Run: `cargo run --example solution_05_echo`
//! See: two clients come and go. The second sends too much, and gets a Close 1009.
//! Still wrong: the page shows only a little of what a browser knows.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::{error::Error as StdError, thread, time::Duration};

use tungstenite::handshake::server::NoCallback;
use tungstenite::protocol::frame::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Error, Message, client};

#[path = "../../examples/common/accept_or_page.rs"]
mod accept_or_page;
#[path = "../../examples/common/goodbye.rs"]
mod goodbye;
#[path = "../../examples/common/linger.rs"]
mod linger;
use accept_or_page::accept_or_page;
use goodbye::is_goodbye;
use linger::linger;

/// Runs an echo server that prints when clients come and go, and accepts at most 64 KiB.
#[derive(argh::FromArgs)]
struct Flags {
    /// where to listen, ADDR:PORT (default 127.0.0.1:8080)
    #[argh(option, default = "\"127.0.0.1:8080\".to_owned()")]
    listen: String,
    /// end after the demonstration
    #[argh(switch)]
    once: bool,
}

/// The most bytes of a message. A larger message gets a Close 1009.
const MOST: usize = 64 * 1024;
const PAGE: &str = include_str!("../../examples/05_echo/page.html");
/// How long a client may be silent. Chapter 11 asks a silent client whether it is still there.
const PATIENCE: Duration = Duration::from_secs(600);

/// Serves one client, from its request to its end.
fn serve(number: usize, socket: &TcpStream) -> Result<(), Error> {
    let Some(mut websocket) = accept_or_page(socket, PAGE, NoCallback)? else { return Ok(()) };
    socket.set_read_timeout(Some(PATIENCE))?;
    // ANCHOR: limit
    websocket.set_config(|config| {
        config.max_message_size = Some(MOST);
        config.max_frame_size = Some(MOST);
    });
    // ANCHOR_END: limit
    // ANCHOR: tell
    println!("client {number} has come");
    let error = loop {
        match websocket.read() {
            Ok(Message::Close(Some(frame))) => println!("client {number} closes: {}", frame.code),
            Ok(Message::Close(None)) => println!("client {number} closes without a code"),
            Ok(message) if message.is_text() || message.is_binary() => websocket.send(message)?,
            Ok(_) => {} // a Ping: the next read sends the answer
            Err(error) => break error,
        }
    };
    println!("client {number} has gone: {error}");
    // ANCHOR_END: tell
    let code = match error {
        Error::Protocol(_) if !is_goodbye(&error) => CloseCode::Protocol,
        Error::Utf8(_) => CloseCode::Invalid,
        Error::Capacity(_) => CloseCode::Size,
        _ => return Err(error),
    };
    websocket.close(Some(CloseFrame { code, reason: error.to_string().into() }))?;
    Err(error)
}

fn accept_clients(listener: &TcpListener) {
    for (number, socket) in (1..).zip(listener.incoming()) {
        let started = socket.and_then(|socket| {
            thread::Builder::new().spawn(move || {
                // `serve` has already printed how the client left.
                serve(number, &socket).ok();
                linger(&socket);
            })
        });
        if started.is_err() {
            thread::sleep(Duration::from_millis(100)); // too many sockets or threads
        }
    }
}

fn main() -> Result<(), Box<dyn StdError>> {
    let flags: Flags = argh::from_env();
    let listener = TcpListener::bind(&flags.listen)
        .map_err(|error| format!("cannot listen at {}: {error}", flags.listen))?;
    let address = listener.local_addr()?;
    println!("listening at http://{address}/");
    let server = thread::spawn(move || accept_clients(&listener));
    demonstrate(address)?;
    if !flags.once {
        println!("Open http://{address}/ in a browser. Ctrl-C ends the server.");
        server.join().map_err(|_| "the server's thread panicked")?;
    }
    Ok(())
}

fn demonstrate(address: SocketAddr) -> Result<(), Box<dyn StdError>> {
    for text in ["Hello".to_owned(), "x".repeat(70_000)] {
        let (mut websocket, _) = client("ws://localhost/", TcpStream::connect(address)?)?;
        websocket.get_ref().set_read_timeout(Some(PATIENCE))?;
        let sent = text.len();
        websocket.send(Message::text(text))?;
        match websocket.read()? {
            Message::Close(Some(frame)) => println!("sent {sent} bytes, got Close {}", frame.code),
            echo => println!("sent {sent} bytes, got {} back", echo.len()),
        }
        let close = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        // If the server has closed already, there is nothing left to close.
        websocket.close(Some(close)).ok();
        while websocket.read().is_ok() {}
    }
    Ok(())
}
