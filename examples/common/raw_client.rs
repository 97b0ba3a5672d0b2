//! A client without a WebSocket library, so that it can send wrong bytes too.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use chalkwire::protocol::{Frame, Opcode};

/// The masking key of the RFC's examples. A real client takes a new random key for every frame.
pub const KEY: Option<[u8; 4]> = Some([0x37, 0xfa, 0x21, 0x3d]);

// ANCHOR: neighbour
/// A well-behaved client, which goes on talking in its room while others attack the server.
pub struct Neighbour {
    socket: TcpStream,
    /// Messages that this client has sent and heard again.
    pub sent: u32,
    /// The longest time from sending a message to hearing it.
    pub longest: Duration,
}

impl Neighbour {
    pub fn new(socket: TcpStream) -> Neighbour {
        Neighbour { socket, sent: 0, longest: Duration::ZERO }
    }

    /// Says something, and waits until the room's echo of it comes back.
    pub fn say(&mut self, text: &str) -> io::Result<()> {
        let begin = Instant::now();
        self.socket.write_all(&Frame::new(Opcode::Text, KEY, text.as_bytes()).encode())?;
        let heard = next_payload(&mut self.socket)?;
        if heard != text {
            return Err(io::Error::other(format!("heard {heard:?} instead of {text:?}")));
        }
        self.sent += 1;
        self.longest = self.longest.max(begin.elapsed());
        Ok(())
    }

    /// Says a hundred things, one after the other.
    pub fn talk(&mut self) -> io::Result<()> {
        (0..100).try_for_each(|n| self.say(&n.to_string()))
    }
}
// ANCHOR_END: neighbour

/// Opens a connection. A read on it fails when no byte comes for 5 s.
pub fn dial(server: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpStream::connect(server)?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

// ANCHOR: knock
/// Makes the opening handshake as a browser does for a page from `origin`. Returns the answer too.
pub fn knock(server: SocketAddr, path: &str, origin: &str) -> io::Result<(TcpStream, String)> {
    let mut socket = dial(server)?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {server}\r\nOrigin: {origin}\r\n\
         Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    socket.write_all(request.as_bytes())?;
    let answer = answer(&mut socket)?;
    Ok((socket, answer))
}
// ANCHOR_END: knock

/// Reads an answer. Returns the status line of a 101, and the body of a refusal, which is one line.
pub fn answer(socket: &mut TcpStream) -> io::Result<String> {
    let head = read_until(socket, |bytes| bytes.ends_with(b"\r\n\r\n").then(|| bytes.to_vec()))?;
    let mut line = String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned();
    if !line.contains(" 101 ") {
        line.clear();
        socket.read_to_string(&mut line)?;
    }
    Ok(line.trim_end().to_owned())
}

/// Reads the next frame. Returns its text, or the code and the reason of a Close.
pub fn next_payload(socket: &mut TcpStream) -> io::Result<String> {
    let frame = read_until(socket, |bytes| Frame::decode(bytes).map(|(frame, _)| frame))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(match (frame.header.opcode, frame.payload.split_first_chunk()) {
        (Opcode::Close, Some((code, reason))) => {
            format!("Close {}\n         {}", u16::from_be_bytes(*code), text(reason))
        }
        _ => text(&frame.payload),
    })
}

/// Reads until `whole` finds something complete. It takes one byte at a time, because the bytes
/// that follow belong to the next frame.
fn read_until<T>(socket: &mut TcpStream, whole: fn(&[u8]) -> Option<T>) -> io::Result<T> {
    let (mut bytes, mut byte) = (Vec::new(), [0]);
    loop {
        socket.read_exact(&mut byte)?;
        bytes.extend(byte);
        if let Some(whole) = whole(&bytes) {
            return Ok(whole);
        }
    }
}
