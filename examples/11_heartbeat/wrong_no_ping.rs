//! 11, wrong: a server that talks about a heartbeat, and sends none.
//!
//! Run: cargo run --example wrong_11_no_ping
//! See: a client has vanished, and the server keeps it. It fails, with exit code 1.

use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use argh::FromArgs;
use crossbeam_channel::{Sender, bounded};
use tungstenite::Message;

/// A server that sends no Ping.
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

const DEADLINE: Duration = Duration::from_secs(5);
/// So long we wait for the server to notice.
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
    // The client's machine stops here: its socket is open, and nobody answers any more.
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

/// Serves one client, and tells when it has noticed its end.
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
