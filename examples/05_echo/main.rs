//! Chapter 05: an echo server for browsers. tungstenite does the work of chapters 03 and 04.
//!
//! Learn: `accept`, `read`, `send`; a thread for each client; that a client may leave at any time.
//! Run:   `cargo run --example 05_echo`, then open <http://127.0.0.1:8080/>
//! See:   what comes back for a text, a Ping, fragments and a Close.
//! Still wrong: the page shows only a little of what a browser knows. Chapter 06 shows the rest.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::{error::Error as StdError, thread, time::Duration};

use tungstenite::handshake::server::NoCallback;
use tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tungstenite::protocol::frame::{CloseFrame, Frame};
use tungstenite::{Error, Message, client};

#[path = "../common/accept_or_page.rs"]
mod accept_or_page;
#[path = "../common/goodbye.rs"]
mod goodbye;
#[path = "../common/linger.rs"]
mod linger;
use accept_or_page::accept_or_page;
use goodbye::is_goodbye;
use linger::linger;

/// Runs an echo server: tungstenite reads the frames, and each client has a thread.
#[derive(argh::FromArgs)]
struct Flags {
    /// where to listen, ADDR:PORT (default 127.0.0.1:8080)
    #[argh(option, default = "\"127.0.0.1:8080\".to_owned()")]
    listen: String,
    /// end after the demonstration
    #[argh(switch)]
    once: bool,
    /// do not serve: run the demonstration against the server at this ADDR:PORT
    #[argh(option)]
    against: Option<SocketAddr>,
}

const PAGE: &str = include_str!("page.html");
/// How long a client may be silent. Chapter 11 asks a silent client whether it is still there.
const PATIENCE: Duration = Duration::from_secs(600);

// ANCHOR: serve
/// Serves one client, from its request to its end.
fn serve(socket: &TcpStream) -> Result<(), Error> {
    let Some(mut websocket) = accept_or_page(socket, PAGE, NoCallback)? else { return Ok(()) };
    socket.set_read_timeout(Some(PATIENCE))?;
    let error = loop {
        match websocket.read() {
            Ok(message) if message.is_text() || message.is_binary() => websocket.send(message)?,
            Ok(_) => {} // a Ping or a Close: the next read sends the answer
            Err(error) => break error,
        }
    };
    let code = match error {
        Error::Protocol(_) if !is_goodbye(&error) => CloseCode::Protocol,
        Error::Utf8(_) => CloseCode::Invalid,
        Error::Capacity(_) => CloseCode::Size,
        _ => return Err(error),
    };
    websocket.close(Some(CloseFrame { code, reason: error.to_string().into() }))?;
    Err(error)
}
// ANCHOR_END: serve

// ANCHOR: accept
fn accept_clients(listener: &TcpListener) {
    for socket in listener.incoming() {
        let started = socket.and_then(|socket| {
            thread::Builder::new().spawn(move || {
                if let Some(error) = serve(&socket).err().filter(|e| !is_goodbye(e)) {
                    eprintln!("{error}");
                }
                linger(&socket);
            })
        });
        if started.is_err() {
            thread::sleep(Duration::from_millis(100)); // too many sockets or threads
        }
    }
}
// ANCHOR_END: accept

fn main() -> Result<(), Box<dyn StdError>> {
    let flags: Flags = argh::from_env();
    if let Some(address) = flags.against {
        return demonstrate(address);
    }
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

// ANCHOR: demonstrate
/// Sends what chapter 04's server cannot answer, each time on a new connection.
fn demonstrate(address: SocketAddr) -> Result<(), Box<dyn StdError>> {
    let part = |text, of, fin| Message::Frame(Frame::message(text, OpCode::Data(of), fin));
    for (what, messages) in [
        ("text Hello", vec![Message::text("Hello")]),
        ("Ping Hello", vec![Message::Ping("Hello".into())]),
        ("Hel and lo", vec![part("Hel", Data::Text, false), part("lo", Data::Continue, true)]),
        ("a Close", vec![Message::Close(None)]),
    ] {
        let (mut websocket, _) = client("ws://localhost/", TcpStream::connect(address)?)?;
        websocket.get_ref().set_read_timeout(Some(PATIENCE))?;
        let sent: Result<(), Error> = messages.into_iter().try_for_each(|m| websocket.send(m));
        match sent.and_then(|()| websocket.read()) {
            Ok(answer) => println!("sent {what:10}  got {answer:?}"),
            Err(error) if is_goodbye(&error) => println!("sent {what:10}  lost the server"),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
// ANCHOR_END: demonstrate
