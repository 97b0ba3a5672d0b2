//! Wrong, for chapter 11: a server that talks about a heartbeat, but does not send one.
//!
//! Run: `cargo run --example wrong_11_no_ping`. It fails, as it should.
//! See: a client has vanished, but the server keeps it.

use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use argh::FromArgs;
use crossbeam_channel::{Sender, bounded};
use tungstenite::Message;

/// Runs a server that never sends a Ping.
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
/// How long we wait for the server to notice.
const PATIENCE: Duration = Duration::from_secs(1);

fn main() -> Result<(), AnyError> {
    let flags: Flags = argh::from_env();
    let listener = TcpListener::bind(&flags.listen)
        .map_err(|error| format!("cannot listen at {}: {error}", flags.listen))?;
    let address = listener.local_addr()?;
    println!("listening at {address}");
    let (sender, noticed) = bounded(1);
    thread::spawn(move || serve(&listener, &sender).map_err(|error| error.to_string()));

    let socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(DEADLINE))?;
    let (mut websocket, _) = tungstenite::client(format!("ws://{address}/"), socket)?;
    println!("the server says {}", websocket.read()?);
    // Here the client's machine stops: its socket stays open, but no answer comes any more.
    println!("the client vanishes");
    let waiting_since = Instant::now();
    match noticed.recv_timeout(PATIENCE) {
        Ok(why) => println!("the server has noticed: {why}"),
        Err(_) => {
            let millis = waiting_since.elapsed().as_millis();
            return Err(format!("{millis} ms later the server still keeps it").into());
        }
    }
    drop(websocket);
    Ok(())
}

/// Serves one client, and reports when it has noticed that the client is gone.
fn serve(listener: &TcpListener, noticed: &Sender<String>) -> Result<(), AnyError> {
    let (socket, _) = listener.accept()?;
    let mut websocket = tungstenite::accept(socket)?;
    websocket.send(Message::text("a heartbeat keeps the connection alive"))?;
    // ANCHOR: wait
    let mut last_seen = Instant::now();
    loop {
        match websocket.read() {
            Ok(_) => last_seen = Instant::now(),
            Err(error) => {
                let silence = last_seen.elapsed().as_millis();
                return Ok(noticed.send(format!("{error} after {silence} ms"))?);
            }
        }
    }
    // ANCHOR_END: wait
}
