//! The exercises of chapter 03, solved: a path, and a client that does not believe a liar.
//!
//! Run: cargo run --example solution_03_handshake

use data_encoding::BASE64;
use sha1::{Digest, Sha1};
use std::error::Error;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

const SWITCHING: &str = "101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";

/// Makes both halves of the opening handshake by hand.
#[derive(argh::FromArgs)]
struct Flags {
    /// where to listen (default 127.0.0.1:8080)
    #[argh(option, default = "\"127.0.0.1:8080\".to_owned()")]
    listen: String,
    /// end after the demonstration
    #[argh(switch)]
    once: bool,
}

/// A fixed text that only WebSocket uses (RFC 6455 section 1.3).
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Computes the server's answer to a `Sec-WebSocket-Key`.
fn accept_key(key: &str) -> String {
    BASE64.encode(&Sha1::digest(format!("{key}{GUID}")))
}

/// All values of a header. They come on lines of their own, or on one line with commas between.
fn values<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    let headers = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    let named = headers.filter(|(found, _)| found.eq_ignore_ascii_case(name));
    named.flat_map(|(_, value)| value.split(',')).map(str::trim).collect()
}

/// Gives the key of a right request, or else the status of the refusal and the reason.
fn examine(head: &str) -> Result<&str, (&str, &str)> {
    const BAD: &str = "400 Bad Request";
    const UPGRADE: &str = "426 Upgrade Required\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13";
    let has = |name, word| values(head, name).iter().any(|v| v.eq_ignore_ascii_case(word));
    let keys = values(head, "Sec-WebSocket-Key");
    let versions = values(head, "Sec-WebSocket-Version");
    let rules = [
        (head.lines().next().is_some_and(|l| l.ends_with(" HTTP/1.1")), BAD, "not HTTP/1.1"),
        (head.starts_with("GET "), "405 Method Not Allowed\r\nAllow: GET", "a handshake is a GET"),
        // ANCHOR: path
        (head.split(' ').nth(1) == Some("/chat"), "404 Not Found", "no WebSocket at this path"),
        // ANCHOR_END: path
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

/// Answers one request, and ends the connection at once.
fn serve(mut socket: &TcpStream) -> io::Result<()> {
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    let head = read_head(&mut BufReader::new(socket))?;
    let answer = match examine(&head) {
        Ok(key) => format!("{SWITCHING}Sec-WebSocket-Accept: {}\r\n\r\n", accept_key(key)),
        Err((status, why)) => format!("{status}\r\nContent-Length: {}\r\n\r\n{why}", why.len()),
    };
    socket.write_all(format!("HTTP/1.1 {answer}").as_bytes())
}

// ANCHOR: liar
/// Runs a server that gives everyone the same answer.
fn liar(answer: String) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let server = listener.local_addr()?;
    thread::spawn(move || {
        let mut socket = listener.accept()?.0;
        socket.set_read_timeout(Some(Duration::from_secs(5)))?;
        read_head(&mut BufReader::new(&socket))?;
        socket.write_all(format!("HTTP/1.1 {answer}\r\n\r\n").as_bytes())
    });
    Ok(server)
}
// ANCHOR_END: liar

/// Reads up to the empty line that ends every head, and not further.
fn read_head(input: &mut impl BufRead) -> io::Result<String> {
    let (mut head, mut input) = (Vec::new(), input.take(8192));
    while !head.ends_with(b"\r\n\r\n") && input.read_until(b'\n', &mut head)? > 0 {}
    Ok(String::from_utf8_lossy(&head).into_owned())
}

// ANCHOR: believe
/// Makes 16 new random bytes, in base64. They need not be secret.
fn fresh_key() -> String {
    let random = || RandomState::new().hash_one("key").to_be_bytes();
    BASE64.encode(&[random(), random()].concat())
}

/// Checks what RFC 6455 section 4.1 demands of the answer to `key`.
fn believe(head: &str, key: &str) -> Result<(), &'static str> {
    let has = |name, word| values(head, name).iter().any(|v| v.eq_ignore_ascii_case(word));
    let rules = [
        (head.starts_with("HTTP/1.1 101 "), "the status is not 101"),
        (has("Upgrade", "websocket"), "there is no Upgrade: websocket"),
        (has("Connection", "Upgrade"), "there is no Connection: Upgrade"),
        (values(head, "Sec-WebSocket-Accept") == [accept_key(key)], "the key is not answered"),
        (values(head, "Sec-WebSocket-Extensions").is_empty(), "nobody offered an extension"),
        (values(head, "Sec-WebSocket-Protocol").is_empty(), "nobody offered a subprotocol"),
    ];
    rules.into_iter().find(|(is_kept, _)| !is_kept).map_or(Ok(()), |(_, why)| Err(why))
}

/// Asks for a WebSocket at this path, and prints whether it believes the answer.
fn ask(what: &str, server: SocketAddr, path: &str) -> io::Result<()> {
    let mut socket = TcpStream::connect(server)?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    let key = fresh_key();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {server}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    );
    socket.write_all(request.as_bytes())?;
    let head = read_head(&mut BufReader::new(&socket))?;
    match believe(&head, &key) {
        Ok(()) => println!("{what:30}  believed"),
        Err(why) => println!("{what:30}  not believed: {why}"),
    }
    Ok(())
}
// ANCHOR_END: believe

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
    ask("our server at /chat", server, "/chat")?;
    ask("our server at /", server, "/")?;
    let old = accept_key("dGhlIHNhbXBsZSBub25jZQ==");
    for (what, answer) in [
        ("a server with a page", "200 OK".to_owned()),
        ("half of an answer", "101 Switching Protocols\r\nUpgrade: websocket".to_owned()),
        ("an answer without its key", SWITCHING.trim_end().to_owned()),
        ("a cache", format!("{SWITCHING}Sec-WebSocket-Accept: {old}")),
    ] {
        ask(what, liar(answer)?, "/chat")?;
    }
    if !once {
        println!("The server stays up until Ctrl-C.");
        let _ = acceptor.join();
    }
    Ok(())
}
