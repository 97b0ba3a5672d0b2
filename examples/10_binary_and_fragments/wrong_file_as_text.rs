//! Wrong, for chapter 10: a file sent as a text message.
//!
//! Run: `cargo run --example wrong_10_file_as_text`. It fails, as it should.
//! See: the bytes that come back are not the bytes of the file.

use std::error::Error;
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use argh::FromArgs;
use tungstenite::Message;

/// Sends a file as a text message.
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

const DEADLINE: Duration = Duration::from_secs(5);
/// The first eight bytes of every PNG picture.
const PICTURE: [u8; 8] = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

fn main() -> Result<(), Box<dyn Error>> {
    let flags: Flags = argh::from_env();
    let listener = TcpListener::bind(&flags.listen)
        .map_err(|error| format!("cannot listen at {}: {error}", flags.listen))?;
    let address = listener.local_addr()?;
    println!("listening at {address}");
    let server = thread::spawn(move || echo_once(&listener).ok());

    let socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(DEADLINE))?;
    let (mut websocket, _) = tungstenite::client(format!("ws://{address}/"), socket)?;
    // ANCHOR: lossy
    let text = String::from_utf8_lossy(&PICTURE);
    websocket.send(Message::text(text.as_ref()))?;
    // ANCHOR_END: lossy
    let back = websocket.read()?.into_data();
    println!("the file  {}", chalkwire::text::hex(&PICTURE));
    println!("came back {}", chalkwire::text::hex(&back));
    websocket.close(None)?;
    while websocket.read().is_ok() {}
    server.join().ok();
    if back != PICTURE[..] {
        return Err(format!("{} bytes became {}", PICTURE.len(), back.len()).into());
    }
    Ok(())
}

/// Serves one client until it closes.
fn echo_once(listener: &TcpListener) -> Result<(), Box<dyn Error>> {
    let (socket, _) = listener.accept()?;
    socket.set_read_timeout(Some(DEADLINE))?;
    let mut websocket = tungstenite::accept(socket)?;
    loop {
        let message = websocket.read()?;
        if message.is_text() || message.is_binary() {
            websocket.send(message)?;
        }
    }
}
