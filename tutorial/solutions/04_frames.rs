//! The exercises of chapter 04, solved: answers to Pings, and messages in fragments.
//!
//! Run: `cargo run --example solution_04_frames`
//! See: a Pong with the Ping's payload; one echo of three frames that had a Ping between them.
//! Still wrong: there is no Close, and nothing checks that a text is UTF-8.

#[path = "../../examples/common/handshake.rs"]
mod handshake;
use handshake::{HEADERS, ask, shake_hands};
use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::{error::Error, thread, time::Duration};

/// Runs an echo server that answers Pings and joins fragments, by hand.
#[derive(argh::FromArgs)]
struct Flags {
    /// where to listen, ADDR:PORT (default 127.0.0.1:8080)
    #[argh(option, default = "\"127.0.0.1:8080\".to_owned()")]
    listen: String,
    /// end after the demonstration
    #[argh(switch)]
    once: bool,
}

const FIN: u8 = 0b1000_0000;
const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d]; // the RFC's; a real client takes a new one
const PATIENCE: Duration = Duration::from_secs(60); // for the next byte
const MOST: u64 = 16 << 20; // bytes of payload that we accept

/// A frame that has been read. Its payload is no longer masked.
struct Frame {
    first_byte: u8,
    masked: bool,
    payload: Vec<u8>,
}

/// Reads one frame, in however many pieces it comes, and not one byte more.
fn decode(stream: &mut impl Read) -> io::Result<Frame> {
    let [first_byte, second_byte] = take(stream)?;
    let masked = second_byte & 0b1000_0000 != 0;
    let length = match second_byte & 0b0111_1111 {
        126 => u64::from(u16::from_be_bytes(take(stream)?)),
        127 => u64::from_be_bytes(take(stream)?),
        length => u64::from(length),
    };
    let key = if masked { take(stream)? } else { [0; 4] };
    let mut payload = Vec::new();
    if stream.take(length.min(MOST)).read_to_end(&mut payload)? as u64 != length {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(Frame { first_byte, masked, payload: mask(&payload, key) })
}

/// Reads the next `COUNT` bytes.
fn take<const COUNT: usize>(stream: &mut impl Read) -> io::Result<[u8; COUNT]> {
    let mut bytes = [0; COUNT];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Masks a payload, or unmasks it: a second XOR undoes the first. A key of zeros changes nothing.
fn mask(payload: &[u8], key: [u8; 4]) -> Vec<u8> {
    payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect()
}

/// Makes a frame, with its length in the shortest form. A client gives a key, a server does not.
fn encode(first_byte: u8, key: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let length = payload.len() as u64;
    // The seven bits hold the length itself, or they say how many bytes of length follow.
    let (seven_bits, bytes_of_length) = match length {
        0..=125 => (length as u8, 0),
        126..=0xffff => (126, 2),
        _ => (127, 8),
    };
    let mask_bit = if key.is_some() { 0b1000_0000 } else { 0 };
    let mut bytes = vec![first_byte, mask_bit | seven_bits];
    bytes.extend(&length.to_be_bytes()[8 - bytes_of_length..]);
    bytes.extend(key.iter().flatten());
    bytes.extend(mask(payload, key.unwrap_or_default()));
    bytes
}

/// Echoes messages, whole or in fragments, and answers Pings. Any other frame ends the connection.
fn serve(mut socket: &TcpStream) -> io::Result<()> {
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(socket);
    if !shake_hands(&mut reader, socket)? {
        return Ok(());
    }
    // ANCHOR: fragments
    // The message whose last frame has not come yet: its opcode, and its payload so far.
    let mut open: Option<(u8, Vec<u8>)> = None;
    loop {
        let Frame { first_byte, masked, payload } = decode(&mut reader)?;
        let (fin, opcode) = (first_byte & FIN != 0, first_byte & !FIN);
        match (opcode, &mut open) {
            _ if !masked => return Ok(()),
            // ANCHOR: ping
            (PING, _) if fin && payload.len() <= 125 => {
                socket.write_all(&encode(FIN | PONG, None, &payload))?;
                continue;
            }
            (PONG, _) if fin && payload.len() <= 125 => continue, // needs no answer
            // ANCHOR_END: ping
            (TEXT | BINARY, None) => open = Some((opcode, payload)),
            (CONTINUATION, Some((_, so_far))) if so_far.len() < MOST as usize => {
                so_far.extend(payload);
            }
            _ => return Ok(()),
        }
        if fin && let Some((opcode, payload)) = open.take() {
            socket.write_all(&encode(FIN | opcode, None, &payload))?;
        }
    }
    // ANCHOR_END: fragments
}

fn main() -> Result<(), Box<dyn Error>> {
    let Flags { listen, once } = argh::from_env();
    let listener = TcpListener::bind(&listen).map_err(|error| format!("{listen}: {error}"))?;
    let address = listener.local_addr()?;
    println!("listening at {address}");
    let server = thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            thread::Builder::new().spawn(move || serve(&socket).ok()).ok();
        }
    });
    demonstrate(&TcpStream::connect(address)?)?;
    if !once {
        println!("\nServing frames at ws://{address}/ until Ctrl-C.");
        server.join().map_err(|_| "the server's thread panicked")?;
    }
    Ok(())
}

fn demonstrate(mut socket: &TcpStream) -> Result<(), Box<dyn Error>> {
    socket.set_read_timeout(Some(PATIENCE))?;
    ask(socket, "GET", HEADERS)?;
    for (what, first_byte, payload) in [
        ("Ping \"Hello\"", FIN | PING, "Hello"),
        ("text \"Hel\", FIN 0", TEXT, "Hel"),
        ("Ping \"?\"", FIN | PING, "?"),
        ("continuation \"l\", FIN 0", CONTINUATION, "l"),
        ("continuation \"o\", FIN 1", FIN | CONTINUATION, "o"),
    ] {
        println!("sent {what}");
        socket.write_all(&encode(first_byte, Some(KEY), payload.as_bytes()))?;
        // The server answers a Ping and the last fragment, but not the other fragments.
        if first_byte & FIN != 0 {
            let answer = decode(&mut socket)?;
            let text = String::from_utf8(answer.payload)?;
            println!("  got opcode {:x}, {text:?}", answer.first_byte & !FIN);
        }
    }
    Ok(())
}
