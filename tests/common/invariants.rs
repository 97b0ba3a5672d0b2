//! Properties that hold for any bytes. The property tests and the fuzzers try to prove them wrong.

use std::io::{self, Cursor, Read, Write};

use chalkwire::Config;
use chalkwire::connection::routes::{self, Route};
use chalkwire::http::head_reader::HeadParser;
use chalkwire::http::origin::Origins;
use chalkwire::http::request::{HeadResult, parse_head};
use chalkwire::protocol::parser::{FrameParser, FramePart};
use chalkwire::protocol::validator::{FaultAt, FrameValidator};
use chalkwire::protocol::{Frame, FrameHeader};
use chalkwire::tap::capture::{CapturedFrame, FrameCapture};
use chalkwire::wire::explain::events_in;
use chalkwire::wire::terminal;
use tungstenite::error::ProtocolError;
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Error, WebSocket};
use unicode_width::UnicodeWidthStr;

/// A frame that is decoded and encoded again has the same bytes, and no cut in them changes the result.
pub fn frame(bytes: &[u8]) {
    if let Some((header, length)) = FrameHeader::decode(bytes) {
        let mut again = Vec::new();
        header.encode(&mut again);
        assert_eq!(again, bytes[..length], "{header:?}");
        for end in 0..length {
            assert_eq!(FrameHeader::decode(&bytes[..end]), None, "{header:?}, {end} bytes of it");
        }
        assert_eq!(FrameHeader::decode(&bytes[..length]), Some((header, length)));
    }
    if let Some((frame, length)) = Frame::decode(bytes) {
        assert_eq!(frame.encode(), bytes[..length], "{frame:?}");
        assert!(length == bytes.len() || Frame::decode(&bytes[..length]) == Some((frame, length)));
    }
    let whole = parts_of(bytes, bytes.len());
    for size in [1, 2, 3, 7] {
        assert_eq!(parts_of(bytes, size), whole, "in pieces of {size}");
    }
    let whole = captured(bytes, bytes.len());
    for size in [1, 2, 3, 7] {
        assert_eq!(captured(bytes, size), whole, "in pieces of {size}");
    }
}

/// The bytes of each frame as the parser takes them apart, whether the frame ends, and at the end the
/// bytes of a header that is not complete.
fn parts_of(bytes: &[u8], size: usize) -> Vec<(Vec<u8>, bool)> {
    let mut parser = FrameParser::default();
    let mut frames: Vec<(Vec<u8>, bool)> = Vec::new();
    for piece in bytes.chunks(size.max(1)) {
        parser.feed(piece, |part| match (part, frames.last_mut()) {
            (FramePart::Header(header), None | Some((_, true))) => {
                let mut bytes = Vec::new();
                header.encode(&mut bytes);
                frames.push((bytes, false));
            }
            (FramePart::Payload(piece), Some((bytes, false))) => bytes.extend_from_slice(piece),
            (FramePart::End, Some((_, ended @ false))) => *ended = true,
            (part, _) => panic!("{part:?} in the wrong place"),
        });
    }
    frames.push((parser.header_so_far().to_vec(), false));
    let all: Vec<u8> = frames.iter().flat_map(|(bytes, _)| bytes).copied().collect();
    assert_eq!(all, bytes, "every byte is in one part");
    frames
}

fn captured(bytes: &[u8], size: usize) -> Vec<CapturedFrame> {
    let mut parser = FrameParser::default();
    let mut capture = FrameCapture::default();
    let mut frames = Vec::new();
    for piece in bytes.chunks(size.max(1)) {
        parser.feed(piece, |part| frames.extend(capture.take(part)));
    }
    frames.extend(capture.take_unfinished());
    frames
}

/// A request head gets the same result when it comes byte by byte. What the parser puts off is decided at the end of the
/// time.
fn expect_same_however_cut(bytes: &[u8]) {
    let at_once = parse_head(bytes, MAX_HEAD);
    let mut parser = HeadParser::new(MAX_HEAD);
    let bytewise = (1..=bytes.len()).find_map(|end| parser.take(&bytes[..end]));
    let bytewise = bytewise.or_else(|| parse_head(bytes, MAX_HEAD));
    assert_eq!(format!("{bytewise:?}"), format!("{at_once:?}"), "byte by byte, and at once");
}

/// The limit of a request head in these tests: small, so that some inputs reach it.
const MAX_HEAD: usize = 1024;

/// A request head is read as soon as it is complete and not before, and the server answers every head
/// with one line, or with what it asks for.
pub fn head(bytes: &[u8]) {
    expect_same_however_cut(bytes);
    let Some(HeadResult::Head(head, length)) = parse_head(bytes, MAX_HEAD) else {
        if let Some(HeadResult::Refused(refusal)) = parse_head(bytes, MAX_HEAD) {
            expect_one_line(&refusal.response());
        }
        return;
    };
    assert!(length <= MAX_HEAD && bytes[..length].ends_with(b"\n"));
    match parse_head(&bytes[..length], MAX_HEAD) {
        Some(HeadResult::Head(same, again)) => assert!(same == head && again == length),
        other => panic!("{head:?} by itself is {other:?}"),
    }
    for end in length.saturating_sub(20)..length {
        assert!(parse_head(&bytes[..end], MAX_HEAD).is_none(), "{head:?} cut at {end}");
    }
    let origins = Origins::new("127.0.0.1:8080", &[]);
    match routes::find(&head, &Config::default(), &origins) {
        Err(refusal) => expect_one_line(&refusal.response()),
        Ok(Route::WebSocket(_, handshake)) => {
            let key = head.get("Sec-WebSocket-Key").expect("a key");
            let answer = String::from_utf8_lossy(&handshake.response()).into_owned();
            assert!(answer.contains(&derive_accept_key(key.as_bytes())), "{answer}");
        }
        Ok(_) => {}
    }
}

fn expect_one_line(response: &chalkwire::http::response::Response) {
    let bytes = response.encode().concat();
    let text = String::from_utf8(bytes).expect("an answer is text");
    let (_, body) = text.split_once("\r\n\r\n").expect("a head and a body");
    assert!(body.is_empty() || body.lines().count() == 1, "{text}");
    let said = body.trim_end();
    assert!(!said.contains(char::is_control), "{text:?} lets control characters through");
}

/// What a client sends goes to the validator in pieces, and then to tungstenite. The validator finds every
/// fault but invalid UTF-8, in the same frame however the bytes are cut, so that tungstenite has none left
/// to find. And any bytes can be shown.
pub fn read_path(bytes: &[u8]) {
    let Some((&size, bytes)) = bytes.split_first() else { return };
    let (valid, fault) = validate(bytes, usize::from(size).max(1));
    let (whole, same) = validate(bytes, bytes.len().max(1));
    let named = |at: &Option<FaultAt>| at.as_ref().map(|at| (at.frame, at.fault.to_string()));
    assert_eq!(named(&fault), named(&same));
    // Of a faulty header that came in pieces, the first have passed when the last shows the fault.
    assert!(valid.len() >= whole.len() && valid.len() < whole.len() + FrameHeader::MAX_LEN + 125);
    read_with_tungstenite(whole);
    show(bytes);
}

const MAX_MESSAGE: usize = 1000;

/// The bytes that pass the validator, and the fault that stopped it.
fn validate(bytes: &[u8], size: usize) -> (&[u8], Option<FaultAt>) {
    let mut validator = FrameValidator::new(MAX_MESSAGE, 20);
    for (n, piece) in bytes.chunks(size).enumerate() {
        if let Err(fault) = validator.advance(piece, |_, _| {}) {
            return (&bytes[..n * size + fault.valid], Some(fault));
        }
    }
    (bytes, None)
}

/// A stream that reads the bytes and discards what is written.
struct Wire<'a>(Cursor<&'a [u8]>);

impl Read for Wire<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn read_with_tungstenite(bytes: &[u8]) {
    let config = WebSocketConfig::default()
        .read_buffer_size(4096)
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    let wire = Wire(Cursor::new(bytes));
    let mut websocket = WebSocket::from_raw_socket(wire, Role::Server, Some(config));
    let error = loop {
        if let Err(error) = websocket.read() {
            break error;
        }
    };
    let is_fine = matches!(
        error,
        Error::Utf8(_)
            | Error::Io(_)
            | Error::ConnectionClosed
            | Error::AlreadyClosed
            | Error::Protocol(
                ProtocolError::ResetWithoutClosingHandshake | ProtocolError::ReceivedAfterClosing
            )
    );
    assert!(is_fine, "the validator let through what tungstenite calls {error}");
}

/// Shows the bytes in 80 columns without control characters, and as JSON.
fn show(bytes: &[u8]) {
    let Ok(events) = events_in(bytes) else { return };
    for event in events {
        for line in terminal::full(&event).lines() {
            assert!(line.width() <= 80, "{} columns: {line}", line.width());
            assert!(!line.contains(char::is_control), "{line:?}");
        }
        serde_json::to_string(&event).expect("JSON");
    }
}
