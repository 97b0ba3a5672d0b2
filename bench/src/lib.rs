//! The handshake and the frames, as bytes, which the generator and the servers of this package share.
//!
//! No WebSocket library is used here, because the generator must be faster than every server.

pub mod places;

use std::io::{self, ErrorKind, Read, Write};

/// A result whose error is a sentence for the user.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The header in which the generator gives the length of its payloads. Only `ceiling` reads it.
pub const PAYLOAD_HEADER: &str = "Bench-Payload";

/// The key and the answer of RFC 6455, section 1.3. All clients use the same key, because no
/// server here compares the keys of two clients.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The first byte of a binary message in one frame: FIN and opcode 2.
const BINARY: u8 = 0x82;
/// The first byte of a Close frame: FIN and opcode 8.
pub const CLOSE: u8 = 0x88;
/// The close code 1000, normal closure (RFC 6455, section 7.4.1), as it is sent.
pub const NORMAL_CLOSURE: [u8; 2] = 1000_u16.to_be_bytes();

const MASKING_KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
/// The blank line that ends a head, with the line end before it.
pub const HEAD_END: &[u8] = b"\r\n\r\n";
const MAX_HEAD: usize = 16 << 10;

/// The payload of every message of a row, with this length in bytes.
pub fn payload(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 + 7) as u8).collect()
}

/// A whole binary message in one frame, as a client sends it.
pub fn client_frame(payload: &[u8]) -> Vec<u8> {
    masked(BINARY, payload)
}

/// A whole binary message in one frame, as a server sends it.
pub fn server_frame(payload: &[u8]) -> Vec<u8> {
    unmasked(BINARY, payload)
}

/// A Close frame with this code, as a client sends it.
pub fn client_close(code: [u8; 2]) -> Vec<u8> {
    masked(CLOSE, &code)
}

/// A Close frame with this code, as a server sends it.
pub fn server_close(code: [u8; 2]) -> Vec<u8> {
    unmasked(CLOSE, &code)
}

fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(first, payload.len(), 0x80);
    frame.extend(MASKING_KEY);
    frame.extend(payload.iter().zip(MASKING_KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

fn unmasked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(first, payload.len(), 0);
    frame.extend(payload);
    frame
}

fn header(first: u8, len: usize, mask: u8) -> Vec<u8> {
    let mut header = vec![first];
    if len < 126 {
        header.push(mask | len as u8);
    } else if let Ok(len) = u16::try_from(len) {
        header.push(mask | 126);
        header.extend(len.to_be_bytes());
    } else {
        header.push(mask | 127);
        header.extend((len as u64).to_be_bytes());
    }
    header
}

/// The client's side of the opening handshake, on a blocking stream that has timeouts.
///
/// # Errors
/// When the stream fails, or the server's answer does not open a WebSocket.
pub fn shake_hands(
    mut stream: impl Read + Write,
    host: &str,
    path: &str,
    payload: usize,
) -> Result<()> {
    stream.write_all(handshake_request(host, path, payload).as_bytes())?;
    check_answer(&read_head(&mut stream)?)
}

/// The request of the opening handshake, of a client whose messages have `payload` bytes.
pub fn handshake_request(host: &str, path: &str, payload: usize) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{PAYLOAD_HEADER}: {payload}\r\n\r\n"
    )
}

/// Checks the server's answer to [`handshake_request`] (RFC 6455, section 4.1).
///
/// # Errors
/// When the answer does not open a WebSocket without extensions.
pub fn check_answer(head: &str) -> Result<()> {
    let status = head.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("101") {
        return Err(format!("the server answered the handshake with {status:?}").into());
    }
    if value_of(head, "Sec-WebSocket-Accept") != Some(ACCEPT) {
        return Err("Sec-WebSocket-Accept is not the answer to the key".into());
    }
    if value_of(head, "Sec-WebSocket-Extensions").is_some() {
        return Err("the server uses an extension that the client has not offered".into());
    }
    Ok(())
}

/// The server's side of the opening handshake, for `ceiling`. Returns the request.
///
/// # Errors
/// When the stream fails, or the request does not end.
pub fn answer_handshake(mut stream: impl Read + Write) -> Result<String> {
    let request = read_head(&mut stream)?;
    write!(
        stream,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {ACCEPT}\r\n\r\n"
    )?;
    Ok(request)
}

/// Reads a head with its blank line. Nothing comes behind it, because each side waits for the
/// other here.
fn read_head(mut stream: impl Read) -> Result<String> {
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    while !head.ends_with(HEAD_END) {
        match stream.read(&mut buffer)? {
            0 => return Err(io::Error::from(ErrorKind::UnexpectedEof).into()),
            n => head.extend_from_slice(&buffer[..n]),
        }
        if head.len() > MAX_HEAD {
            return Err(format!("the head of the handshake has more than {MAX_HEAD} bytes").into());
        }
    }
    Ok(String::from_utf8(head)?)
}

/// The value of a header in a head.
pub fn value_of<'head>(head: &'head str, name: &str) -> Option<&'head str> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(header, _)| header.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_those_of_rfc_6455_section_5_7() {
        let hello = client_frame(b"Hello");
        assert_eq!(hello, [0x82, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
        assert_eq!(server_frame(b"Hello")[..2], [0x82, 5]);
        assert_eq!(server_frame(&payload(256))[..4], [0x82, 0x7e, 1, 0]);
        assert_eq!(server_frame(&payload(65536))[..10], [0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn a_close_frame_has_its_code() {
        assert_eq!(server_close(NORMAL_CLOSURE), [0x88, 2, 0x03, 0xe8]);
        let masked = [0x88, 0x82, 0x37, 0xfa, 0x21, 0x3d, 0x03 ^ 0x37, 0xe8 ^ 0xfa];
        assert_eq!(client_close(NORMAL_CLOSURE), masked);
    }

    #[test]
    fn only_an_answer_to_the_key_without_extensions_is_accepted() {
        let head = |status: &str, accept: &str, more: &str| {
            format!("HTTP/1.1 {status}\r\nSec-WebSocket-Accept: {accept}\r\n{more}\r\n")
        };
        assert!(check_answer(&head("101 ok", ACCEPT, "")).is_ok());
        assert!(check_answer(&head("200 ok", ACCEPT, "")).is_err());
        assert!(check_answer(&head("101 ok", KEY, "")).is_err());
        let extension = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
        assert!(check_answer(&head("101 ok", ACCEPT, extension)).is_err());
    }

    #[test]
    fn a_header_is_found_whatever_its_case() {
        let head = "HTTP/1.1 101 ok\r\nsec-websocket-accept:  x \r\n\r\n";
        assert_eq!(value_of(head, "Sec-WebSocket-Accept"), Some("x"));
        assert_eq!(value_of(head, "Upgrade"), None);
    }
}
