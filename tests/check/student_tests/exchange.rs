//! Exchanging bytes with a server, and writing these bytes.

use std::io::{Read, Write};
use std::net::Shutdown;

use chalkwire::protocol::{Frame, Opcode, mask};

use crate::common::student::Student;
use crate::common::{KEY, dial};

pub const REQUEST: &str = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

pub const ANSWER: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Sends the bytes, closes the sending side, and reads everything that comes back.
pub fn exchange(student: &Student, bytes: &[u8]) -> Vec<u8> {
    let mut socket = dial(student.address);
    socket.write_all(bytes).expect("the bytes leave");
    socket.shutdown(Shutdown::Write).expect("the connection is open");
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).expect("an end without a reset");
    answer
}

/// The response of a server to a request.
pub fn answer_to(student: &Student, request: &str) -> String {
    String::from_utf8(exchange(student, request.as_bytes())).expect("text")
}

/// The bytes that a server sends after its response, when frames come.
pub fn answer_to_frames(student: &Student, frames: &[u8]) -> Vec<u8> {
    let answer = exchange(student, &[REQUEST.as_bytes(), frames].concat());
    answer.strip_prefix(ANSWER.as_bytes()).expect("the right answer").to_vec()
}

/// Bytes from hex, as RFC 6455 section 5.7 writes them.
pub fn hex(digits: &str) -> Vec<u8> {
    let digits = digits.split_whitespace();
    digits.map(|byte| u8::from_str_radix(byte, 16).expect("a hex byte")).collect()
}

pub fn from_client(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    Frame::new(opcode, Some(KEY), payload).encode()
}

pub fn from_server(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    Frame::new(opcode, None, payload).encode()
}

pub fn closed(code: u16, reason: &str) -> Vec<u8> {
    from_server(Opcode::Close, &[&code.to_be_bytes(), reason.as_bytes()].concat())
}

/// Masks or unmasks with any key, also a wrong one.
pub fn xor(payload: &[u8], key: [u8; 4]) -> Vec<u8> {
    let mut payload = payload.to_vec();
    mask(&mut payload, key);
    payload
}

pub const HELLO: &str = "81 85 37 fa 21 3d 7f 9f 4d 51 58";
pub const ECHO: &str = "81 05 48 65 6c 6c 6f";
pub const FRAGMENTS: &str = "01 83 37 fa 21 3d 7f 9f 4d 80 82 37 fa 21 3d 5b 95";
pub const HALVES: &str = "01 81 37 fa 21 3d d5 80 82 37 fa 21 3d b5 56";
