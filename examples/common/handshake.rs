//! The opening handshake by hand. Chapter 03 builds it, and chapter 04 uses it as it is.

use data_encoding::BASE64;
use sha1::{Digest, Sha1};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

/// The headers of a client that wants a WebSocket.
pub const HEADERS: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
/// The first line of an answer that accepts. After it the connection no longer speaks HTTP.
pub const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\n";

// ANCHOR: accept_key
/// A fixed text that only WebSocket uses (RFC 6455 section 1.3).
pub const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Computes the server's answer to a `Sec-WebSocket-Key`.
pub fn accept_key(key: &str) -> String {
    BASE64.encode(&Sha1::digest(format!("{key}{GUID}")))
}
// ANCHOR_END: accept_key

// ANCHOR: examine
/// All values of a header. They come on lines of their own, or on one line with commas between.
fn values<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    let headers = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    let named = headers.filter(|(found, _)| found.eq_ignore_ascii_case(name));
    named.flat_map(|(_, value)| value.split(',')).map(str::trim).collect()
}

/// Gives the key of a right request, or else the status of the refusal and the reason.
pub fn examine(head: &str) -> Result<&str, (&str, &str)> {
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

// ANCHOR: answer
/// Makes the answer to a request: the server's half of the handshake, or a refusal.
pub fn answer_to(head: &str) -> String {
    match examine(head) {
        Ok(key) => format!(
            "{SWITCHING}Upgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {}\r\n\r\n",
            accept_key(key)
        ),
        Err((status, why)) => {
            format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{why}", why.len())
        }
    }
}
// ANCHOR_END: answer

/// Reads a request and answers it. Returns whether the connection is a WebSocket now.
pub fn shake_hands(input: &mut impl BufRead, mut output: impl Write) -> io::Result<bool> {
    let answer = answer_to(&read_head(input)?);
    output.write_all(answer.as_bytes())?;
    Ok(answer.starts_with(SWITCHING))
}

/// The client's half: asks for a WebSocket, and returns the head of the answer.
pub fn ask(mut socket: &TcpStream, method: &str, headers: &str) -> io::Result<String> {
    let host = socket.peer_addr()?;
    socket.write_all(format!("{method} / HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n").as_bytes())?;
    // After its answer the server waits for us, so the reader cannot read too far.
    read_head(&mut BufReader::new(socket))
}

/// Reads up to the empty line that ends every head, and not further.
pub fn read_head(input: &mut impl BufRead) -> io::Result<String> {
    let (mut head, mut input) = (Vec::new(), input.take(8192));
    while !head.ends_with(b"\r\n\r\n") && input.read_until(b'\n', &mut head)? > 0 {}
    Ok(String::from_utf8_lossy(&head).into_owned())
}
