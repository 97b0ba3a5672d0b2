//! A frame: its fields with their bytes, bits and meanings, its payload masked and unmasked.

use serde::Serialize;

use super::exact;
use super::fields::{Field, fields_of};
use crate::protocol::CloseCode;
use crate::protocol::Side;
use crate::protocol::{FrameHeader, Opcode, mask};
use crate::tap::capture::CapturedFrame;
use crate::text::hex;

/// Bytes, shortened in the middle if there are many.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Elided {
    /// The first bytes, in hex.
    pub start: String,
    /// Bytes not shown.
    #[serde(serialize_with = "exact")]
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
    #[serde(serialize_with = "exact")]
    pub length: u64,
    /// Bytes of payload, as announced.
    #[serde(serialize_with = "exact")]
    pub payload_length: u64,
    /// Bytes that were announced and never came.
    #[serde(serialize_with = "exact")]
    pub missing: u64,
    /// The header, in hex.
    pub header: String,
    /// The fields of the header.
    pub fields: Vec<Field>,
    /// The masking key, in hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub masking_key: Option<String>,
    /// The payload as it crossed the wire.
    pub wire: Elided,
    /// The payload unmasked.
    pub payload: Elided,
    /// The payload as text, where it is meant to be text: the shown part of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The message it is part of, when that has several frames.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<FragmentInfo>,
    /// In a Close: the code and what it means. 1005 where there is none, nothing where there is
    /// half of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub close: Option<CloseView>,
    /// In a Pong: the Ping it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answers: Option<PongMatch>,
    /// The rule it breaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<FaultView>,
    /// Something that is easily got wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// WireEventKind the "Messages" list of Chromium's developer tools shows of it.
    pub devtools: String,
}

/// A fragment's place in its message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FragmentInfo {
    /// 1 for the first.
    pub part: u64,
    /// The event that has the first part.
    pub first: u64,
    /// Whether this is the last.
    pub last: bool,
    /// Bytes of the message so far.
    #[serde(serialize_with = "exact")]
    pub message_length: u64,
    /// The whole message, when it is complete, is text and is short enough to have been kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// WireEventKind a Close frame says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CloseView {
    /// The code.
    pub code: u16,
    /// WireEventKind it means.
    pub name: &'static str,
    /// The reason.
    pub reason: String,
    /// Whether the other side had sent a Close before.
    pub answer: bool,
}

/// The Ping that a Pong answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PongMatch {
    /// The event that has the Ping.
    pub ping: u64,
    /// The time between the two, in milliseconds.
    pub milliseconds: f64,
}

/// A broken rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FaultView {
    /// WireEventKind is wrong.
    pub sentence: String,
    /// The section of RFC 6455.
    pub rfc: &'static str,
    /// The close code for it.
    pub code: u16,
}

impl FrameView {
    /// Takes a frame apart by itself. `None` when not even its header is there.
    pub fn of(from: Side, frame: &CapturedFrame) -> Option<FrameView> {
        let (header, header_length) = FrameHeader::decode(&frame.start)?;
        let (header_bytes, start) = frame.start.split_at(header_length);
        let came = (start.len() + frame.end.len()) as u64 + frame.hidden;
        let plain_start = unmasked(start, &header, 0);
        let plain_end = unmasked(&frame.end, &header, came - frame.end.len() as u64);
        let shown = [&plain_start[..], &plain_end].concat();
        let text = matches!(header.opcode, Opcode::Text | Opcode::Ping | Opcode::Pong)
            .then(|| readable(&plain_start, &plain_end, frame.hidden));
        let shorten = |start: &[u8], end: &[u8]| Elided {
            start: hex(start),
            hidden: frame.hidden,
            end: hex(end),
        };
        let close = (header.opcode == Opcode::Close).then(|| close_of(&shown)).flatten();
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

/// FragmentInfo of a payload, unmasked; its first byte is the payload's byte `at`.
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

fn close_of(body: &[u8]) -> Option<CloseView> {
    let (code, reason) = match body {
        [high, low, reason @ ..] => (CloseCode(u16::from_be_bytes([*high, *low])), reason),
        [_] => return None,
        [] => (CloseCode::NO_STATUS_RECEIVED, &[][..]),
    };
    let reason = String::from_utf8_lossy(reason).into_owned();
    Some(CloseView { code: code.0, name: code.name(), reason, answer: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Frame;

    const KEY: Option<[u8; 4]> = Some([0x37, 0xfa, 0x21, 0x3d]);

    fn view(from: Side, bytes: &[u8]) -> FrameView {
        let frame = CapturedFrame { start: bytes.to_vec(), ..CapturedFrame::default() };
        FrameView::of(from, &frame).expect("a header")
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
        crate::tap::capture::FrameCapture::default().feed(&whole, |frame| frames.push(frame));
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
        assert_eq!(close(b"\x03"), None);
    }
}
