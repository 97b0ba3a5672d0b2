//! Chapter 04: frames, which are what follows the handshake, read and written by hand.
//! Learn: FIN, opcode, MASK, lengths in 7, 16 or 64 bits; that one read is not one frame.
//! Run:   `cargo run --example 04_frames`
//! See:   "Hello" as bits, headers of different lengths, an echo, frames that arrive in pieces.
//! Still wrong: Ping, fragments and Close are missing. In chapter 05 a library does them.
#[path = "../common/handshake.rs"]
mod handshake;
use handshake::{HEADERS, ask, shake_hands};
use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::{error::Error, thread, time::Duration};

/// Shows frames, and runs an echo server that reads and writes them by hand.
#[derive(argh::FromArgs)]
struct Flags {
    /// where to listen, ADDR:PORT (default 127.0.0.1:8080)
    #[argh(option, default = "\"127.0.0.1:8080\".to_owned()")]
    listen: String,
    /// end after the demonstration
    #[argh(switch)]
    once: bool,
}

const TEXT: u8 = 0b1000_0001; // FIN 1, RSV 000, opcode 1
const BINARY: u8 = 0b1000_0010; // FIN 1, RSV 000, opcode 2
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d]; // the RFC's; a real client takes a new one
const PATIENCE: Duration = Duration::from_secs(60); // for the next byte
const MOST: u64 = 16 << 20; // bytes of payload that we accept

// ANCHOR: decode
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
// ANCHOR_END: decode

// ANCHOR: encode
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
// ANCHOR_END: encode

// ANCHOR: serve
/// Echoes text and binary frames that are whole messages. Ends the connection at any other frame.
fn serve(mut socket: &TcpStream) -> io::Result<()> {
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(socket);
    if !shake_hands(&mut reader, socket)? {
        return Ok(());
    }
    loop {
        let frame = decode(&mut reader)?;
        if !frame.masked || ![TEXT, BINARY].contains(&frame.first_byte) {
            return Ok(());
        }
        socket.write_all(&encode(frame.first_byte, None, &frame.payload))?;
    }
}
// ANCHOR_END: serve

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
    let hello = encode(TEXT, Some(KEY), b"Hello");
    println!("\n1. \"Hello\" from a client is a frame of {} bytes", hello.len());
    println!("   {0:02x}  {0:08b}    FIN 1, RSV 000, opcode 0001: text", hello[0]);
    println!("   {0:02x}  {0:08b}    MASK 1, length 000 0101: 5", hello[1]);
    println!("   {}     masking key", hex(&hello[2..6]));
    println!("   {}  payload as it crosses the wire", hex(&hello[6..]));
    println!("   {}  payload XOR key", hex(&decode(&mut &*hello)?.payload));
    println!("\n2. The length takes 7, 16 or 64 bits");
    for length in [5, 125, 126, 65_535, 65_536] {
        let frame = encode(BINARY, None, &vec![0; length]);
        println!("   {length:5} bytes: {}", hex(&frame[..frame.len() - length]));
    }
    println!("\n3. One write is not one frame");
    ask(socket, "GET", HEADERS)?;
    let text = |mut s: &TcpStream| decode(&mut s).map(|frame| String::from_utf8(frame.payload));
    let [one, two] = ["one", "two"].map(|text| encode(TEXT, Some(KEY), text.as_bytes()));
    socket.write_all(&[&hello, &one, &two[..4]].concat())?;
    println!("   sent two and 4 bytes: got {}, {}", text(socket)??, text(socket)??);
    socket.write_all(&two[4..])?;
    println!("   sent 5 bytes more:    got {}", text(socket)??);
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}
