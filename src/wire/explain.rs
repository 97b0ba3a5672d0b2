//! Explains bytes that somebody types, with the code that the wire view uses.

use std::fmt;
use std::time::Instant;

use super::credentials::Credentials;
use super::event::{WireEvent, WireEventKind};
use super::head::HeadView;
use super::tracker::Tracker;
use crate::protocol::parser::{FrameParser, FramePart};
use crate::protocol::validator::FrameRules;
use crate::protocol::{Fault, FrameHeader, Side};
use crate::sys::ConnectionId;
use crate::tap::capture::{CapturedFrame, FrameCapture};
use crate::tap::crossing::{Crossing, Gap, TimedCrossing};
use crate::text::hex;

/// The reason why something typed cannot be explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExplainError {
    /// There are no bytes.
    Nothing,
    /// The bytes end inside the header of a frame: the bytes of that header.
    IncompleteHeader(Vec<u8>),
    /// A character that is not hex.
    NotHex {
        /// The position of the character in the text; the first is 1.
        position: usize,
        /// The character, or `None` at the end of the text.
        found: Option<char>,
        /// Whether the first digit of a byte came before it.
        inside_byte: bool,
    },
    /// A masking key that does not have four bytes: its number of bytes.
    KeyLength(usize),
}

impl fmt::Display for ExplainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExplainError::Nothing => f.write_str("there are no bytes to explain"),
            ExplainError::IncompleteHeader(bytes) => {
                write!(f, "the header of a frame is not complete: {} and no more", hex(bytes))
            }
            ExplainError::NotHex { position, found, inside_byte } => {
                let expected = if *inside_byte { "a second hex digit" } else { "a hex digit" };
                write!(f, "expected {expected} at position {position}, found ")?;
                match found {
                    Some(c) => write!(f, "'{}'", c.escape_debug()),
                    None => f.write_str("the end"),
                }
            }
            ExplainError::KeyLength(length) => {
                write!(f, "a masking key has 4 bytes, not {length}")
            }
        }
    }
}

impl std::error::Error for ExplainError {}

/// Explains bytes: a request head, a response head, or frames one behind the other. `take` gets one event
/// after the other, because thousands of them take a hundred times the memory of the bytes.
///
/// # Errors
/// [`ExplainError::Nothing`] and [`ExplainError::IncompleteHeader`]. Then `take` gets nothing.
pub fn explain(bytes: &[u8], mut take: impl FnMut(WireEvent)) -> Result<(), ExplainError> {
    if bytes.is_empty() {
        return Err(ExplainError::Nothing);
    }
    if looks_like_head(bytes) {
        take(head(bytes));
        return Ok(());
    }
    let mut parser = FrameParser::default();
    parser.feed(bytes, |_| {});
    if !parser.header_so_far().is_empty() {
        return Err(ExplainError::IncompleteHeader(parser.header_so_far().to_vec()));
    }
    let mut typed = TypedFrames::new(take);
    FrameParser::default().feed(bytes, |part| typed.take_part(part));
    if let Some(frame) = typed.capture.take_unfinished() {
        typed.add(frame);
    }
    Ok(())
}

/// Explains bytes in the same way, and returns all events.
///
/// # Errors
/// The same.
pub fn events_in(bytes: &[u8]) -> Result<Vec<WireEvent>, ExplainError> {
    let mut events = Vec::new();
    explain(bytes, |event| events.push(event))?;
    Ok(events)
}

/// The beginning of `bytes`: at most `frames` whole frames with at most `length` bytes together, but at
/// least one frame. The beginning of a head has at most `length` bytes.
pub fn beginning(bytes: &[u8], frames: usize, length: usize) -> &[u8] {
    if looks_like_head(bytes) {
        return &bytes[..bytes.len().min(length)];
    }
    let (mut count, mut end) = (0, 0);
    let all = FrameParser::default().try_feed(bytes, |part, at| {
        if part == FramePart::End {
            if count > 0 && (count == frames || at > length) {
                return Err(());
            }
            (count, end) = (count + 1, at);
        }
        Ok(())
    });
    // Behind the last whole frame may be a part of another one.
    let has_room = count == 0 || end == bytes.len() || count < frames && bytes.len() <= length;
    if all.is_ok() && has_room { bytes } else { &bytes[..end] }
}

/// Whether the first line of these bytes is one of HTTP.
pub fn looks_like_head(bytes: &[u8]) -> bool {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    line.is_ascii() && (line.starts_with(b"HTTP/1.") || line.ends_with(b" HTTP/1.1"))
}

fn head(bytes: &[u8]) -> WireEvent {
    // Whoever typed the bytes knows the credentials in them, and nobody else gets the answer.
    let view = HeadView::of(bytes, Credentials::Shown);
    let is_request = !view.line.starts_with("HTTP/");
    let what =
        if is_request { WireEventKind::Request(view) } else { WireEventKind::Response(view) };
    let connection = ConnectionId::NONE;
    WireEvent { connection, tab: None, number: 1, seconds: 0.0, gap: None, what }
}

/// Frames that somebody types. A masked frame is taken for a client's, another for a server's.
struct TypedFrames<T> {
    capture: FrameCapture,
    client: FrameRules,
    server: FrameRules,
    /// The side of the current frame, and the rule that its header breaks.
    from: Side,
    fault: Option<Fault>,
    tracker: Tracker,
    /// Gets the event of each frame.
    take: T,
}

impl<T: FnMut(WireEvent)> TypedFrames<T> {
    fn new(take: T) -> TypedFrames<T> {
        TypedFrames {
            capture: FrameCapture::default(),
            client: FrameRules::new(usize::MAX, u32::MAX),
            server: FrameRules::new(usize::MAX, u32::MAX),
            from: Side::Client,
            fault: None,
            tracker: Tracker::new(Instant::now(), 1, Credentials::Shown),
            take,
        }
    }

    fn take_part(&mut self, part: FramePart<'_>) {
        let checked = match part {
            FramePart::Header(header) => {
                let is_masked = header.masking_key.is_some();
                self.from = if is_masked { Side::Client } else { Side::Server };
                self.fault = None;
                // The rules are those for a client, which must mask; a key of zeros masks nothing.
                let masking_key = header.masking_key.or(Some([0; 4]));
                self.check(FramePart::Header(&FrameHeader { masking_key, ..*header }))
            }
            _ => self.check(part),
        };
        self.fault = self.fault.take().or(checked.err());
        if let Some(frame) = self.capture.take(part) {
            self.add(frame);
        }
    }

    fn check(&mut self, part: FramePart<'_>) -> Result<(), Fault> {
        match self.from {
            Side::Client => self.client.check(part),
            Side::Server => self.server.check(part),
        }
    }

    fn add(&mut self, mut frame: CapturedFrame) {
        frame.fault = self.fault.take().or(frame.fault);
        let event = self.tracker.take(TimedCrossing {
            tab: None,
            connection: ConnectionId::NONE,
            at: Instant::now(),
            gap: Gap::default(),
            what: Crossing::Frame(self.from, frame),
        });
        (self.take)(event);
    }
}

/// Reads a masking key in hex.
///
/// # Errors
/// [`ExplainError::NotHex`] and [`ExplainError::KeyLength`].
pub fn masking_key_in(text: &str) -> Result<[u8; 4], ExplainError> {
    let bytes = bytes_in(text)?;
    let length = bytes.len();
    bytes.try_into().map_err(|_| ExplainError::KeyLength(length))
}

/// Reads bytes in hex: pairs of digits, with or without space, `0x`, `\x`, `:`, `,` or `-` between
/// them.
///
/// # Errors
/// [`ExplainError::NotHex`].
pub fn bytes_in(text: &str) -> Result<Vec<u8>, ExplainError> {
    let mut bytes = Vec::new();
    let mut high: Option<u8> = None;
    let mut chars = text.chars().enumerate().peekable();
    while let Some((index, c)) = chars.next() {
        let next_is_x = chars.peek().is_some_and(|(_, next)| matches!(next, 'x' | 'X'));
        match (c, c.to_digit(16), high) {
            ('0' | '\\', _, None) if next_is_x => {
                chars.next();
            }
            (_, Some(digit), Some(first)) => {
                bytes.push(first << 4 | digit as u8);
                high = None;
            }
            (_, Some(digit), None) => high = Some(digit as u8),
            (c, None, None) if c.is_whitespace() || matches!(c, ':' | ',' | '-') => {}
            (c, None, high) => {
                let inside_byte = high.is_some();
                let position = index + 1;
                return Err(ExplainError::NotHex { position, found: Some(c), inside_byte });
            }
        }
    }
    match high {
        None => Ok(bytes),
        Some(_) => {
            let position = text.chars().count() + 1;
            Err(ExplainError::NotHex { position, found: None, inside_byte: true })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_read_in_every_common_form() {
        for text in ["81 05 0f", "81050F", "0x81,0x05,0x0f", r"\x81\x05\x0f", "81:05-0f\n"] {
            assert_eq!(bytes_in(text), Ok(vec![0x81, 0x05, 0x0f]), "{text}");
        }
    }

    #[test]
    fn an_error_names_the_position() {
        let error = |text| bytes_in(text).expect_err(text).to_string();
        assert_eq!(error("81 0g"), "expected a second hex digit at position 5, found 'g'");
        assert_eq!(error("81 \u{7}"), "expected a hex digit at position 4, found '\\u{7}'");
        assert_eq!(error("81 0"), "expected a second hex digit at position 5, found the end");
        assert_eq!(masking_key_in("01 02"), Err(ExplainError::KeyLength(2)));
    }

    #[test]
    fn bytes_that_end_inside_a_header_are_an_error() {
        let error = |bytes: &[u8]| events_in(bytes).map(|_| ()).expect_err("an error");
        assert_eq!(error(b""), ExplainError::Nothing);
        assert_eq!(error(b"\x82\x7e\x01"), ExplainError::IncompleteHeader(vec![0x82, 0x7e, 0x01]));
        let behind_a_frame = error(b"\x81\x00\x82");
        assert_eq!(behind_a_frame, ExplainError::IncompleteHeader(vec![0x82]));
    }

    #[test]
    fn the_beginning_has_whole_frames_and_at_least_one() {
        let frames = [&b"\x81\x03abc"[..]; 5].concat();
        for (count, length, expected) in
            [(5, 25, 25), (9, 99, 25), (4, 99, 20), (9, 24, 20), (9, 4, 5), (1, 0, 5)]
        {
            let found = beginning(&frames, count, length).len();
            assert_eq!(found, expected, "{count} frames, {length} bytes");
        }
        // A part of a sixth frame.
        let cut = [&frames[..], b"\x81\x03a"].concat();
        assert_eq!(
            [(9, 99), (5, 99), (9, 27)].map(|(n, l)| beginning(&cut, n, l).len()),
            [28, 25, 25]
        );
        assert_eq!(beginning(b"\x82\x7e\x01", 1, 1), b"\x82\x7e\x01");
        assert_eq!(beginning(b"GET / HTTP/1.1\r\n\r\n", 1, 5), b"GET /");
    }

    #[test]
    fn each_side_has_its_own_rules() {
        // A client's fragment and a server's message between: no rule is broken.
        let bytes = b"\x01\x81\0\0\0\0a\x81\x01b\x80\x81\0\0\0\0c";
        let events = events_in(bytes).expect("three frames");
        let frames: Vec<_> = events
            .iter()
            .map(|event| match &event.what {
                WireEventKind::Frame(frame) => (frame.from, frame.fault.is_some()),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(frames, [(Side::Client, false), (Side::Server, false), (Side::Client, false)]);
    }
}
