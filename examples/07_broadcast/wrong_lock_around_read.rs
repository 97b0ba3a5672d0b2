//! Wrong, for chapter 07: a lock around the WebSocket, held while `read` blocks.
//!
//! `read` blocks, so how does another thread send? The first idea is to share the WebSocket behind
//! a lock. But the thread that reads holds the lock for as long as its client is silent.
//!
//! Run: `cargo run --example wrong_07_lock_around_read`. It fails, as it should.

use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::{io, thread, time::Duration};

use argh::FromArgs;
use tungstenite::{Error, Message, WebSocket, accept, client};

/// Sends to a client whose thread holds a lock while it waits in read.
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
    println!("listening at http://{address}/");
    thread::spawn(move || serve(&listener).map_err(|error| error.to_string()));

    let socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut page = client(format!("ws://{address}/"), socket)?.0;
    match page.read() {
        Ok(message) => println!("the client hears: {message}"),
        Err(Error::Io(error)) if is_timeout(&error) => {
            println!("one second: the client has said nothing, and heard nothing")
        }
        Err(error) => Err(error)?,
    }
    page.send("anybody there?".into())?;
    println!("the client hears: {}", page.read()?);
    Err("the news has waited for the lock until the client spoke")?
}

// ANCHOR: serve
/// Serves one client: one thread reads from it, and another has news for it.
fn serve(listener: &TcpListener) -> Result<(), AnyError> {
    let (socket, _) = listener.accept()?;
    let websocket = accept(socket).map_err(|error| error.to_string())?;
    let shared = Arc::new(Mutex::new(websocket));
    let reader = Arc::clone(&shared);
    let (reading, begun) = crossbeam_channel::bounded(1);
    thread::spawn(move || -> Result<(), Error> {
        let mut websocket = lock(&reader);
        reading.send(()).expect("the other thread waits for this");
        let _message: Message = websocket.read()?; // blocks, and holds the lock
        Ok(())
    });
    begun.recv()?;
    lock(&shared).send("news".into())?; // waits for the lock
    Ok(())
}
// ANCHOR_END: serve

fn lock(shared: &Mutex<WebSocket<TcpStream>>) -> std::sync::MutexGuard<'_, WebSocket<TcpStream>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
