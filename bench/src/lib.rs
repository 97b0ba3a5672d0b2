//! What the generator and the servers of this package share: a handshake and frames, as bytes.

use std::io::{self, ErrorKind, Read, Write};

/// How every result here may fail: with a sentence.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The header with which the generator says how long its payloads are. Only `ceiling` reads it.
pub const PAYLOAD_HEADER: &str = "Bench-Payload";

/// The key and the answer of RFC 6455, section 1.3. No server here cares that all clients use it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

const MASKING_KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const MAX_HEAD: usize = 16 << 10;

/// The payload of every message of a row.
pub fn payload(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 + 7) as u8).collect()
}

/// A whole binary message in one frame, as a client sends it.
pub fn client_frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = header(payload.len(), 0x80);
    frame.extend(MASKING_KEY);
    frame.extend(payload.iter().zip(MASKING_KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// A whole binary message in one frame, as a server sends it.
pub fn server_frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = header(payload.len(), 0);
    frame.extend(payload);
    frame
}

fn header(len: usize, mask: u8) -> Vec<u8> {
    let mut header = vec![0x82];
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

/// The client's side of the opening handshake, on a blocking stream with deadlines of its own.
pub fn shake_hands(
    mut stream: impl Read + Write,
    host: &str,
    path: &str,
    payload: usize,
) -> Result<()> {
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{PAYLOAD_HEADER}: {payload}\r\n\r\n"
    )?;
    let head = read_head(&mut stream)?;
    let status = head.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("101") {
        return Err(format!("the handshake was answered with {status:?}").into());
    }
    if value_of(&head, "Sec-WebSocket-Accept") != Some(ACCEPT) {
        return Err("Sec-WebSocket-Accept is not the answer to the key".into());
    }
    if value_of(&head, "Sec-WebSocket-Extensions").is_some() {
        return Err("an extension that was not offered".into());
    }
    Ok(())
}

/// The server's side, for `ceiling`: reads the request, answers, returns the request.
pub fn answer_handshake(mut stream: impl Read + Write) -> Result<String> {
    let request = read_head(&mut stream)?;
    write!(
        stream,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {ACCEPT}\r\n\r\n"
    )?;
    Ok(request)
}

/// A head with its empty line. Neither side has sent more when the other reads this.
fn read_head(mut stream: impl Read) -> Result<String> {
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut buffer)? {
            0 => return Err(io::Error::from(ErrorKind::UnexpectedEof).into()),
            n => head.extend_from_slice(&buffer[..n]),
        }
        if head.len() > MAX_HEAD {
            return Err("the head of the handshake does not end".into());
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
    fn a_header_is_found_whatever_its_case() {
        let head = "HTTP/1.1 101 ok\r\nsec-websocket-accept:  x \r\n\r\n";
        assert_eq!(value_of(head, "Sec-WebSocket-Accept"), Some("x"));
        assert_eq!(value_of(head, "Upgrade"), None);
    }
}
