//! Takes apart bytes that somebody types, with the code that the wire view uses.

use std::time::Instant;

use crate::protocol::Side;
use crate::protocol::validator::FrameValidator;
use crate::protocol::{Fault, check_close_body};
use crate::protocol::{Frame, FrameHeader, Opcode};
use crate::sys::ConnectionId;
use crate::tap::capture::{CapturedFrame, FrameCapture};
use crate::tap::crossing::{Crossing, Gap};
use crate::wire::tracker::Tracker;
use crate::wire::{HeadView, WireEvent, WireEventKind};

/// Takes bytes apart: a request, an answer, or frames laid end to end.
///
/// # Errors
/// A sentence that says why they cannot be.
pub fn events_in(bytes: &[u8]) -> Result<Vec<WireEvent>, String> {
    if bytes.is_empty() {
        return Err("there are no bytes to explain".to_owned());
    }
    if looks_like_head(bytes) { Ok(vec![head(bytes)]) } else { frames(bytes) }
}

/// Whether these bytes are HTTP, by their first line.
pub fn looks_like_head(bytes: &[u8]) -> bool {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    line.is_ascii() && (line.starts_with(b"HTTP/1.") || line.ends_with(b" HTTP/1.1"))
}

fn head(bytes: &[u8]) -> WireEvent {
    let view = HeadView::of(bytes);
    let is_request = !view.line.starts_with("HTTP/");
    let what =
        if is_request { WireEventKind::Request(view) } else { WireEventKind::Response(view) };
    WireEvent { connection: ConnectionId::NONE, number: 1, seconds: 0.0, gap: None, what }
}

/// Frames laid end to end. Masked ones are taken to be a client's, others a server's.
fn frames(bytes: &[u8]) -> Result<Vec<WireEvent>, String> {
    let mut cutter = FrameCapture::default();
    let mut cut: Vec<CapturedFrame> = Vec::new();
    cutter.feed(bytes, |frame| cut.push(frame));
    if let Some(rest) = cutter.unfinished(None) {
        if FrameHeader::decode(&rest.start).is_none() {
            let have = crate::text::hex(&rest.start);
            return Err(format!("the header of a frame is not complete: {have} and no more"));
        }
        cut.push(rest);
    }
    let mut conversation = Tracker::new(Instant::now(), 1);
    let mut client = FrameValidator::new(usize::MAX, u32::MAX);
    let mut server = FrameValidator::new(usize::MAX, u32::MAX);
    let mut events = Vec::new();
    for mut frame in cut {
        let masked = frame.start.get(1).is_some_and(|second| second & 0x80 != 0);
        let (from, cursor) =
            if masked { (Side::Client, &mut client) } else { (Side::Server, &mut server) };
        frame.fault = fault_in(&frame, cursor).or(frame.fault);
        let what = Crossing::Frame(from, frame);
        events.extend(conversation.take(ConnectionId::NONE, Instant::now(), Gap::default(), what));
    }
    Ok(events)
}

/// The rule that a frame breaks, by itself or after those that `cursor` has seen.
fn fault_in(frame: &CapturedFrame, cursor: &mut FrameValidator) -> Option<Fault> {
    let (mut header, _) = FrameHeader::decode(&frame.start)?;
    // Only a client must mask; not to have done so makes it a server's frame here.
    header.masking_key.get_or_insert_default();
    cursor.enter(&header).err().or_else(|| {
        let (whole, _) = Frame::decode(&frame.start)?;
        let is_close = whole.header.opcode == Opcode::Close;
        is_close.then(|| check_close_body(&whole.payload).err())?
    })
}

/// A masking key from hex.
///
/// # Errors
/// WireEventKind is wrong with the hex, or how many bytes it has instead of four.
pub fn masking_key_in(hex: &str) -> Result<[u8; 4], String> {
    let bytes = bytes_in(hex)?;
    let length = bytes.len();
    bytes.try_into().map_err(|_| format!("a masking key has 4 bytes, not {length}"))
}

/// Bytes from hex: pairs of digits, with or without space, `0x`, `\x`, `:` or `,` between.
///
/// # Errors
/// The position of what is no hex, and what was expected there.
pub fn bytes_in(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut high: Option<u8> = None;
    let mut chars = text.chars().enumerate().peekable();
    while let Some((at, c)) = chars.next() {
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
                let expected = if high.is_some() { "a second hex digit" } else { "a hex digit" };
                let c = c.escape_debug();
                return Err(format!("expected {expected} at position {}, found '{c}'", at + 1));
            }
        }
    }
    match high {
        None => Ok(bytes),
        Some(_) => {
            let end = text.chars().count() + 1;
            Err(format!("expected a second hex digit at position {end}, found the end"))
        }
    }
}
