//! Wrong, for chapter 05: an echo server that sends the message object, and not the text in it.
//!
//! Run: `cargo run --example wrong_05_sends_the_object`
//! See: Rust's cousin of JavaScript's `[object Object]`. Chapter 05 says why.

use std::error::Error;
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use tungstenite::{Message, accept, client};

/// Runs an echo server that sends the message object.
#[derive(argh::FromArgs)]
struct Flags {
    /// where to listen, ADDR:PORT (default 127.0.0.1:8080)
    #[argh(option, default = "\"127.0.0.1:8080\".to_owned()")]
    listen: String,
    /// end after the demonstration (this program always does)
    #[argh(switch)]
    #[expect(dead_code, reason = "every example takes this flag")]
    once: bool,
}

// ANCHOR: serve
fn serve(socket: TcpStream) -> Option<()> {
    socket.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    let mut websocket = accept(socket).ok()?;
    loop {
        let message = websocket.read().ok()?;
        // Wrong: this is how the object looks to a programmer. It is not the text that came.
        websocket.send(Message::text(format!("{message:?}"))).ok()?;
    }
}
// ANCHOR_END: serve

fn main() -> ExitCode {
    let Err(error) = run() else { return ExitCode::SUCCESS };
    eprintln!("{error}");
    ExitCode::FAILURE
}

fn run() -> Result<(), Box<dyn Error>> {
    let flags: Flags = argh::from_env();
    let listener = TcpListener::bind(&flags.listen)
        .map_err(|error| format!("cannot listen at {}: {error}", flags.listen))?;
    let address = listener.local_addr()?;
    println!("listening at {address}");
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            thread::spawn(|| serve(socket));
        }
    });

    let socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    let (mut websocket, _) = client(format!("ws://{address}/"), socket)?;
    websocket.send(Message::text("Hello"))?;
    let echo = websocket.read()?.into_text()?;
    println!("sent Hello");
    println!("got  {echo}");
    if echo == "Hello" { Ok(()) } else { Err("that is not an echo".into()) }
}
