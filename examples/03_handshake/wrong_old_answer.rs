//! Wrong: servers that never heard of WebSocket, and answer all the same.
//!
//! Run: cargo run --example wrong_03_old_answer
//! See: a cache repeats an answer that it once saw. The client notices, because of the key.

use std::error::Error;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use tungstenite::handshake::derive_accept_key;

/// Asks for a WebSocket where there is none.
#[derive(argh::FromArgs)]
struct Flags {
    /// where the cache listens (default: any free port of 127.0.0.1)
    #[argh(option, default = "\"127.0.0.1:0\".to_owned()")]
    listen: String,
    /// ask this server, and start no cache
    #[argh(option)]
    to: Option<SocketAddr>,
}

// ANCHOR: cache
/// What the cache has seen: a right answer, to somebody else's key.
const OLD_ANSWER: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

fn cache(mut socket: TcpStream) -> io::Result<()> {
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    read_head(&socket)?;
    socket.write_all(OLD_ANSWER.as_bytes())
}
// ANCHOR_END: cache

/// Asks for a WebSocket with this key, and believes only an answer that is made from it.
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
        None => Err("it has no Sec-WebSocket-Accept: this is no WebSocket server".into()),
    }
}

/// The lines up to the empty one; at least one.
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
