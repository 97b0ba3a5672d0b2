//! What holds for any bytes whatever. The property tests and the fuzz targets try to prove it wrong.

use std::io::{self, Cursor, Read, Write};

use chalkwire::Config;
use chalkwire::connection::routes::{self, Route};
use chalkwire::http::origin::Origins;
use chalkwire::http::request::{HeadResult, parse_head};
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

/// A frame read and written again is the same bytes, and no cut in them changes what is read.
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
    let whole = cut(bytes, bytes.len());
    for size in [1, 2, 3, 7] {
        assert_eq!(cut(bytes, size), whole, "in pieces of {size}");
    }
}

fn cut(bytes: &[u8], size: usize) -> Vec<CapturedFrame> {
    let mut cutter = FrameCapture::default();
    let mut frames = Vec::new();
    for piece in bytes.chunks(size.max(1)) {
        cutter.feed(piece, |frame| frames.push(frame));
    }
    frames.extend(cutter.unfinished(None));
    frames
}

/// The limit of a request head here: small, so that it is met.
const MAX_HEAD: usize = 1024;

/// A request head is read as soon as it is all there and not before, and whatever it is gets an
/// answer of one line, or what it asks for.
pub fn head(bytes: &[u8]) {
    let Some(HeadResult::Head(head, leftover)) = parse_head(bytes, MAX_HEAD) else {
        if let Some(HeadResult::Refused(refusal)) = parse_head(bytes, MAX_HEAD) {
            expect_one_line(&refusal.response());
        }
        return;
    };
    let length = bytes.len() - leftover.len();
    assert!(length <= MAX_HEAD && bytes.ends_with(&leftover));
    match parse_head(&bytes[..length], MAX_HEAD) {
        Some(HeadResult::Head(same, rest)) => assert!(same == head && rest.is_empty()),
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

/// What a client sends, by the way it takes: to the cursor in pieces, then to tungstenite. The cursor
/// finds every fault but bad UTF-8, at the same place however the bytes are cut, so that
/// tungstenite has none left to find. And whatever it is can be shown.
pub fn read_path(bytes: &[u8]) {
    let Some((&size, bytes)) = bytes.split_first() else { return };
    let (good, stop) = walk(bytes, usize::from(size).max(1));
    let (whole, same) = walk(bytes, bytes.len().max(1));
    let named = |stop: &Option<FaultAt>| stop.as_ref().map(|s| (s.frame, s.fault.to_string()));
    assert_eq!(named(&stop), named(&same));
    // Of a faulty header that came in pieces, the first have passed when the last shows the fault.
    assert!(good.len() >= whole.len() && good.len() < whole.len() + FrameHeader::MAX_LEN + 125);
    read_with_tungstenite(whole);
    show(bytes);
}

const MAX_MESSAGE: usize = 1000;

/// The bytes that pass the cursor, and what stopped it.
fn walk(bytes: &[u8], size: usize) -> (&[u8], Option<FaultAt>) {
    let mut cursor = FrameValidator::new(MAX_MESSAGE, 20);
    for (n, piece) in bytes.chunks(size).enumerate() {
        if let Err(stop) = cursor.advance(piece) {
            return (&bytes[..n * size + stop.good], Some(stop));
        }
    }
    (bytes, None)
}

/// The bytes in, nothing out.
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
    assert!(is_fine, "the cursor has let through what tungstenite calls {error}");
}

/// In 80 columns without control characters, and as JSON.
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
