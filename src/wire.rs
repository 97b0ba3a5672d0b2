//! What crossed the wire, taken apart: every field with its bytes, its bits and its meaning.
//!
//! One event type for all eyes: the terminal prints it, the page gets it as JSON, and
//! `chalkwire explain` makes it from bytes that somebody types.

use data_encoding::BASE64;
use serde::Serialize;
use sha1::{Digest, Sha1};

use crate::close::{CloseCode, Fault};
use crate::frame::{FrameHeader, LengthForm, Opcode, mask};
use crate::tap::{CutFrame, Side};

/// Something that crossed the wire.
#[derive(Debug, Clone, Serialize)]
pub struct Event {
    /// The client's number; 0 for bytes that came over no connection, which have no time either.
    pub connection: u64,
    /// Its place among what is shown of this connection; the request is 1, the answer 2.
    pub number: u64,
    /// Seconds since the server began.
    pub seconds: f64,
    /// What was not shown before this, as a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gap: Option<String>,
    /// What it is.
    #[serde(flatten)]
    pub what: What,
}

/// What can be shown.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum What {
    /// A request head.
    Request(HeadView),
    /// The head of the answer.
    Response(HeadView),
    /// A frame.
    Frame(Box<FrameView>),
    /// The end of the connection.
    End {
        /// Who closed first, with what.
        how: String,
    },
    /// The watcher was too slow.
    Missed {
        /// Events that it was not sent.
        events: u64,
    },
}

/// A request head, or the head of an answer.
#[derive(Debug, Clone, Serialize)]
pub struct HeadView {
    /// The first line.
    pub line: String,
    /// The header lines, in order.
    pub headers: Vec<HeaderView>,
    /// Bytes in all, the blank line included.
    pub length: usize,
    /// In the request of an opening handshake: how its answer is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accept: Option<AcceptKey>,
}

/// A header line.
#[derive(Debug, Clone, Serialize)]
pub struct HeaderView {
    /// The line as it came.
    pub line: String,
    /// What it is for, where it is part of the handshake.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meaning: Option<&'static str>,
}

/// How `Sec-WebSocket-Accept` is made from `Sec-WebSocket-Key` (RFC 6455 section 4.2.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AcceptKey {
    /// What the client sent.
    pub key: String,
    /// The key with the GUID behind it.
    pub key_and_guid: String,
    /// SHA-1 of that: 20 bytes.
    pub sha1: String,
    /// Those in base64: what the server answers.
    pub accept: String,
}

/// The GUID that RFC 6455 section 1.3 puts behind every key: nobody else would use it by accident.
pub const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

impl AcceptKey {
    /// The answer to `key`, step by step.
    pub fn of(key: &str) -> AcceptKey {
        let key_and_guid = format!("{key}{GUID}");
        let sha1 = Sha1::digest(key_and_guid.as_bytes());
        AcceptKey {
            key: key.to_owned(),
            sha1: hex(&sha1),
            accept: BASE64.encode(&sha1),
            key_and_guid,
        }
    }
}

/// A field of a frame, in the order in which fields cross the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Field {
    /// Its name in RFC 6455 section 5.2.
    pub name: &'static str,
    /// Where its first byte is in the frame, and how many it has or shares.
    pub at: usize,
    /// See `at`.
    pub bytes: usize,
    /// Its bits among those of its byte, as in `1... ....`; empty for fields of whole bytes.
    pub bits: String,
    /// Its value.
    pub value: String,
    /// What that means.
    pub meaning: String,
}

/// Bytes, shortened in the middle if there are many.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Shortened {
    /// The first bytes, in hex.
    pub start: String,
    /// Bytes not shown.
    pub hidden: u64,
    /// The last bytes, in hex.
    pub end: String,
}

/// A frame, taken apart.
#[derive(Debug, Clone, Serialize)]
pub struct FrameView {
    /// Who sent it.
    pub from: Side,
    /// `TEXT`, `CONTINUATION`, `BINARY`, `CLOSE`, `PING`, `PONG`, or `RESERVED 3`.
    pub name: String,
    /// The opcode's four bits.
    pub opcode: u8,
    /// Whether it is the last of its message.
    pub fin: bool,
    /// Bytes in all, as announced.
    pub length: u64,
    /// Bytes of payload, as announced.
    pub payload_length: u64,
    /// Bytes that were announced and never came.
    pub missing: u64,
    /// The header, in hex.
    pub header: String,
    /// The fields of the header.
    pub fields: Vec<Field>,
    /// The masking key, in hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub masking_key: Option<String>,
    /// The payload as it crossed the wire.
    pub wire: Shortened,
    /// The payload unmasked.
    pub payload: Shortened,
    /// The payload as text, where it is meant to be text: the shown part of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The message it is part of, when that has several frames.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
    /// In a Close: the code and what it means. 1005 where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub close: Option<CloseView>,
    /// In a Pong: the Ping it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answers: Option<Answer>,
    /// The rule it breaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<FaultView>,
    /// Something that is easily got wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// What the "Messages" list of Chromium's developer tools shows of it.
    pub devtools: String,
}

/// A fragment's place in its message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    /// 1 for the first.
    pub part: u64,
    /// The event that has the first part.
    pub first: u64,
    /// Whether this is the last.
    pub last: bool,
    /// Bytes of the message so far.
    pub message_length: u64,
    /// The whole message, when it is complete, is text and is short enough to have been kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What a Close frame says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CloseView {
    /// The code.
    pub code: u16,
    /// What it means.
    pub name: &'static str,
    /// The reason.
    pub reason: String,
    /// Whether the other side had sent a Close before.
    pub answer: bool,
}

/// The Ping that a Pong answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// The event that has the Ping.
    pub ping: u64,
    /// The time between the two, in milliseconds.
    pub milliseconds: f64,
}

/// A broken rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FaultView {
    /// What is wrong.
    pub sentence: String,
    /// The section of RFC 6455.
    pub rfc: &'static str,
    /// The close code for it.
    pub code: u16,
}

impl HeadView {
    /// Takes a head apart, also one that is none: it is then one line.
    pub fn of(head: &[u8]) -> HeadView {
        let text = String::from_utf8_lossy(head);
        let mut lines = text.trim_end().lines().map(str::to_owned);
        let line = lines.next().unwrap_or_default();
        let headers: Vec<HeaderView> = lines
            .map(|line| {
                let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
                HeaderView { meaning: meaning_of_header(&name), line }
            })
            .collect();
        let is_request = !line.starts_with("HTTP/");
        let key = headers.iter().find_map(|header| {
            let (name, value) = header.line.split_once(':')?;
            name.eq_ignore_ascii_case("Sec-WebSocket-Key").then(|| value.trim())
        });
        let accept = key.filter(|_| is_request).map(AcceptKey::of);
        HeadView { line, headers, length: head.len(), accept }
    }
}

fn meaning_of_header(name: &str) -> Option<&'static str> {
    Some(match name {
        "upgrade" => "the protocol to change to",
        "connection" => "a list; one item is Upgrade",
        "sec-websocket-key" => "16 random bytes in base64; no secret, no password",
        "sec-websocket-version" => "13 is RFC 6455",
        "sec-websocket-extensions" => "offered; declined, so that bytes stay readable",
        "sec-websocket-protocol" => "subprotocols; the server takes one or none",
        "sec-websocket-accept" => "made from the key: this server speaks WebSocket",
        "origin" => "where the page comes from; the server decides if it may",
        _ => return None,
    })
}

impl FrameView {
    /// Takes a frame apart by itself. `None` when not even its header is there.
    pub fn of(from: Side, frame: &CutFrame) -> Option<FrameView> {
        let (header, header_length) = FrameHeader::decode(&frame.start)?;
        let (header_bytes, start) = frame.start.split_at(header_length);
        let came = (start.len() + frame.end.len()) as u64 + frame.hidden;
        let plain_start = unmasked(start, &header, 0);
        let plain_end = unmasked(&frame.end, &header, came - frame.end.len() as u64);
        let shown = [&plain_start[..], &plain_end].concat();
        let text = matches!(header.opcode, Opcode::Text | Opcode::Ping | Opcode::Pong)
            .then(|| readable(&plain_start, &plain_end, frame.hidden));
        let shorten = |start: &[u8], end: &[u8]| Shortened {
            start: hex(start),
            hidden: frame.hidden,
            end: hex(end),
        };
        let close = (header.opcode == Opcode::Close).then(|| close_of(&shown));
        let fault = frame.fault.as_ref().map(|fault| FaultView {
            sentence: fault.to_string(),
            rfc: fault.rfc_section(),
            code: fault.close_code().0,
        });
        let mut view = FrameView {
            from,
            name: name_of(header.opcode),
            opcode: header.opcode.bits(),
            fin: header.fin,
            length: header.payload_length.saturating_add(header_length as u64),
            payload_length: header.payload_length,
            missing: frame.missing,
            header: hex(header_bytes),
            fields: fields_of(&header, from),
            masking_key: header.masking_key.map(|key| hex(&key)),
            wire: shorten(start, &frame.end),
            payload: shorten(&plain_start, &plain_end),
            text,
            part: None,
            close,
            answers: None,
            fault,
            note: None,
            devtools: String::new(),
        };
        view.note = note_on(&view);
        view.devtools = in_devtools(&view);
        Some(view)
    }
}

/// `HTTP`, taken for a frame, has RSV1 set and opcode 8.
fn note_on(view: &FrameView) -> Option<String> {
    let said = view.text.as_deref().unwrap_or_default().to_ascii_lowercase();
    match (view.opcode, &*said) {
        (0x1, "ping" | "pong" | "close") => {
            let control = said.to_uppercase();
            Some(format!("a text message that says {said}; not a {control} frame"))
        }
        _ if view.header.starts_with("48 54") => {
            Some("these bytes are the letters HTTP: the peer is still talking HTTP".to_owned())
        }
        _ => None,
    }
}

/// Chromium's probe is called for whole text and binary messages only.
fn in_devtools(view: &FrameView) -> String {
    match (view.opcode, view.fin, &view.text) {
        _ if view.fault.is_some() || view.missing > 0 => "nothing but the end".to_owned(),
        (0x1, true, Some(text)) => {
            format!(
                "the text, length {} (UTF-16 units, as JavaScript counts)",
                text.encode_utf16().count()
            )
        }
        (0x2, true, _) => format!("Binary Message, {} B", view.payload_length),
        (0x0..=0x2, false, _) => "nothing yet: the message is not complete".to_owned(),
        (0x0, true, _) => "the whole message, as if it were one frame".to_owned(),
        (0x8, ..) => "nothing: that it closed, but not this frame".to_owned(),
        _ => "nothing: Ping and Pong are invisible".to_owned(),
    }
}

fn name_of(opcode: Opcode) -> String {
    match opcode {
        Opcode::Reserved(bits) => format!("RESERVED {bits}"),
        other => other.to_string().to_uppercase(),
    }
}

/// The fields of a header, as in the picture of RFC 6455 section 5.2.
fn fields_of(header: &FrameHeader, from: Side) -> Vec<Field> {
    let bit = |set: bool| if set { "1" } else { "0" }.to_owned();
    let mut fields = vec![
        Field {
            name: "FIN",
            at: 0,
            bytes: 1,
            bits: format!("{}... ....", u8::from(header.fin)),
            value: bit(header.fin),
            meaning: match (header.fin, header.opcode.is_control()) {
                (true, true) => "control frames are never fragmented",
                (true, false) => "last frame of this message",
                (false, _) => "more frames of this message follow",
            }
            .to_owned(),
        },
        Field {
            name: "RSV",
            at: 0,
            bytes: 1,
            bits: format!(".{:03b} ....", header.rsv),
            value: format!("{:03b}", header.rsv),
            meaning: if header.rsv == 0 {
                "no extension in use".to_owned()
            } else {
                "set, though no extension was agreed on".to_owned()
            },
        },
        Field {
            name: "opcode",
            at: 0,
            bytes: 1,
            bits: format!(".... {:04b}", header.opcode.bits()),
            value: header.opcode.bits().to_string(),
            meaning: header.opcode.to_string(),
        },
        Field {
            name: "MASK",
            at: 1,
            bytes: 1,
            bits: format!("{}... ....", u8::from(header.masking_key.is_some())),
            value: bit(header.masking_key.is_some()),
            meaning: match (from, header.masking_key.is_some()) {
                (Side::Client, true) => "a client must mask every frame",
                (Side::Client, false) => "not masked, though a client must",
                (Side::Server, false) => "a server never masks",
                (Side::Server, true) => "masked, though a server must not",
            }
            .to_owned(),
        },
    ];
    let seven = match header.length_form {
        LengthForm::Bits7 => header.payload_length as u8,
        LengthForm::Bits16 => 126,
        LengthForm::Bits64 => 127,
    };
    let extended = match header.length_form {
        LengthForm::Bits7 => 0,
        LengthForm::Bits16 => 2,
        LengthForm::Bits64 => 8,
    };
    fields.push(Field {
        name: "length",
        at: 1,
        bytes: 1,
        bits: format!(".{:03b} {:04b}", seven >> 4, seven & 0x0f),
        value: seven.to_string(),
        meaning: match extended {
            0 => format!("{seven} bytes of payload"),
            _ => format!("the length is in the next {extended} bytes"),
        },
    });
    if extended > 0 {
        fields.push(Field {
            name: "extended length",
            at: 2,
            bytes: extended,
            bits: String::new(),
            value: header.payload_length.to_string(),
            meaning: format!("{} bytes of payload, high byte first", header.payload_length),
        });
    }
    if let Some(key) = header.masking_key {
        fields.push(Field {
            name: "masking key",
            at: 2 + extended,
            bytes: 4,
            bits: String::new(),
            value: hex(&key),
            meaning: "random, new for every frame".to_owned(),
        });
    }
    fields
}

/// Part of a payload, unmasked; its first byte is the payload's byte `at`.
fn unmasked(part: &[u8], header: &FrameHeader, at: u64) -> Vec<u8> {
    let mut plain = part.to_vec();
    if let Some(mut key) = header.masking_key {
        key.rotate_left((at % 4) as usize);
        mask(&mut plain, key);
    }
    plain
}

fn readable(start: &[u8], end: &[u8], hidden: u64) -> String {
    let mut text = String::from_utf8_lossy(start).into_owned();
    if hidden > 0 {
        text.push('…');
    }
    text.push_str(&String::from_utf8_lossy(end));
    text
}

fn close_of(body: &[u8]) -> CloseView {
    let (code, reason) = match body {
        [high, low, reason @ ..] => (CloseCode(u16::from_be_bytes([*high, *low])), reason),
        _ => (CloseCode::NO_CODE, &[][..]),
    };
    let reason = String::from_utf8_lossy(reason).into_owned();
    CloseView { code: code.0, name: code.name(), reason, answer: false }
}

/// Bytes as `48 65 6c 6c 6f`.
pub fn hex(bytes: &[u8]) -> String {
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(" ")
}

/// The rule that a frame breaks by itself, whatever came before it.
pub fn fault_in(frame: &CutFrame, from: Side) -> Option<Fault> {
    let (header, _) = FrameHeader::decode(&frame.start)?;
    match (header.check().err(), from) {
        // What a client must do, a server must not.
        (Some(Fault::NotMasked), Side::Server) => {
            let masked = FrameHeader { masking_key: Some([0; 4]), ..header };
            masked.check().err()
        }
        (fault, _) => fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Frame;

    const KEY: Option<[u8; 4]> = Some([0x37, 0xfa, 0x21, 0x3d]);

    fn view(from: Side, bytes: &[u8]) -> FrameView {
        let frame = CutFrame { start: bytes.to_vec(), ..CutFrame::default() };
        FrameView::of(from, &frame).expect("a header")
    }

    #[test]
    fn the_rfcs_keys_and_their_answers() {
        let first = AcceptKey::of("dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(first.sha1, "b3 7a 4f 2c c0 62 4f 16 90 f6 46 06 cf 38 59 45 b2 be c4 ea");
        assert_eq!(first.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(
            AcceptKey::of("AQIDBAUGBwgJCgsMDQ4PEA==").accept,
            "C/0nmHhBztSRGR1CwL6Tf4ZjwpY="
        );
        // The same as the server answers.
        let key = "AQIDBAUGBwgJCgsMDQ4PEC==";
        let served = tungstenite::handshake::derive_accept_key(key.as_bytes());
        assert_eq!(AcceptKey::of(key).accept, served);
    }

    #[test]
    fn a_masked_hello() {
        let hello = view(Side::Client, &Frame::new(Opcode::Text, KEY, b"Hello").encode());
        assert_eq!(hello.header, "81 85 37 fa 21 3d");
        assert_eq!(hello.masking_key.as_deref(), Some("37 fa 21 3d"));
        assert_eq!(hello.wire.start, "7f 9f 4d 51 58");
        assert_eq!(hello.payload.start, "48 65 6c 6c 6f");
        assert_eq!(hello.text.as_deref(), Some("Hello"));
        let bits: Vec<_> = hello.fields.iter().map(|field| (field.name, &*field.bits)).collect();
        assert_eq!(
            bits,
            [
                ("FIN", "1... ...."),
                ("RSV", ".000 ...."),
                ("opcode", ".... 0001"),
                ("MASK", "1... ...."),
                ("length", ".000 0101"),
                ("masking key", "")
            ]
        );
    }

    #[test]
    fn the_end_of_a_long_payload_is_unmasked_from_its_place() {
        let payload: Vec<u8> = (0..5003_u32).map(|n| n as u8).collect();
        let whole = Frame::new(Opcode::Binary, KEY, &payload).encode();
        let mut frames = Vec::new();
        crate::tap::FrameCutter::default().feed(&whole, |frame| frames.push(frame));
        let view = FrameView::of(Side::Client, &frames[0]).expect("a header");
        assert!(view.payload.hidden > 0);
        assert_eq!(view.payload.end, hex(&payload[payload.len() - 64..]));
        assert!(view.payload.start.starts_with("00 01 02 03"));
    }

    #[test]
    fn notes_on_what_is_easily_mistaken() {
        let note = |bytes: &[u8]| view(Side::Client, bytes).note;
        let text = |text: &[u8]| Frame::new(Opcode::Text, KEY, text).encode();
        let ping = "a text message that says ping; not a PING frame";
        assert_eq!(note(&text(b"Ping")).as_deref(), Some(ping));
        assert_eq!(note(&text(b"pin")), None);
        assert_eq!(note(&Frame::new(Opcode::Ping, KEY, b"ping").encode()), None);
        assert!(note(b"HTTP/1.1 200 OK").is_some_and(|note| note.contains("still talking HTTP")));
    }

    #[test]
    fn a_close_and_what_it_says() {
        let close =
            |body: &[u8]| view(Side::Client, &Frame::new(Opcode::Close, KEY, body).encode()).close;
        let bye = close(b"\x03\xe9bye").expect("a Close");
        assert_eq!((bye.code, bye.name, &*bye.reason), (1001, "going away", "bye"));
        assert_eq!(close(b"").map(|close| close.code), Some(1005));
    }
}
