//! Properties that hold for any bytes. The property tests and the fuzz targets try to break them.

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

/// A frame that is decoded and encoded again gives the same bytes, however the bytes are cut.
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

/// The limit for request heads in these tests. It is small, so that inputs reach it.
const MAX_HEAD: usize = 1024;

/// A request head is parsed as soon as it is complete and not before. It gets what it asks for, or a
/// refusal of one line.
pub fn head(bytes: &[u8]) {
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

/// The bytes of a client go to the validator in pieces, and then to tungstenite. The validator finds
/// every fault except bad UTF-8, and finds it at the same place however the bytes are cut, so that
/// tungstenite finds none. The wire view can show the bytes, whatever they are.
pub fn read_path(bytes: &[u8]) {
    let Some((&size, bytes)) = bytes.split_first() else { return };
    let (good, stop) = walk(bytes, usize::from(size).max(1));
    let (whole, same) = walk(bytes, bytes.len().max(1));
    let named = |stop: &Option<FaultAt>| stop.as_ref().map(|s| (s.frame, s.fault.to_string()));
    assert_eq!(named(&stop), named(&same));
    // When a faulty header comes in pieces, its first pieces pass before the last one shows the fault.
    assert!(good.len() >= whole.len() && good.len() < whole.len() + FrameHeader::MAX_LEN + 125);
    read_with_tungstenite(whole);
    show(bytes);
}

const MAX_MESSAGE: usize = 1000;

/// The bytes that the validator accepts, and the fault at which it stops.
fn walk(bytes: &[u8], size: usize) -> (&[u8], Option<FaultAt>) {
    let mut cursor = FrameValidator::new(MAX_MESSAGE, 20);
    for (n, piece) in bytes.chunks(size).enumerate() {
        if let Err(stop) = cursor.advance(piece) {
            return (&bytes[..n * size + stop.good], Some(stop));
        }
    }
    (bytes, None)
}

/// A stream that reads these bytes and discards what is written.
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
    assert!(is_fine, "the validator has accepted what tungstenite calls {error}");
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
