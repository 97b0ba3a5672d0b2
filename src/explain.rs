//! `chalkwire explain`: takes apart what somebody types, with the code that the server's own view
//! uses.

use std::io::Read;
use std::time::Instant;

use argh::FromArgs;
use chalkwire::blackboard;
use chalkwire::frame::{Frame, FrameHeader, Opcode};
use chalkwire::tap::{Crossing, CutFrame, FrameCutter, Gap, Side};
use chalkwire::watch::Conversations;
use chalkwire::wire::{self, AcceptKey, Event, HeadView, What};

/// Take frames, a request or a key apart, as the wire view does.
#[derive(FromArgs)]
#[argh(subcommand, name = "explain")]
pub struct Explain {
    /// bytes in hex: frames, or a request head; none reads them from standard input
    #[argh(positional, arg_name = "hex")]
    hex: Vec<String>,

    /// show how the answer to this Sec-WebSocket-Key is made
    #[argh(option, arg_name = "key")]
    key: Option<String>,

    /// show the frames of this text
    #[argh(option, arg_name = "text")]
    text: Option<String>,

    /// with --text: mask with this key, four bytes in hex
    #[argh(option, arg_name = "hex")]
    mask: Option<String>,

    /// with --text: text, binary, ping, pong or close (default text)
    #[argh(option, default = "Opcode::Text", from_str_fn(opcode), arg_name = "opcode")]
    opcode: Opcode,

    /// with --text: cut the message into so many frames (default 1)
    #[argh(option, default = "1", arg_name = "n")]
    fragments: usize,
}

fn opcode(text: &str) -> Result<Opcode, String> {
    match text {
        "text" => Ok(Opcode::Text),
        "binary" => Ok(Opcode::Binary),
        "ping" => Ok(Opcode::Ping),
        "pong" => Ok(Opcode::Pong),
        "close" => Ok(Opcode::Close),
        _ => Err("it is text, binary, ping, pong or close".to_owned()),
    }
}

/// Bytes read from standard input at most.
const MOST_INPUT: u64 = 16 * 1024 * 1024;

impl Explain {
    /// The explanation, or a sentence that says what is wrong.
    pub fn run(&self) -> Result<String, String> {
        if let Some(key) = &self.key {
            return Ok(blackboard::accept_lines(&AcceptKey::of(key)).join("\n") + "\n");
        }
        if let Some(text) = &self.text {
            return self.frames_of(text);
        }
        let bytes = if self.hex.is_empty() {
            let mut input = Vec::new();
            std::io::stdin()
                .take(MOST_INPUT)
                .read_to_end(&mut input)
                .map_err(|error| format!("cannot read standard input: {error}"))?;
            if looks_like_head(&input) {
                return Ok(head(&input));
            }
            let text = String::from_utf8(input).map_err(|error| {
                let at = error.utf8_error().valid_up_to() + 1;
                format!("expected two hex digits at position {at}, found a byte that is no text")
            })?;
            bytes_in(&text)?
        } else {
            bytes_in(&self.hex.join(" "))?
        };
        if bytes.is_empty() {
            return Err("there are no bytes to explain".to_owned());
        }
        if looks_like_head(&bytes) { Ok(head(&bytes)) } else { frames(&bytes) }
    }

    fn frames_of(&self, text: &str) -> Result<String, String> {
        let key = match &self.mask {
            None => None,
            Some(hex) => match bytes_in(hex)?[..] {
                [a, b, c, d] => Some([a, b, c, d]),
                ref other => return Err(format!("a masking key has 4 bytes, not {}", other.len())),
            },
        };
        let parts = self.fragments;
        if parts == 0 || parts > text.len().max(1) {
            return Err(format!("--fragments is 1 to {} for this text", text.len().max(1)));
        }
        if self.opcode.is_control() && parts > 1 {
            return Err(format!("a {} must not be fragmented (RFC 6455 5.5)", self.opcode));
        }
        let mut payload = text.as_bytes().to_vec();
        if self.opcode == Opcode::Close {
            payload.splice(0..0, 1000_u16.to_be_bytes());
        }
        if self.opcode.is_control() && payload.len() > 125 {
            let length = payload.len();
            return Err(format!("a {} has at most 125 bytes, not {length}", self.opcode));
        }
        let mut bytes = Vec::new();
        for part in 0..parts {
            let (from, to) = (part * payload.len() / parts, (part + 1) * payload.len() / parts);
            let opcode = if part == 0 { self.opcode } else { Opcode::Continuation };
            let mut frame = Frame::new(opcode, key, &payload[from..to]);
            frame.header.fin = part + 1 == parts;
            bytes.extend(frame.encode());
        }
        frames(&bytes)
    }
}

/// A request or an answer starts with letters; a frame's first byte never is a capital letter with
/// a second after it, but for one that has RSV1 set.
fn looks_like_head(bytes: &[u8]) -> bool {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    line.is_ascii() && (line.starts_with(b"HTTP/1.") || line.ends_with(b" HTTP/1.1"))
}

fn head(bytes: &[u8]) -> String {
    let view = HeadView::of(bytes);
    let is_request = !view.line.starts_with("HTTP/");
    let what = if is_request { What::Request(view) } else { What::Response(view) };
    blackboard::full(&Event { connection: 0, number: 1, seconds: 0.0, gap: None, what })
}

/// Frames laid end to end. Masked ones are taken to be a client's, others a server's.
fn frames(bytes: &[u8]) -> Result<String, String> {
    let mut cutter = FrameCutter::default();
    let mut cut: Vec<CutFrame> = Vec::new();
    cutter.feed(bytes, |frame| cut.push(frame));
    if let Some(rest) = cutter.unfinished(None) {
        if FrameHeader::decode(&rest.start).is_none() {
            let have = wire::hex(&rest.start);
            return Err(format!("the header of a frame is not complete: {have} and no more"));
        }
        cut.push(rest);
    }
    let mut conversation = Conversations::new(Instant::now(), 1);
    let mut text = String::new();
    for mut frame in cut {
        let masked = frame.start.get(1).is_some_and(|second| second & 0x80 != 0);
        let from = if masked { Side::Client } else { Side::Server };
        frame.fault = wire::fault_in(&frame, from);
        let what = Crossing::Frame(from, frame);
        if let Some(event) = conversation.take(0, Instant::now(), Gap::default(), what) {
            text.push_str(&blackboard::full(&event));
        }
    }
    Ok(text)
}

/// Bytes from hex: pairs of digits, with or without space, `0x`, `\x`, `:` or `,` between.
fn bytes_in(text: &str) -> Result<Vec<u8>, String> {
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
