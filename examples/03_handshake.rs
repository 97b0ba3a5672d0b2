//! The opening handshake by hand: one HTTP request, and an answer that leaves HTTP behind.
//!
//! Learn: what the request must have, how its key is answered, what is refused and why.
//! Run:   cargo run --example 03_handshake
//! See:   a handshake step by step, four that are refused, one that is not.
//! Still wrong: after the handshake come bytes that this server cannot read (chapter 04).

use data_encoding::{BASE64, HEXLOWER};
use sha1::{Digest, Sha1};
use std::error::Error;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// What a client sends that wants a WebSocket: first what makes it one, then the key.
const HEADERS: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const SWITCHING: &str = "101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";

/// The opening handshake by hand.
#[derive(argh::FromArgs)]
struct Flags {
    /// where to listen (default 127.0.0.1:8080)
    #[argh(option, default = "\"127.0.0.1:8080\".to_owned()")]
    listen: String,
    /// end after the demonstration
    #[argh(switch)]
    once: bool,
}

// ANCHOR: accept_key
/// The number that only WebSocket uses (RFC 6455 section 1.3).
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What a server answers to a `Sec-WebSocket-Key`.
fn accept_key(key: &str) -> String {
    BASE64.encode(&Sha1::digest(format!("{key}{GUID}")))
}
// ANCHOR_END: accept_key

// ANCHOR: examine
/// All values of a header. A comma parts two values as well as a new line does.
fn values<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    let headers = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    let named = headers.filter(|(found, _)| found.eq_ignore_ascii_case(name));
    named.flat_map(|(_, value)| value.split(',')).map(str::trim).collect()
}

/// The key of a request for a WebSocket; or the status of the refusal, and why.
fn examine(head: &str) -> Result<&str, (&str, &str)> {
    const BAD: &str = "400 Bad Request";
    const UPGRADE: &str = "426 Upgrade Required\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13";
    let has = |name, word| values(head, name).iter().any(|v| v.eq_ignore_ascii_case(word));
    let keys = values(head, "Sec-WebSocket-Key");
    let versions = values(head, "Sec-WebSocket-Version");
    let rules = [
        (head.lines().next().is_some_and(|l| l.ends_with(" HTTP/1.1")), BAD, "not HTTP/1.1"),
        (head.starts_with("GET "), "405 Method Not Allowed\r\nAllow: GET", "a handshake is a GET"),
        (values(head, "Host").len() == 1, BAD, "a request has one Host"),
        (has("Upgrade", "websocket"), UPGRADE, "there is no Upgrade: websocket"),
        (has("Connection", "Upgrade"), BAD, "there is no Connection: Upgrade"),
        (keys.len() == 1, BAD, "a handshake has one Sec-WebSocket-Key"),
        (keys.iter().all(|key| key.len() == 24), BAD, "the key is not 16 bytes in base64"),
        (!versions.is_empty(), BAD, "there is no Sec-WebSocket-Version"),
        (versions == ["13"], UPGRADE, "only version 13 is spoken here"),
    ];
    let broken = rules.into_iter().find(|(is_kept, ..)| !is_kept);
    broken.map_or_else(|| Ok(keys[0]), |(_, status, why)| Err((status, why)))
}
// ANCHOR_END: examine

// ANCHOR: serve
/// One handshake, and a look at what comes after it.
fn serve(mut socket: &TcpStream) -> io::Result<()> {
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut input = BufReader::new(socket);
    let head = read_head(&mut input)?;
    let answer = match examine(&head) {
        Ok(key) => {
            show('>', &head);
            println!("  = key + GUID  {key}{GUID}");
            println!("  = SHA-1       {}", HEXLOWER.encode(&Sha1::digest(format!("{key}{GUID}"))));
            println!("  = base64      {}", accept_key(key));
            format!("{SWITCHING}Sec-WebSocket-Accept: {}\r\n\r\n", accept_key(key))
        }
        Err((status, why)) => format!("{status}\r\nContent-Length: {}\r\n\r\n{why}", why.len()),
    };
    show('<', &format!("HTTP/1.1 {answer}"));
    socket.write_all(format!("HTTP/1.1 {answer}").as_bytes())?;
    if answer.starts_with("101") {
        let mut bytes = [0; 16];
        let count = input.read(&mut bytes)?;
        println!("  and then come {}", HEXLOWER.encode(&bytes[..count]));
    }
    Ok(())
}
// ANCHOR_END: serve

/// Prints a head. Signs that would move the cursor of our terminal are escaped.
fn show(sign: char, head: &str) {
    head.lines().for_each(|line| println!("{sign} {}", line.escape_debug()));
}

/// Reads up to the empty line, and not further.
fn read_head(input: &mut impl BufRead) -> io::Result<String> {
    let (mut head, mut input) = (Vec::new(), input.take(8192));
    while !head.ends_with(b"\r\n\r\n") && input.read_until(b'\n', &mut head)? > 0 {}
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// The client's half. After a 101 it says "Hello", and then it awaits the end.
fn ask(server: SocketAddr, method: &str, headers: &str) -> io::Result<()> {
    let mut socket = TcpStream::connect(server)?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    let request = format!("{method} / HTTP/1.1\r\nHost: {server}\r\n{headers}\r\n");
    socket.write_all(request.as_bytes())?;
    let mut input = BufReader::new(socket.try_clone()?);
    if read_head(&mut input)?.starts_with("HTTP/1.1 101 ") {
        socket.write_all(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58")?;
    }
    input.read_to_end(&mut Vec::new()).map(drop)
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
        ask(server, method, &HEADERS.replacen(from, to, 1))?;
    }
    if !once {
        println!("The server stays up until Ctrl-C.");
        let _ = acceptor.join();
    }
    Ok(())
}
