//! A frame taken apart: its fields with bytes, bits and meanings, its payload masked and unmasked.

use serde::Serialize;

use super::fields::{Field, fields_of};
use super::json::{as_bits, as_hex, exact, key_as_hex};
use crate::protocol::{CloseCode, Fault, FrameHeader, Opcode, Side, mask};
use crate::tap::capture::CapturedFrame;

/// A frame, taken apart.
#[derive(Debug, Clone, Serialize)]
pub struct FrameView {
    /// The side that sent it.
    pub from: Side,
    /// `TEXT`, `CONTINUATION`, `BINARY`, `CLOSE`, `PING`, `PONG`, or `RESERVED 3`.
    pub name: String,
    /// The opcode. In JSON it is the number of its four bits.
    #[serde(serialize_with = "as_bits")]
    pub opcode: Opcode,
    /// Whether it is the last of its message.
    pub fin: bool,
    /// Bytes of header and payload, as the header announces them.
    #[serde(serialize_with = "exact")]
    pub length: u64,
    /// Bytes of payload, as the header announces them.
    #[serde(serialize_with = "exact")]
    pub payload_length: u64,
    /// Bytes of payload that the header announced and that never came. In JSON it is `missing`.
    #[serde(rename = "missing", serialize_with = "exact")]
    pub never_received: u64,
    /// The header. In JSON it is hex.
    #[serde(serialize_with = "as_hex")]
    pub header: Vec<u8>,
    /// The fields of the header.
    pub fields: Vec<Field>,
    /// The masking key. In JSON it is hex.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "key_as_hex")]
    pub masking_key: Option<[u8; 4]>,
    /// The payload as it crossed the wire.
    pub wire: Elided,
    /// The payload unmasked.
    pub payload: Elided,
    /// The shown part of the payload as text, in a text message, a Ping or a Pong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The place of the frame in its message, if that has several frames.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<FragmentInfo>,
    /// In a Close: the code and the reason. The code is 1005 if there is none, and `close` is `None`
    /// if there is half a code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub close: Option<CloseView>,
    /// In a Pong: the Ping that it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answers: Option<PongMatch>,
    /// The rule that the frame breaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<FaultView>,
    /// A mistake that people make easily, if the frame looks like it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The part of the frame that Chromium's developer tools show in their "Messages" list.
    pub devtools: String,
}

/// The bytes of a payload. The middle of a long one is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Elided {
    /// The first bytes. In JSON they are hex.
    #[serde(serialize_with = "as_hex")]
    pub start: Vec<u8>,
    /// Bytes between `start` and `end` that are left out. In JSON it is `hidden`.
    #[serde(rename = "hidden", serialize_with = "exact")]
    pub omitted: u64,
    /// The last bytes. In JSON they are hex.
    #[serde(serialize_with = "as_hex")]
    pub end: Vec<u8>,
}

/// A fragment's place in its message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FragmentInfo {
    /// 1 for the first fragment.
    pub part: u64,
    /// The number of the event that shows the first fragment.
    pub first: u64,
    /// Whether this is the last fragment.
    pub last: bool,
    /// Bytes of the message so far.
    #[serde(serialize_with = "exact")]
    pub message_length: u64,
    /// The whole message, in the last fragment of a short text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// The code and the reason in a Close frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CloseView {
    /// The code.
    pub code: u16,
    /// The registered name of the code.
    pub name: &'static str,
    /// The meaning of the code in plain words.
    pub meaning: &'static str,
    /// The reason.
    pub reason: String,
    /// Whether the frame answers a Close of the other side.
    pub answer: bool,
}

/// The Ping that a Pong answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PongMatch {
    /// The number of the event that shows the Ping.
    pub ping: u64,
    /// The time between the two, in milliseconds.
    pub milliseconds: f64,
}

/// A rule that a frame breaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FaultView {
    /// What is wrong, as a sentence.
    pub sentence: String,
    /// The section of RFC 6455 that has the rule, such as `5.5.1`.
    pub rfc: &'static str,
    /// The close code for the fault.
    pub code: u16,
}

impl FaultView {
    fn of(fault: &Fault) -> FaultView {
        FaultView {
            sentence: fault.to_string(),
            rfc: fault.rfc_section(),
            code: fault.close_code().0,
        }
    }
}

impl FrameView {
    /// Takes a frame apart by itself, without the frames before it.
    pub fn of(from: Side, frame: &CapturedFrame) -> FrameView {
        let header = &frame.header;
        let mut header_bytes = Vec::with_capacity(FrameHeader::MAX_LEN);
        header.encode(&mut header_bytes);
        let end_at = frame.received() - frame.end.len() as u64;
        let start = unmasked(&frame.start, header, 0);
        let end = unmasked(&frame.end, header, end_at);
        let text = matches!(header.opcode, Opcode::Text | Opcode::Ping | Opcode::Pong)
            .then(|| readable(&start, &end, frame.omitted));
        // A Close is never so long that its middle is left out.
        let close = (header.opcode == Opcode::Close).then(|| close_of(&start)).flatten();
        let mut view = FrameView {
            from,
            name: name_of(header.opcode),
            opcode: header.opcode,
            fin: header.fin,
            length: header.payload_length.saturating_add(header_bytes.len() as u64),
            payload_length: header.payload_length,
            never_received: frame.never_received,
            header: header_bytes,
            fields: fields_of(header, from),
            masking_key: header.masking_key,
            wire: Elided {
                start: frame.start.clone(),
                omitted: frame.omitted,
                end: frame.end.clone(),
            },
            payload: Elided { start, omitted: frame.omitted, end },
            text,
            part: None,
            close,
            answers: None,
            fault: frame.fault.as_ref().map(FaultView::of),
            note: None,
            devtools: String::new(),
        };
        view.note = note_on(&view);
        view.devtools = in_devtools(&view);
        view
    }

    /// The bytes of memory that it takes, roughly. They depend on the payload; the fields, which are
    /// few, count for what they usually take.
    pub fn memory(&self) -> usize {
        const TEXTS_OF_A_FIELD: usize = 64;
        let payloads = [&self.wire, &self.payload];
        let payloads: usize =
            payloads.iter().map(|bytes| bytes.start.len() + bytes.end.len()).sum();
        let message = self.part.as_ref().and_then(|part| part.message.as_ref());
        let texts = [self.text.as_ref(), message, self.note.as_ref(), Some(&self.devtools)];
        let texts: usize = texts.into_iter().flatten().map(String::len).sum();
        let fields = self.fields.len() * (size_of::<Field>() + TEXTS_OF_A_FIELD);
        size_of::<FrameView>() + payloads + texts + fields
    }
}

/// A note on a mistake that people make easily: they send the word "ping" as text and expect a Pong, or
/// go on with HTTP. (The letters `HTTP`, read as a frame, have RSV1 set and opcode 8.)
fn note_on(view: &FrameView) -> Option<String> {
    let said = view.text.as_deref().unwrap_or_default().to_ascii_lowercase();
    match (view.opcode, &*said) {
        (Opcode::Text, "ping" | "pong" | "close") => {
            let control = said.to_uppercase();
            Some(format!("a text message that says {said}; not a {control} frame"))
        }
        _ if view.header.starts_with(b"HT") => {
            Some("these bytes are the letters HTTP: the peer is still talking HTTP".to_owned())
        }
        _ => None,
    }
}

/// The frame in Chromium's developer tools, which show only whole text and binary messages.
fn in_devtools(view: &FrameView) -> String {
    use Opcode::{Binary, Close, Continuation, Text};
    match (view.opcode, view.fin, &view.text) {
        _ if view.fault.is_some() || view.never_received > 0 => "nothing but the end".to_owned(),
        (Text, true, Some(text)) => {
            let length = text.encode_utf16().count();
            format!("the text, length {length} (UTF-16 units, as JavaScript counts)")
        }
        (Binary, true, _) => format!("Binary Message, {} B", view.payload_length),
        (Continuation | Text | Binary, false, _) => {
            "nothing yet: the message is not complete".to_owned()
        }
        (Continuation, true, _) => "the whole message, as if it were one frame".to_owned(),
        (Close, ..) => "nothing: that it closed, but not this frame".to_owned(),
        _ => "nothing: Ping and Pong are invisible".to_owned(),
    }
}

fn name_of(opcode: Opcode) -> String {
    match opcode {
        Opcode::Reserved(bits) => format!("RESERVED {bits}"),
        other => other.to_string().to_uppercase(),
    }
}

/// Unmasks `piece`, which begins at byte `at` of the payload.
fn unmasked(piece: &[u8], header: &FrameHeader, at: u64) -> Vec<u8> {
    let mut unmasked = piece.to_vec();
    if let Some(mut key) = header.masking_key {
        key.rotate_left((at % 4) as usize);
        mask(&mut unmasked, key);
    }
    unmasked
}

fn readable(start: &[u8], end: &[u8], omitted: u64) -> String {
    let mut text = String::from_utf8_lossy(start).into_owned();
    if omitted > 0 {
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
    let (name, meaning) = (code.name(), code.meaning());
    Some(CloseView { code: code.0, name, meaning, reason, answer: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Frame;
    use crate::protocol::parser::FrameParser;
    use crate::tap::capture::FrameCapture;

    const KEY: Option<[u8; 4]> = Some([0x37, 0xfa, 0x21, 0x3d]);

    fn view(from: Side, bytes: &[u8]) -> FrameView {
        let mut capture = FrameCapture::default();
        let mut complete = None;
        FrameParser::default().feed(bytes, |part| complete = capture.take(part));
        let frame = complete.or(capture.take_unfinished()).expect("a header");
        FrameView::of(from, &frame)
    }

    #[test]
    fn a_masked_hello_has_its_fields_and_both_payloads() {
        let hello = view(Side::Client, &Frame::new(Opcode::Text, KEY, b"Hello").encode());
        assert_eq!(hello.header, [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d]);
        assert_eq!(hello.masking_key, KEY);
        assert_eq!(hello.wire.start, [0x7f, 0x9f, 0x4d, 0x51, 0x58]);
        assert_eq!(hello.payload.start, b"Hello");
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
    fn bytes_are_hex_in_json() {
        let hello = Frame::new(Opcode::Text, KEY, b"Hello").encode();
        let mut json = serde_json::to_value(view(Side::Client, &hello)).unwrap();
        json.as_object_mut().unwrap().remove("fields");
        let expected = serde_json::json!({
            "from": "client", "name": "TEXT", "opcode": 1, "fin": true,
            "length": 11, "payload_length": 5, "missing": 0,
            "header": "81 85 37 fa 21 3d", "masking_key": "37 fa 21 3d",
            "wire": { "start": "7f 9f 4d 51 58", "hidden": 0, "end": "" },
            "payload": { "start": "48 65 6c 6c 6f", "hidden": 0, "end": "" },
            "text": "Hello",
            "devtools": "the text, length 5 (UTF-16 units, as JavaScript counts)",
        });
        assert_eq!(json, expected);
        let unmasked = Frame::new(Opcode::Text, None, b"Hello").encode();
        let json = serde_json::to_value(view(Side::Server, &unmasked)).unwrap();
        assert!(json.get("masking_key").is_none());
    }

    #[test]
    fn a_length_that_javascript_would_round_is_a_string_in_json() {
        let mut header = Vec::new();
        for (length, json) in [
            ((1 << 53) - 1, serde_json::json!(9_007_199_254_740_991_u64)),
            (1 << 53, serde_json::json!("9007199254740992")),
        ] {
            header.clear();
            FrameHeader::new(Opcode::Binary, None, length).encode(&mut header);
            let view = serde_json::to_value(view(Side::Server, &header)).unwrap();
            assert_eq!((&view["payload_length"], &view["missing"]), (&json, &json));
        }
    }

    #[test]
    fn the_end_of_a_long_payload_is_unmasked_from_its_place() {
        let payload: Vec<u8> = (0..5003_u32).map(|n| n as u8).collect();
        let view = view(Side::Client, &Frame::new(Opcode::Binary, KEY, &payload).encode());
        assert!(view.payload.omitted > 0);
        assert_eq!(view.payload.end, payload[payload.len() - 64..]);
        assert!(view.payload.start.starts_with(&[0, 1, 2, 3]));
    }

    #[test]
    fn a_note_names_what_is_easily_mistaken() {
        let note = |bytes: &[u8]| view(Side::Client, bytes).note;
        let text = |text: &[u8]| Frame::new(Opcode::Text, KEY, text).encode();
        let ping = "a text message that says ping; not a PING frame";
        assert_eq!(note(&text(b"Ping")).as_deref(), Some(ping));
        assert_eq!(note(&text(b"pin")), None);
        assert_eq!(note(&Frame::new(Opcode::Ping, KEY, b"ping").encode()), None);
        assert!(note(b"HTTP/1.1 200 OK").is_some_and(|note| note.contains("still talking HTTP")));
    }

    #[test]
    fn a_close_has_a_code_a_name_and_a_reason() {
        let close =
            |body: &[u8]| view(Side::Client, &Frame::new(Opcode::Close, KEY, body).encode()).close;
        let bye = close(b"\x03\xe9bye").expect("a Close");
        assert_eq!((bye.code, bye.name, &*bye.reason), (1001, "going away", "bye"));
        let empty = close(b"").expect("a Close");
        assert_eq!((empty.code, empty.name), (1005, "no status received"));
        assert_eq!(empty.meaning, "the Close frame had no code");
        assert_eq!(close(b"\x03"), None);
    }
}
