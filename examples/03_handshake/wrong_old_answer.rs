//! Wrong, for chapter 03: servers that know nothing of WebSocket, but answer.
//!
//! Run: cargo run --example wrong_03_old_answer
//! See: a cache repeats an old answer. The client notices, because it does not fit the key.

use std::error::Error;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use tungstenite::handshake::derive_accept_key;

/// Asks a server for a WebSocket that it does not have.
#[derive(argh::FromArgs)]
struct Flags {
    /// where the cache listens (default: any free port of 127.0.0.1)
    #[argh(option, default = "\"127.0.0.1:0\".to_owned()")]
    listen: String,
    /// ask the server at this ADDR:PORT, and do not start a cache
    #[argh(option)]
    to: Option<SocketAddr>,
}

// ANCHOR: cache
/// The answer that the cache has kept: a right one, but to another client's key.
const OLD_ANSWER: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

fn cache(mut socket: TcpStream) -> io::Result<()> {
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    read_head(&socket)?;
    socket.write_all(OLD_ANSWER.as_bytes())
}
// ANCHOR_END: cache

/// Asks for a WebSocket with this key, and believes only an answer that was made from this key.
fn believe(server: SocketAddr, key: &str) -> Result<(), Box<dyn Error>> {
    let mut socket = TcpStream::connect(server)?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    let request = format!(
        "GET / HTTP/1.1\r\nHost: {server}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    );
    socket.write_all(request.as_bytes())?;
    let answer = read_head(&socket)?;
    println!("we ask with the key   {key}");
    println!("the answer begins     {}", answer[0]);
    let accept = answer.iter().find_map(|line| line.strip_prefix("Sec-WebSocket-Accept: "));
    let right = derive_accept_key(key.as_bytes());
    println!("it should accept with {right}");
    match accept {
        Some(found) if found == right => Ok(()),
        Some(found) => Err(format!("it accepts with {found}: the answer to another key").into()),
        None => Err("it has no Sec-WebSocket-Accept: this is not a WebSocket server".into()),
    }
}

/// Reads the lines up to the empty one. Returns at least one line.
fn read_head(socket: &TcpStream) -> io::Result<Vec<String>> {
    let lines = BufReader::new(socket.take(8192)).lines();
    let lines: io::Result<Vec<String>> =
        lines.take_while(|line| !line.as_ref().is_ok_and(|line| line.is_empty())).collect();
    lines.and_then(|lines| match lines.is_empty() {
        true => Err(io::ErrorKind::UnexpectedEof.into()),
        false => Ok(lines),
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let Flags { listen, to } = argh::from_env();
    let server = match to {
        Some(server) => server,
        None => {
            let listener =
                TcpListener::bind(&listen).map_err(|error| format!("{listen}: {error}"))?;
            let server = listener.local_addr()?;
            thread::spawn(move || cache(listener.accept()?.0));
            server
        }
    };
    believe(server, "AQIDBAUGBwgJCgsMDQ4PEA==")
}
