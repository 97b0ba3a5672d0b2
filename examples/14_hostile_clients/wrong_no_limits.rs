//! Wrong, for chapter 14: a server that accepts every client and waits for everything.
//!
//! Learn: what strangers, silent clients and endless messages get from a server without limits.
//! Run:   `cargo run --example wrong_14_no_limits`
//! See:   three clients that a good server would send away. This one keeps them.

use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use chalkwire::protocol::{Frame, Opcode};
use tungstenite::{ClientRequestBuilder, Message, WebSocket};

/// Runs a server without limits, and three clients that make use of that.
#[derive(argh::FromArgs)]
struct Flags {
    /// where to listen, ADDR:PORT (default 127.0.0.1:8080)
    #[argh(option, default = "\"127.0.0.1:8080\".to_owned()")]
    listen: String,
    /// end after the demonstration
    #[argh(switch)]
    once: bool,
}

// ANCHOR: serve
/// Greets every client, and echoes. The mistake is everything that is missing here.
fn serve(socket: TcpStream) -> Result<(), Box<dyn Error>> {
    let mut websocket = tungstenite::accept(socket).map_err(|error| error.to_string())?;
    websocket.send(Message::text("the door code is 4711"))?;
    loop {
        let message = websocket.read()?;
        if message.is_text() || message.is_binary() {
            websocket.send(message)?;
        }
    }
}
// ANCHOR_END: serve

fn main() -> Result<(), Box<dyn Error>> {
    let flags: Flags = argh::from_env();
    let listener = TcpListener::bind(&flags.listen)
        .map_err(|error| format!("cannot listen at {}: {error}", flags.listen))?;
    let address = listener.local_addr()?;
    println!("listening at {address}");
    let server = thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            // A client that leaves ends only its own thread.
            thread::spawn(|| serve(socket).ok());
        }
    });
    demonstrate(address)?;
    if !flags.once {
        println!("still serving, without limits, at ws://{address}/ until Ctrl-C");
        server.join().map_err(|_| "the server's thread panicked")?;
    }
    Ok(())
}

fn demonstrate(address: SocketAddr) -> Result<(), Box<dyn Error>> {
    let mut page = join(address)?;
    println!("a page from https://evil.example reads: {:?}", page.read()?.to_string());

    let mut silent = TcpStream::connect(address)?;
    silent.write_all(b"GET / HTTP/1.1\r\nHost: loc")?;
    silent.set_read_timeout(Some(Duration::from_secs(1)))?;
    match silent.read(&mut [0]) {
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            println!("half a request: no answer in 1 s, and no end: it keeps its thread for ever");
        }
        other => println!("half a request: {other:?}"),
    }

    let empty = |opcode| {
        let mut frame = Frame::new(opcode, Some([0x37, 0xfa, 0x21, 0x3d]), b"");
        frame.header.fin = false;
        frame.encode()
    };
    page.get_mut().write_all(&empty(Opcode::Text))?;
    page.get_mut().write_all(&empty(Opcode::Continuation).repeat(100_000))?;
    page.send(Message::Ping("are you there?".into()))?;
    println!("a message of 100,001 empty fragments, then a Ping: {}", page.read()?);
    Ok(())
}

fn join(address: SocketAddr) -> Result<WebSocket<TcpStream>, Box<dyn Error>> {
    let socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    let request = ClientRequestBuilder::new(format!("ws://{address}/").parse()?)
        .with_header("Origin", "https://evil.example");
    Ok(tungstenite::client(request, socket).map_err(|error| error.to_string())?.0)
}
