//! Explanations for an answer that shows none of the known mistakes.

use crate::check::received::{Received, close_code};
use crate::protocol::CloseCode;
use crate::protocol::Opcode;

/// Explains an answer: `received`, which came as the bytes `raw`, instead of a frame with `opcode` and `payload`.
pub fn explain(received: &Received, raw: &[u8], opcode: Opcode, payload: &[u8]) -> String {
    let wanted = match opcode {
        Opcode::Pong => "a Pong",
        Opcode::Close => "a Close",
        _ => "the message",
    };
    match received {
        Received::NotFrames if raw.starts_with(b"HTTP") => {
            "Your server still speaks HTTP after the 101: the bytes 48 54 54 50 spell \"HTTP\". After the blank \
             line of the response it must send frames and nothing else."
                .to_owned()
        }
        Received::NotFrames => "The answer is not a frame, or it is far too long.".to_owned(),
        Received::Silence if raw.is_empty() => format!(
            "Nothing came, and the connection stayed open. Either your server still waits for more of the frame, \
             or it did not send {wanted} back."
        ),
        Received::Silence => format!(
            "Part of a frame came, and then nothing. Either its header announces more bytes than followed, or \
             your server did not send {wanted}."
        ),
        Received::Ended if raw.is_empty() => format!(
            "Your server ended the connection and did not send {wanted}. Look at what it wrote on its own console: \
             perhaps an error, or the end of a thread."
        ),
        Received::Ended => "Your server ended the connection before its answer was complete.".to_owned(),
        Received::Close(body) => match close_code(body) {
            Some(code) if code == CloseCode::INVALID_PAYLOAD_DATA => format!(
                "Your server closed with code {}, because it found text that is not UTF-8. The client did not send \
                 such text. Which length did your server read, and with which key did it unmask?",
                code.0
            ),
            Some(code) => {
                format!("Your server closed with code {code}, though the client did nothing wrong.")
            }
            None => "Your server closed, though the client did nothing wrong.".to_owned(),
        },
        Received::Control(Opcode::Reserved(bits), _) => {
            format!("A frame with opcode {bits:x} came. That opcode has no meaning.")
        }
        Received::Control(found, _) if *found == opcode => {
            format!("A {found} came, but its payload is not the expected one.")
        }
        Received::Control(found, _) => format!("A {found} came, and not {wanted}."),
        Received::Message(_, found) => explain_message(found, payload),
    }
}

/// The beginnings of texts that libraries print for a message object, when a program sends the object and not its
/// content.
const OBJECTS: [&str; 7] = ["[object", "Text(", "Binary(", "b'", "<Buffer", "<_io", "bytearray("];

/// U+FFFD, which a decoder puts in place of bytes that are not UTF-8.
const REPLACEMENT: &str = "\u{fffd}";

fn explain_message(found: &[u8], payload: &[u8]) -> String {
    let text = String::from_utf8_lossy(found);
    if OBJECTS.iter().any(|start| text.starts_with(start)) {
        return "You sent back the description of an object, and not its content. Take the text or the bytes out \
                of the message object first."
            .to_owned();
    }
    let contains = found.windows(payload.len().max(1)).any(|window| window == payload);
    if contains && found.len() > payload.len() && !payload.is_empty() {
        return "The message came back with something added: a name, or a line end? The check needs each message \
                back exactly as it was sent. If your server is a chat, test it with --no-echo."
            .to_owned();
    }
    if payload.starts_with(found) && !found.is_empty() {
        return format!(
            "Only {} of {} bytes came back. Did your server treat one recv, or one data event, as the whole \
             frame? Read on until you have as many bytes as the header says.",
            found.len(),
            payload.len()
        );
    }
    let had_replacement = payload.windows(3).any(|bytes| bytes == REPLACEMENT.as_bytes());
    if text.contains(REPLACEMENT) && !had_replacement {
        return "Your server decoded the bytes as text, and what was not UTF-8 became U+FFFD (ef bf bd). Keep a \
                payload as bytes until it is unmasked. Keep the payload of a binary message as bytes always."
            .to_owned();
    }
    "The message that came back is not the one that was sent. Did your server unmask it with the right key, \
     starting at the right byte? If your server answers with messages of its own, test it with --no-echo."
        .to_owned()
}
