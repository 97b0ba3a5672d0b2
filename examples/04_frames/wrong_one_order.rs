//! Wrong, for chapter 04: the belief that both ends see all messages in the same order.
//!
//! Run: `cargo run --example wrong_04_one_order`
//! See: two ends of one connection see two orders. Chapter 04 says why.

use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use chalkwire::protocol::{Frame, Opcode};

/// Lets both ends of a connection talk at the same time.
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

/// The masking key of the RFC's examples.
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

// ANCHOR: send_then_read
/// Sends two messages, and only then reads two. Returns all four in the order that this end saw.
fn send_then_read(
    mut socket: TcpStream,
    key: Option<[u8; 4]>,
    texts: [&str; 2],
) -> io::Result<Vec<String>> {
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    for text in texts {
        socket.write_all(&Frame::new(Opcode::Text, key, text.as_bytes()).encode())?;
    }
    let mut seen: Vec<String> = texts.map(str::to_owned).into();
    let mut inbox = Vec::new();
    while seen.len() < 4 {
        let mut chunk = [0; 100];
        let count = socket.read(&mut chunk)?;
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        inbox.extend(&chunk[..count]);
        while let Some((frame, length)) = Frame::decode(&inbox) {
            inbox.drain(..length);
            seen.push(String::from_utf8_lossy(&frame.payload).into_owned());
        }
    }
    Ok(seen)
}
// ANCHOR_END: send_then_read

fn main() -> ExitCode {
    let Err(error) = run() else { return ExitCode::SUCCESS };
    eprintln!("{error}");
    ExitCode::FAILURE
}

fn run() -> Result<(), Box<dyn Error>> {
    let flags: Flags = argh::from_env();
    let listener = TcpListener::bind(&flags.listen)
        .map_err(|error| format!("cannot listen at {}: {error}", flags.listen))?;
    println!("listening at {}", listener.local_addr()?);
    let client = TcpStream::connect(listener.local_addr()?)?;
    let (server, _) = listener.accept()?;
    // ANCHOR: both_ends
    let server = thread::spawn(|| send_then_read(server, None, ["1", "2"]));
    let at_client = send_then_read(client, Some(KEY), ["A", "B"])?;
    let at_server = server.join().map_err(|_| "the server's thread panicked")??;
    println!("seen at the client: {}", at_client.join(" "));
    println!("seen at the server: {}", at_server.join(" "));
    if at_client == at_server { Ok(()) } else { Err("the two ends saw different orders".into()) }
    // ANCHOR_END: both_ends
}
