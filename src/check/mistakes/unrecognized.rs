//! What can be said of an answer that is none of the mistakes with a name.

use crate::check::client::{Heard, close_code};
use crate::close::CloseCode;
use crate::frame::Opcode;

/// What came, where it is none of the mistakes that have a name.
pub fn of_what_came(heard: &Heard, raw: &[u8], opcode: Opcode, payload: &[u8]) -> String {
    let wanted = match opcode {
        Opcode::Pong => "a Pong",
        Opcode::Close => "a Close",
        _ => "the message",
    };
    match heard {
        Heard::Nonsense if raw.starts_with(b"HTTP") => {
            "After the 101 your server still speaks HTTP: the bytes 48 54 54 50 spell \"HTTP\". From the \
             blank line on there are only frames."
                .to_owned()
        }
        Heard::Nonsense => "What came is no frame, or far too much.".to_owned(),
        Heard::Silence if raw.is_empty() => format!(
            "Nothing came, and the connection stayed open. Your server did not see the frame as \
             complete, or did not send {wanted} back."
        ),
        Heard::Silence => format!(
            "Part of a frame came, and then nothing: its header promises more than followed, or {wanted} \
             is still waited for."
        ),
        Heard::Ended if raw.is_empty() => format!(
            "Your server ended the connection instead of sending {wanted}. Look at what it wrote on its \
             own console: an error, perhaps, or a thread that stopped."
        ),
        Heard::Ended => "Your server ended the connection in the middle of this.".to_owned(),
        Heard::Close(body) => match close_code(body) {
            Some(code) if code == CloseCode::INVALID_DATA => {
                "Your server closed with 1007: it took this for text that is not UTF-8. So what it looked at \
                 is not what was sent: which length did it read, and which key did it unmask with?"
                    .to_owned()
            }
            Some(code) => format!("Your server closed with {code} here, where nothing was wrong."),
            None => "Your server closed here, where nothing was wrong.".to_owned(),
        },
        Heard::Control(Opcode::Reserved(bits), _) => {
            format!("A frame with opcode {bits:x} came. That opcode means nothing.")
        }
        Heard::Control(found, _) if *found == opcode => {
            format!("A {found} came, but not with the payload that it should have.")
        }
        Heard::Control(found, _) => format!("A {found} came, and not {wanted}."),
        Heard::Message(_, found) => of_another_message(found, payload),
    }
}

fn of_another_message(found: &[u8], payload: &[u8]) -> String {
    let text = String::from_utf8_lossy(found);
    let looks_like_an_object =
        ["[object", "Text(", "Binary(", "b'", "<Buffer", "<_io", "bytearray("]
            .iter()
            .any(|start| text.starts_with(start));
    if looks_like_an_object {
        return "You sent back the description of an object, not what is in it: take the text or the \
                bytes out of the message first."
            .to_owned();
    }
    let contains = found.windows(payload.len().max(1)).any(|window| window == payload);
    if contains && found.len() > payload.len() && !payload.is_empty() {
        return "The message came back with something added: a name, or a line end? These steps need it \
                back exactly as it was sent. If your server is a chat, test it with --no-echo."
            .to_owned();
    }
    if payload.starts_with(found) && !found.is_empty() {
        return format!(
            "Only {} of {} bytes came back. Was one recv, or one data event, taken for the whole frame? Read \
             on until the length that the header says.",
            found.len(),
            payload.len()
        );
    }
    if text.contains('\u{fffd}') && !payload.windows(3).any(|bytes| bytes == "\u{fffd}".as_bytes())
    {
        return "The bytes were decoded as text on the way, and what is no UTF-8 became U+FFFD (ef bf bd). Keep \
                a payload as bytes until it is unmasked, and a binary message for ever."
            .to_owned();
    }
    "Another message came than was sent. Was it unmasked with the right key, from the right byte on? If your \
     server answers in words of its own, test it with --no-echo."
        .to_owned()
}
