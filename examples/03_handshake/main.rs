//! Chapter 03: the opening handshake by hand: one HTTP request, and an answer that leaves HTTP.
//!
//! Learn: what the request must have, how its key is answered, what is refused and why.
//! Run:   cargo run --example 03_handshake
//! See:   a handshake step by step, three handshakes that are refused, and one with a made-up key.
//! Still wrong: this server cannot read the bytes that come after the handshake (chapter 04).

#[path = "../common/handshake.rs"]
#[expect(dead_code, reason = "this program makes the handshake step by step, to show it")]
mod handshake;

use data_encoding::HEXLOWER;
use handshake::{GUID, HEADERS, SWITCHING, accept_key, answer_to, ask, examine, read_head};
use sha1::{Digest, Sha1};
use std::error::Error;
use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// Makes the opening handshake by hand.
#[derive(argh::FromArgs)]
struct Flags {
    /// where to listen (default 127.0.0.1:8080)
    #[argh(option, default = "\"127.0.0.1:8080\".to_owned()")]
    listen: String,
    /// end after the demonstration
    #[argh(switch)]
    once: bool,
}

// ANCHOR: serve
/// Makes one handshake, and shows the bytes that come after it.
fn serve(mut socket: &TcpStream) -> io::Result<()> {
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut input = BufReader::new(socket);
    let head = read_head(&mut input)?;
    if let Ok(key) = examine(&head) {
        show('>', &head);
        println!("  = key + GUID  {key}{GUID}");
        println!("  = SHA-1       {}", HEXLOWER.encode(&Sha1::digest(format!("{key}{GUID}"))));
        println!("  = base64      {}", accept_key(key));
    }
    let answer = answer_to(&head);
    show('<', &answer);
    socket.write_all(answer.as_bytes())?;
    if answer.starts_with(SWITCHING) {
        let mut bytes = [0; 16];
        let count = input.read(&mut bytes)?;
        println!("  and then come {}", HEXLOWER.encode(&bytes[..count]));
    }
    Ok(())
}
// ANCHOR_END: serve

/// Prints a head. Escapes control characters, because they could move our terminal's cursor.
fn show(sign: char, head: &str) {
    head.lines().for_each(|line| println!("{sign} {}", line.escape_debug()));
}

/// The client. After a 101 it sends the text "Hello", and then waits for the end of the connection.
fn visit(server: SocketAddr, method: &str, headers: &str) -> io::Result<()> {
    let mut socket = TcpStream::connect(server)?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    if ask(&socket, method, headers)?.starts_with(SWITCHING) {
        socket.write_all(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58")?;
    }
    socket.read_to_end(&mut Vec::new()).map(drop)
}

fn main() -> Result<(), Box<dyn Error>> {
    let Flags { listen, once } = argh::from_env();
    let listener = TcpListener::bind(&listen).map_err(|error| format!("{listen}: {error}"))?;
    let server = listener.local_addr()?;
    println!("listening at {server}");
    let acceptor = thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let _ = thread::Builder::new().spawn(move || serve(&socket));
        }
    });
    for (what, method, from, to) in [
        ("the RFC's request", "GET", "", ""),
        ("version 8", "GET", "13", "8"),
        ("no key", "GET", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""),
        ("a POST", "POST", "", ""),
        ("a key that somebody made up", "GET", "dGhlIHNhbXBsZSBub25jZQ", "MadeUpMadeUpMadeUpMade"),
    ] {
        println!("{what}:");
        visit(server, method, &HEADERS.replacen(from, to, 1))?;
    }
    if !once {
        println!("The server stays up until Ctrl-C.");
        let _ = acceptor.join();
    }
    Ok(())
}
