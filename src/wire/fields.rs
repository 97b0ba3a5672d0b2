//! The fields of a frame's header, in the order of the picture in RFC 6455 section 5.2.

use serde::Serialize;

use crate::protocol::{FrameHeader, LengthForm, Side};
use crate::text::hex;

/// A field of a frame's header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Field {
    /// Its name in RFC 6455 section 5.2.
    pub name: &'static str,
    /// The position of its first byte in the frame; the first is 0.
    pub at: usize,
    /// The number of bytes that it fills, or of which it has some bits.
    pub bytes: usize,
    /// Its bits within its byte, as in `1... ....`. Empty for a field of whole bytes.
    pub bits: String,
    /// Its value.
    pub value: String,
    /// The meaning of its value.
    pub meaning: String,
}

/// Takes a header apart.
pub(super) fn fields_of(header: &FrameHeader, from: Side) -> Vec<Field> {
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
            0 if seven == 1 => "1 byte of payload".to_owned(),
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
