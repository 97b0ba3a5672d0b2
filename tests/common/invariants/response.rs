//! The checker's side: the answers of servers that somebody wrote.

use chalkwire::check::evidence::Evidence;
use chalkwire::check::mistakes::{explain, in_close, of_accept, of_echo, of_pong};
use chalkwire::check::received::Received;
use chalkwire::check::response::Response;
use chalkwire::protocol::{Frame, Opcode};

/// The checker reads any answer: the head ends at its blank line, and not before. And any bytes can be
/// compared with the known mistakes.
pub fn response(bytes: &[u8]) {
    let (response, length) = Response::read(bytes);
    assert_eq!(response.raw, bytes[..length]);
    assert!(response.is_complete || length == bytes.len());
    if response.is_complete {
        assert!(response.raw.ends_with(b"\n\n") || response.raw.ends_with(b"\r\n\r\n"));
        assert!(!Response::read(&bytes[..length - 1]).0.is_complete, "the head ends earlier");
    }
    assert!(response.status().is_none() || response.raw.starts_with(b"HTTP/1."));
    for name in ["Upgrade", "Connection", "Sec-WebSocket-Accept"] {
        assert_eq!(response.get(name).is_some(), response.count(name) > 0);
    }
    assert!(!response.evidence(&["Upgrade", "Sec-WebSocket-Accept"]).is_empty());
    let found = response.get("Sec-WebSocket-Accept").unwrap_or_default();
    of_accept("dGhlIHNhbXBsZSBub25jZQ==", found);
    mistakes(&bytes[length..]);
    mistakes(bytes);
}

fn mistakes(raw: &[u8]) {
    let sent = Frame::new(Opcode::Text, Some([1, 2, 3, 4]), b"Hello");
    let sent = [sent];
    let echo = of_echo(&sent, 0, sent[0].header.masking_key, Opcode::Text, b"Hello");
    for mistake in echo.iter().chain(&of_pong(&sent, b"Hello")) {
        if mistake.is(raw) {
            mistake.evidence(raw);
        }
    }
    Evidence::frames(raw);
    in_close(raw, b"\x03\xe8");
    let received = match Frame::decode(raw) {
        Some((frame, _)) => Received::Message(frame.header.opcode, frame.payload),
        None => Received::NotFrames,
    };
    explain(&received, raw, Opcode::Text, b"Hello");
}
