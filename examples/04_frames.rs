//! 04. Frames: what follows the handshake, read and written by hand.
//!
//! Learn: FIN, opcode, MASK, lengths in 7, 16 or 64 bits; one read is not one frame.
//! Run:   `cargo run --example 04_frames`
//! See:   "Hello" as bits, headers that grow, echoes, two streams that cross.
//! Still wrong: no Ping, no fragments, no Close. In chapter 05 a library does those.

use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use tungstenite::handshake::derive_accept_key;

/// Frames by hand, and an echo server that speaks them.
#[derive(argh::FromArgs)]
struct Flags {
    /// where to listen, ADDR:PORT (default 127.0.0.1:8080)
    #[argh(option, default = "\"127.0.0.1:8080\".to_owned()")]
    listen: String,
    /// end after the demonstration
    #[argh(switch)]
    once: bool,
}

const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
/// The masking key of the RFC's examples. A real client draws a new one for every frame.
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
/// Nobody waits longer than this for the next byte.
const PATIENCE: Duration = Duration::from_secs(60);
/// What is not complete after so many bytes never will be.
const MOST: usize = 16 << 20;

// ANCHOR: decode
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
// ANCHOR_END: decode

// ANCHOR: mask
/// Masks, and unmasks: a second XOR undoes the first. A key of zeros changes nothing.
fn mask(payload: &mut [u8], key: [u8; 4]) {
    for (i, byte) in payload.iter_mut().enumerate() {
        *byte ^= key[i % 4];
    }
}
// ANCHOR_END: mask

// ANCHOR: encode
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
// ANCHOR_END: encode

// ANCHOR: connection
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
    // ANCHOR_END: connection

    /// The payload of the next frame, as text.
    fn text(&mut self) -> io::Result<String> {
        Ok(String::from_utf8_lossy(&self.next(decode)?.payload).into_owned())
    }

    fn new(socket: TcpStream) -> io::Result<Connection> {
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Connection { socket, inbox: Vec::new() })
    }
}

// ANCHOR: serve
/// Echoes text and binary frames that are whole messages; at anything else it hangs up.
fn serve(socket: TcpStream) -> io::Result<()> {
    let mut connection = Connection::new(socket)?;
    shake_hands(&mut connection)?;
    loop {
        let frame = connection.next(decode)?;
        let is_data = matches!(frame.opcode, TEXT | BINARY);
        if !is_data || frame.flags != 0b1000 || !frame.masked {
            return Ok(());
        }
        connection.socket.write_all(&encode(frame.opcode, None, &frame.payload))?;
    }
}
// ANCHOR_END: serve

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
        format!("101 Switching Protocols\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}")
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
    let hello = encode(TEXT, Some(KEY), b"Hello");
    println!("\n1. \"Hello\" from a client is a frame of {} bytes", hello.len());
    let (first, second) = (hello[0], hello[1]);
    println!("   {first:02x}  {first:08b}    FIN 1, RSV 000, opcode 0001: text");
    println!("   {second:02x}  {second:08b}    MASK 1, length 000 0101: 5 bytes");
    println!("   {:14}  masking key", hex(&hello[2..6]));
    println!("   {:14}  payload as it crosses the wire", hex(&hello[6..]));
    println!("   {:14}  payload XOR key: \"Hello\"", hex(b"Hello"));

    println!("\n2. The length takes 7, 16 or 64 bits");
    for length in [5, 125, 126, 65_535, 65_536] {
        let frame = encode(BINARY, None, &vec![0; length]);
        println!("   {length:5} bytes: {}", hex(&frame[..frame.len() - length]));
    }

    println!("\n3. The server sends it back, unmasked");
    let mut client = connect(address)?;
    println!("   sent {}", hex(&hello));
    client.socket.write_all(&hello)?;
    let echo = client.next(|bytes| decode(bytes).map(|(_, end)| (bytes[..end].to_vec(), end)))?;
    println!("   got  {}", hex(&echo));

    // ANCHOR: pieces
    println!("\n4. One write is not one frame");
    let [one, two, three] =
        ["one", "two", "three"].map(|text| encode(TEXT, Some(KEY), text.as_bytes()));
    let (start, rest) = three.split_at(4);
    client.socket.write_all(&[&one, &two, start].concat())?;
    println!("   sent two frames and 4 bytes: got {}, {}", client.text()?, client.text()?);
    client.socket.write_all(rest)?;
    println!("   sent the other {} bytes:     got {}", rest.len(), client.text()?);
    // ANCHOR_END: pieces

    // ANCHOR: both_ways
    println!("\n5. Both sides send two messages, and only then read");
    let listener = TcpListener::bind((address.ip(), 0))?;
    let client = Connection::new(TcpStream::connect(listener.local_addr()?)?)?;
    let server = Connection::new(listener.accept()?.0)?;
    let server = thread::spawn(|| send_then_read(server, None, ["1", "2"]));
    println!("   client: {}", send_then_read(client, Some(KEY), ["A", "B"])?);
    println!("   server: {}", server.join().map_err(|_| ErrorKind::Other)??);
    // ANCHOR_END: both_ways
    Ok(())
}

// ANCHOR: send_then_read
fn send_then_read(
    mut end: Connection,
    key: Option<[u8; 4]>,
    texts: [&str; 2],
) -> io::Result<String> {
    for text in texts {
        end.socket.write_all(&encode(TEXT, key, text.as_bytes()))?;
    }
    let [first, second] = texts;
    Ok(format!("sent {first}, sent {second}, got {}, got {}", end.text()?, end.text()?))
}
// ANCHOR_END: send_then_read

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

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}
