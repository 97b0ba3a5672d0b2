//! Chapter 04's exercises solved: a Ping is answered, and a message may come in fragments.
//!
//! Run: `cargo run --example solution_04_frames`
//! See: a Pong with the Ping's payload; one echo for three frames with a Ping between them.
//! Still wrong: no Close, and a text may be anything but UTF-8.

use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use tungstenite::handshake::derive_accept_key;

/// An echo server that answers Pings and joins fragments, by hand.
#[derive(argh::FromArgs)]
struct Flags {
    /// where to listen, ADDR:PORT (default 127.0.0.1:8080)
    #[argh(option, default = "\"127.0.0.1:8080\".to_owned()")]
    listen: String,
    /// end after the demonstration
    #[argh(switch)]
    once: bool,
}

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;
/// The masking key of the RFC's examples. A real client draws a new one for every frame.
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
/// Nobody waits longer than this for the next byte.
const PATIENCE: Duration = Duration::from_secs(60);
/// What is not complete after so many bytes never will be.
const MOST: usize = 16 << 20;
/// A frame as its receiver sees it: the payload is no longer masked.
struct Frame {
    /// FIN, RSV1, RSV2, RSV3: the first four bits.
    flags: u8,
    opcode: u8,
    masked: bool,
    payload: Vec<u8>,
}

/// The first frame in `bytes` and how many bytes it takes; `None` while some are missing.
fn decode(bytes: &[u8]) -> Option<(Frame, usize)> {
    let &[first, second, ref rest @ ..] = bytes else { return None };
    let (length, mut start) = match second & 0b0111_1111 {
        126 => (u64::from(u16::from_be_bytes(*rest.first_chunk()?)), 4),
        127 => (u64::from_be_bytes(*rest.first_chunk()?), 10),
        length => (u64::from(length), 2),
    };
    let masked = second & 0b1000_0000 != 0;
    let mut key = [0; 4];
    if masked {
        key = *bytes.get(start..)?.first_chunk()?;
        start += 4;
    }
    let end = start.checked_add(usize::try_from(length).ok()?)?;
    let mut payload = bytes.get(start..end)?.to_vec();
    mask(&mut payload, key);
    Some((Frame { flags: first >> 4, opcode: first & 0b1111, masked, payload }, end))
}
/// Masks, and unmasks: a second XOR undoes the first. A key of zeros changes nothing.
fn mask(payload: &mut [u8], key: [u8; 4]) {
    for (i, byte) in payload.iter_mut().enumerate() {
        *byte ^= key[i % 4];
    }
}
/// A frame that is a whole message: FIN 1. A client gives a key, a server does not.
fn encode(opcode: u8, key: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let mask_bit = if key.is_some() { 0b1000_0000 } else { 0 };
    let mut bytes = vec![0b1000_0000 | opcode];
    match payload.len() {
        length @ 0..=125 => bytes.push(mask_bit | length as u8),
        length @ 126..=0xffff => {
            bytes.push(mask_bit | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(mask_bit | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(key.iter().flatten());
    let start = bytes.len();
    bytes.extend(payload);
    mask(&mut bytes[start..], key.unwrap_or_default());
    bytes
}
/// A socket, and the bytes that have been read from it but not used yet.
struct Connection {
    socket: TcpStream,
    inbox: Vec<u8>,
}

impl Connection {
    /// Reads until `find` sees what it looks for at the start of the inbox; takes that out.
    fn next<T>(&mut self, find: impl Fn(&[u8]) -> Option<(T, usize)>) -> io::Result<T> {
        loop {
            if let Some((found, length)) = find(&self.inbox) {
                self.inbox.drain(..length);
                return Ok(found);
            }
            let mut chunk = [0; 4096];
            let count = self.socket.read(&mut chunk)?;
            if count == 0 || self.inbox.len() > MOST {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            self.inbox.extend(&chunk[..count]);
        }
    }

    fn new(socket: TcpStream) -> io::Result<Connection> {
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Connection { socket, inbox: Vec::new() })
    }
}
/// Echoes messages, whole or in fragments, and answers Pings; at anything else it hangs up.
fn serve(socket: TcpStream) -> io::Result<()> {
    let mut connection = Connection::new(socket)?;
    shake_hands(&mut connection)?;
    // ANCHOR: fragments
    // The message whose last frame has not come yet: its opcode, and its payload so far.
    let mut open: Option<(u8, Vec<u8>)> = None;
    loop {
        let frame = connection.next(decode)?;
        let fin = frame.flags == 0b1000;
        if !frame.masked || frame.flags & 0b0111 != 0 {
            return Ok(());
        }
        match (frame.opcode, &mut open) {
            // ANCHOR: ping
            (PING, _) if fin && frame.payload.len() <= 125 => {
                connection.socket.write_all(&encode(PONG, None, &frame.payload))?;
                continue;
            }
            // ANCHOR_END: ping
            (TEXT | BINARY, None) => open = Some((frame.opcode, frame.payload)),
            (CONTINUATION, Some((_, so_far))) if so_far.len() + frame.payload.len() <= MOST => {
                so_far.extend(frame.payload);
            }
            _ => return Ok(()),
        }
        if fin && let Some((opcode, payload)) = open.take() {
            connection.socket.write_all(&encode(opcode, None, &payload))?;
        }
    }
    // ANCHOR_END: fragments
}

/// The head of a request or an answer: all up to the empty line.
fn head(bytes: &[u8]) -> Option<(String, usize)> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    Some((String::from_utf8_lossy(&bytes[..end]).into_owned(), end))
}

/// Chapter 03 in short: 101 for a good request, one refusal for all others.
fn shake_hands(connection: &mut Connection) -> io::Result<()> {
    let head = connection.next(head)?;
    let header = |name: &str| {
        let mut headers = head.lines().filter_map(|line| line.split_once(": "));
        headers.find(|(key, _)| key.eq_ignore_ascii_case(name)).map_or("", |found| found.1)
    };
    let key = header("Sec-WebSocket-Key");
    let good = head.starts_with("GET ")
        && head.lines().next().is_some_and(|line| line.ends_with(" HTTP/1.1"))
        && header("Connection").to_ascii_lowercase().contains("upgrade")
        && header("Upgrade").eq_ignore_ascii_case("websocket")
        && header("Sec-WebSocket-Version") == "13"
        && key.len() == 24;
    let answer = if good {
        let accept = derive_accept_key(key.as_bytes());
        format!("101 Switching Protocols\r\nSec-WebSocket-Accept: {accept}\r\nConnection: Upgrade")
    } else {
        "426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\nConnection: close".to_owned()
    };
    write!(connection.socket, "HTTP/1.1 {answer}\r\nUpgrade: websocket\r\n\r\n")?;
    if good { Ok(()) } else { Err(ErrorKind::InvalidData.into()) }
}

fn main() -> Result<(), Box<dyn Error>> {
    let flags: Flags = argh::from_env();
    let listener = TcpListener::bind(&flags.listen)
        .map_err(|error| format!("cannot listen at {}: {error}", flags.listen))?;
    let address = listener.local_addr()?;
    println!("listening at {address}");
    let server = thread::spawn(move || {
        for socket in listener.incoming() {
            let client = thread::Builder::new().name("client".to_owned());
            // A client that leaves, however it does, ends its own thread only.
            let started = socket.and_then(|socket| client.spawn(|| serve(socket).ok()));
            if started.is_err() {
                // Too many sockets or threads. Some will end; until then, do not spin.
                thread::sleep(Duration::from_millis(100));
            }
        }
    });
    demonstrate(address)?;
    if !flags.once {
        println!("\nServing frames at ws://{address}/ until Ctrl-C.");
        server.join().map_err(|_| "the server's thread panicked")?;
    }
    Ok(())
}

fn demonstrate(address: SocketAddr) -> io::Result<()> {
    let mut client = connect(address)?;
    let part = |opcode, text: &[u8]| {
        let mut bytes = encode(opcode, Some(KEY), text);
        bytes[0] &= 0b0111_1111;
        bytes
    };
    let frames = [
        ("Ping \"Hello\"", encode(PING, Some(KEY), b"Hello")),
        ("text \"Hel\", FIN 0", part(TEXT, b"Hel")),
        ("Ping \"?\"", encode(PING, Some(KEY), b"?")),
        ("continuation \"l\", FIN 0", part(CONTINUATION, b"l")),
        ("continuation \"o\", FIN 1", encode(CONTINUATION, Some(KEY), b"o")),
    ];
    for (what, bytes) in frames {
        println!("sent {what}");
        client.socket.write_all(&bytes)?;
        // A Ping and the last fragment are answered, the other fragments are not.
        if bytes[0] & 0b1000_0000 != 0 {
            let answer = client.next(decode)?;
            let text = String::from_utf8_lossy(&answer.payload);
            println!("  got opcode {:x}, {text:?}", answer.opcode);
        }
    }
    Ok(())
}

fn connect(address: SocketAddr) -> io::Result<Connection> {
    let mut client = Connection::new(TcpStream::connect(address)?)?;
    write!(
        client.socket,
        "GET / HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )?;
    client.next(head)?;
    Ok(client)
}
