//! One frame, by hand: its header, its masking, in bytes and back (RFC 6455 section 5.2).
//!
//! ```text
//!   0                   1                   2                   3
//!   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//!  +-+-+-+-+-------+-+-------------+-------------------------------+
//!  |F|R|R|R| opcode|M| payload len |   extended payload length     |
//!  |I|S|S|S|  (4)  |A|     (7)     |   16 bits if payload len=126  |
//!  |N|V|V|V|       |S|             |   64 bits if payload len=127  |
//!  | |1|2|3|       |K|             |                               |
//!  +-+-+-+-+-------+-+-------------+ - - - - - - - - - - - - - - - +
//!  |        masking key (32 bits), only if MASK is 1               |
//!  +---------------------------------------------------------------+
//!  |        payload, masked with the key if there is one           |
//!  +---------------------------------------------------------------+
//! ```
//!
//! Decoding describes what stands there, also when it breaks a rule; [`FrameHeader::check`]
//! says which. The server's messages are read by tungstenite; this module writes what the server
//! sends, and watches over what tungstenite is given (see [`cursor`](crate::cursor)).

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use crate::close::Fault;
use crate::config::COPY_BELOW;

/// What a frame is (RFC 6455 section 5.2, section 11.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Opcode {
    /// A further fragment of the open message.
    Continuation,
    /// A text message, or its first fragment.
    Text,
    /// A binary message, or its first fragment.
    Binary,
    /// The end of the connection.
    Close,
    /// A question that a Pong answers.
    Ping,
    /// The answer to a Ping.
    Pong,
    /// 3 to 7 and 11 to 15 have no meaning yet.
    Reserved(u8),
}

impl Opcode {
    /// The opcode of four bits; higher bits are ignored.
    pub fn from_bits(bits: u8) -> Opcode {
        match bits & 0x0f {
            0x0 => Opcode::Continuation,
            0x1 => Opcode::Text,
            0x2 => Opcode::Binary,
            0x8 => Opcode::Close,
            0x9 => Opcode::Ping,
            0xa => Opcode::Pong,
            reserved => Opcode::Reserved(reserved),
        }
    }

    /// The four bits of the opcode.
    pub fn bits(self) -> u8 {
        match self {
            Opcode::Continuation => 0x0,
            Opcode::Text => 0x1,
            Opcode::Binary => 0x2,
            Opcode::Close => 0x8,
            Opcode::Ping => 0x9,
            Opcode::Pong => 0xa,
            Opcode::Reserved(bits) => bits & 0x0f,
        }
    }

    /// Whether the frame is a control frame: at most 125 bytes, never fragmented, and allowed
    /// between the fragments of a message (RFC 6455 section 5.5).
    pub fn is_control(self) -> bool {
        self.bits() & 0x8 != 0
    }
}

impl fmt::Display for Opcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Opcode::Continuation => f.write_str("continuation"),
            Opcode::Text => f.write_str("text"),
            Opcode::Binary => f.write_str("binary"),
            Opcode::Close => f.write_str("Close"),
            Opcode::Ping => f.write_str("Ping"),
            Opcode::Pong => f.write_str("Pong"),
            Opcode::Reserved(bits) => write!(f, "reserved opcode {bits:#x}"),
        }
    }
}

/// How a frame's length is written: in the 7 bits, or in the 16 or 64 bits behind them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LengthForm {
    /// 0 to 125, in the second byte itself.
    Bits7,
    /// 126 to 65,535, in two bytes, high byte first.
    Bits16,
    /// 65,536 and more, in eight bytes, high byte first, highest bit 0.
    Bits64,
}

impl LengthForm {
    /// The shortest form that holds `length`, the only one that may be sent.
    pub fn shortest(length: u64) -> LengthForm {
        match length {
            0..=125 => LengthForm::Bits7,
            126..=0xffff => LengthForm::Bits16,
            _ => LengthForm::Bits64,
        }
    }

    /// The number of bits.
    pub fn bits(self) -> u8 {
        match self {
            LengthForm::Bits7 => 7,
            LengthForm::Bits16 => 16,
            LengthForm::Bits64 => 64,
        }
    }
}

/// Everything in a frame but its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// 1 in the last frame of a message, and in every control frame.
    pub fin: bool,
    /// RSV1, RSV2 and RSV3, as a number from 0 to 7. 0 unless an extension was agreed on.
    pub rsv: u8,
    /// What the frame is.
    pub opcode: Opcode,
    /// The key the payload is masked with: always there from a client, never from a server.
    pub masking_key: Option<[u8; 4]>,
    /// How the length is written.
    pub length_form: LengthForm,
    /// The length of the payload in bytes.
    pub payload_length: u64,
}

impl FrameHeader {
    /// The longest header there is: two bytes, eight of length, four of masking key.
    pub const MAX_LEN: usize = 14;

    /// The header of a frame that is a whole message, or a control frame.
    pub fn new(opcode: Opcode, masking_key: Option<[u8; 4]>, payload_length: u64) -> FrameHeader {
        let length_form = LengthForm::shortest(payload_length);
        FrameHeader { fin: true, rsv: 0, opcode, masking_key, length_form, payload_length }
    }

    /// Writes the header, from 2 to 14 bytes, as its fields say: also what no peer may send.
    pub fn encode(&self, out: &mut impl BufMut) {
        out.put_u8(u8::from(self.fin) << 7 | (self.rsv & 0x7) << 4 | self.opcode.bits());
        let mask = u8::from(self.masking_key.is_some()) << 7;
        match self.length_form {
            LengthForm::Bits7 => out.put_u8(mask | (self.payload_length & 0x7f) as u8),
            LengthForm::Bits16 => {
                out.put_u8(mask | 126);
                out.put_u16(self.payload_length as u16);
            }
            LengthForm::Bits64 => {
                out.put_u8(mask | 127);
                out.put_u64(self.payload_length);
            }
        }
        if let Some(key) = self.masking_key {
            out.put_slice(&key);
        }
    }

    /// Reads the header at the start of `bytes`, and says how long it is. `None` when it is not
    /// all there yet.
    pub fn decode(bytes: &[u8]) -> Option<(FrameHeader, usize)> {
        let &[first, second, ref rest @ ..] = bytes else { return None };
        let (length_form, payload_length, rest) = match second & 0x7f {
            126 => {
                let (length, rest) = rest.split_first_chunk()?;
                (LengthForm::Bits16, u64::from(u16::from_be_bytes(*length)), rest)
            }
            127 => {
                let (length, rest) = rest.split_first_chunk()?;
                (LengthForm::Bits64, u64::from_be_bytes(*length), rest)
            }
            length => (LengthForm::Bits7, u64::from(length), rest),
        };
        let (masking_key, rest) = if second & 0x80 != 0 {
            let (key, rest) = rest.split_first_chunk()?;
            (Some(*key), rest)
        } else {
            (None, rest)
        };
        let header = FrameHeader {
            fin: first & 0x80 != 0,
            rsv: first >> 4 & 0x7,
            opcode: Opcode::from_bits(first),
            masking_key,
            length_form,
            payload_length,
        };
        Some((header, bytes.len() - rest.len()))
    }

    /// The rules that hold for a frame from a client by itself, whatever came before it.
    ///
    /// # Errors
    /// The first rule broken, in this order: reserved bits, opcode, mask, control frame,
    /// length form. One frame that breaks several is told of the first.
    pub fn check(&self) -> Result<(), Fault> {
        if self.rsv != 0 {
            return Err(Fault::ReservedBits(self.rsv));
        }
        if let Opcode::Reserved(bits) = self.opcode {
            return Err(Fault::ReservedOpcode(bits));
        }
        if self.masking_key.is_none() {
            return Err(Fault::NotMasked);
        }
        if self.opcode.is_control() && !self.fin {
            return Err(Fault::FragmentedControl(self.opcode));
        }
        if self.opcode.is_control() && self.payload_length > 125 {
            return Err(Fault::LongControl(self.opcode, self.payload_length));
        }
        if self.length_form != LengthForm::shortest(self.payload_length) {
            return Err(Fault::LengthNotMinimal(self.payload_length, self.length_form.bits()));
        }
        if self.payload_length >> 63 != 0 {
            return Err(Fault::LengthTopBit);
        }
        Ok(())
    }
}

/// Masks `payload`, or unmasks it: the same XOR does both (RFC 6455 section 5.3).
///
/// ```
/// let mut payload = *b"Hello";
/// chalkwire::frame::mask(&mut payload, [0x37, 0xfa, 0x21, 0x3d]);
/// assert_eq!(payload, [0x7f, 0x9f, 0x4d, 0x51, 0x58]);
/// ```
pub fn mask(payload: &mut [u8], key: [u8; 4]) {
    for (byte, key) in payload.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

/// A frame with its payload, not masked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Everything but the payload.
    pub header: FrameHeader,
    /// What the frame carries, as its receiver sees it.
    pub payload: Vec<u8>,
}

impl Frame {
    /// A frame that is a whole message, or a control frame. A client gives a masking key, a
    /// server none.
    pub fn new(opcode: Opcode, masking_key: Option<[u8; 4]>, payload: &[u8]) -> Frame {
        Frame {
            header: FrameHeader::new(opcode, masking_key, payload.len() as u64),
            payload: payload.to_vec(),
        }
    }

    /// The frame's bytes as they cross the wire.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FrameHeader::MAX_LEN + self.payload.len());
        self.header.encode(&mut bytes);
        let payload_at = bytes.len();
        bytes.extend_from_slice(&self.payload);
        if let Some(key) = self.header.masking_key {
            mask(&mut bytes[payload_at..], key);
        }
        bytes
    }

    /// Reads the frame at the start of `bytes`, and says how many of them it took. `None` when
    /// it is not all there yet.
    pub fn decode(bytes: &[u8]) -> Option<(Frame, usize)> {
        let (header, payload_at) = FrameHeader::decode(bytes)?;
        let length = usize::try_from(header.payload_length).ok()?;
        let end = payload_at.checked_add(length)?;
        let mut payload = bytes.get(payload_at..end)?.to_vec();
        if let Some(key) = header.masking_key {
            mask(&mut payload, key);
        }
        Some((Frame { header, payload }, end))
    }
}

/// Appends a whole frame from the server: FIN 1, not masked.
pub fn encode_unmasked(opcode: Opcode, payload: &[u8], out: &mut BytesMut) {
    out.reserve(FrameHeader::MAX_LEN + payload.len());
    FrameHeader::new(opcode, None, payload.len() as u64).encode(out);
    out.extend_from_slice(payload);
}

/// Frames from the server, laid end to end, to leave in one system call.
///
/// Each is encoded once, however many clients it goes to: server frames are not masked, so all
/// get the same bytes.
#[derive(Debug, Default)]
pub struct FrameBatch {
    pieces: Vec<Bytes>,
    tail: BytesMut,
    len: usize,
}

impl FrameBatch {
    /// Adds a frame: FIN 1, not masked. A large payload is not copied, but lies where it is.
    pub fn push(&mut self, opcode: Opcode, payload: Bytes) {
        let before = self.tail.len();
        if payload.len() < COPY_BELOW {
            encode_unmasked(opcode, &payload, &mut self.tail);
            self.len += self.tail.len() - before;
        } else {
            FrameHeader::new(opcode, None, payload.len() as u64).encode(&mut self.tail);
            self.len += self.tail.len() - before + payload.len();
            self.pieces.push(self.tail.split().freeze());
            self.pieces.push(payload);
        }
    }

    /// The bytes in all.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The pieces, to be sent in this order. The batch is empty again.
    pub fn take(&mut self) -> Vec<Bytes> {
        if !self.tail.is_empty() {
            self.pieces.push(self.tail.split().freeze());
        }
        self.len = 0;
        std::mem::take(&mut self.pieces)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The masking key of RFC 6455 section 5.7.
    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

    /// Bytes written as in the RFC: "81 05 48 65".
    fn hex(text: &str) -> Vec<u8> {
        text.split(' ').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
    }

    /// Encodes to just these bytes, and decodes from them to the same frame.
    fn both_ways(frame: Frame, bytes: &[u8]) {
        assert_eq!(frame.encode(), bytes);
        assert_eq!(Frame::decode(bytes), Some((frame, bytes.len())));
    }

    fn fragment(opcode: Opcode, fin: bool, key: Option<[u8; 4]>, payload: &[u8]) -> Frame {
        let mut frame = Frame::new(opcode, key, payload);
        frame.header.fin = fin;
        frame
    }

    #[test]
    fn the_examples_of_section_5_7() {
        use Opcode::*;
        both_ways(Frame::new(Text, None, b"Hello"), &hex("81 05 48 65 6c 6c 6f"));
        both_ways(Frame::new(Text, Some(KEY), b"Hello"), &hex("81 85 37 fa 21 3d 7f 9f 4d 51 58"));
        both_ways(fragment(Text, false, None, b"Hel"), &hex("01 03 48 65 6c"));
        both_ways(fragment(Continuation, true, None, b"lo"), &hex("80 02 6c 6f"));
        both_ways(Frame::new(Ping, None, b"Hello"), &hex("89 05 48 65 6c 6c 6f"));
        both_ways(Frame::new(Pong, Some(KEY), b"Hello"), &hex("8a 85 37 fa 21 3d 7f 9f 4d 51 58"));
        let small = vec![7; 256];
        let large = vec![9; 65536];
        both_ways(Frame::new(Binary, None, &small), &[hex("82 7e 01 00"), small.clone()].concat());
        both_ways(
            Frame::new(Binary, None, &large),
            &[hex("82 7f 00 00 00 00 00 01 00 00"), large.clone()].concat(),
        );
    }

    #[test]
    fn the_mask_starts_anew_in_each_fragment() {
        use Opcode::*;
        both_ways(fragment(Text, false, Some(KEY), b"Hel"), &hex("01 83 37 fa 21 3d 7f 9f 4d"));
        both_ways(fragment(Continuation, true, Some(KEY), b"lo"), &hex("80 82 37 fa 21 3d 5b 95"));
        // The euro sign, cut inside the character.
        both_ways(fragment(Text, false, Some(KEY), b"\xe2"), &hex("01 81 37 fa 21 3d d5"));
        both_ways(
            fragment(Continuation, true, Some(KEY), b"\x82\xac"),
            &hex("80 82 37 fa 21 3d b5 56"),
        );
    }

    #[test]
    fn control_frames() {
        use Opcode::*;
        both_ways(Frame::new(Ping, Some(KEY), b""), &hex("89 80 37 fa 21 3d"));
        both_ways(Frame::new(Pong, None, b""), &hex("8a 00"));
        both_ways(Frame::new(Close, None, &[0x03, 0xe8]), &hex("88 02 03 e8"));
        both_ways(Frame::new(Close, Some(KEY), &[0x03, 0xe8]), &hex("88 82 37 fa 21 3d 34 12"));
        both_ways(Frame::new(Close, Some(KEY), b""), &hex("88 80 37 fa 21 3d"));
        both_ways(
            Frame::new(Close, Some(KEY), b"\x03\xe9bye"),
            &hex("88 85 37 fa 21 3d 34 13 43 44 52"),
        );
        for (code, bytes) in [(1002, "ea"), (1003, "eb"), (1007, "ef"), (1009, "f1"), (1011, "f3")]
        {
            let code: u16 = code;
            let bytes = hex(&format!("88 02 03 {bytes}"));
            both_ways(Frame::new(Close, None, &code.to_be_bytes()), &bytes);
        }
    }

    #[test]
    fn each_length_has_its_shortest_form() {
        for (length, unmasked) in [
            (0, "82 00"),
            (125, "82 7d"),
            (126, "82 7e 00 7e"),
            (127, "82 7e 00 7f"),
            (128, "82 7e 00 80"),
            (255, "82 7e 00 ff"),
            (65535, "82 7e ff ff"),
            (65536, "82 7f 00 00 00 00 00 01 00 00"),
            (65537, "82 7f 00 00 00 00 00 01 00 01"),
        ] {
            let mut bytes = hex(unmasked);
            let header = FrameHeader::new(Opcode::Binary, None, length);
            assert_eq!(FrameHeader::decode(&bytes), Some((header, bytes.len())));
            let mut encoded = Vec::new();
            header.encode(&mut encoded);
            assert_eq!(encoded, bytes);

            bytes[1] |= 0x80;
            bytes.extend_from_slice(&KEY);
            let header = FrameHeader::new(Opcode::Binary, Some(KEY), length);
            assert_eq!(FrameHeader::decode(&bytes), Some((header, bytes.len())));
        }
    }

    #[test]
    fn a_frame_that_is_not_all_there_is_no_frame_yet() {
        for frame in [
            Frame::new(Opcode::Text, Some(KEY), b"Hello"),
            Frame::new(Opcode::Binary, Some(KEY), &[1; 300]),
            Frame::new(Opcode::Binary, None, &[1; 70_000]),
        ] {
            let bytes = frame.encode();
            for end in (0..bytes.len()).step_by(7).chain([bytes.len() - 1]) {
                assert_eq!(Frame::decode(&bytes[..end]), None, "{end} of {} bytes", bytes.len());
            }
        }
    }

    #[test]
    fn rules_are_checked_in_their_order() {
        let check = |text: &str| FrameHeader::decode(&hex(text)).unwrap().0.check();
        assert_eq!(check("81 85 37 fa 21 3d"), Ok(()));
        assert_eq!(check("c3 05"), Err(Fault::ReservedBits(0b100)));
        assert_eq!(check("91 80 37 fa 21 3d"), Err(Fault::ReservedBits(0b001)));
        assert_eq!(check("83 00"), Err(Fault::ReservedOpcode(3)));
        assert_eq!(check("8b 80 37 fa 21 3d"), Err(Fault::ReservedOpcode(11)));
        assert_eq!(check("09 00"), Err(Fault::NotMasked));
        assert_eq!(check("09 80 37 fa 21 3d"), Err(Fault::FragmentedControl(Opcode::Ping)));
        assert_eq!(check("89 fe 00 7e 37 fa 21 3d"), Err(Fault::LongControl(Opcode::Ping, 126)));
        assert_eq!(check("81 fe 00 05 37 fa 21 3d"), Err(Fault::LengthNotMinimal(5, 16)));
        assert_eq!(
            check("82 ff 00 00 00 00 00 00 00 05 37 fa 21 3d"),
            Err(Fault::LengthNotMinimal(5, 64))
        );
        assert_eq!(check("82 ff 80 00 00 00 00 00 00 00 37 fa 21 3d"), Err(Fault::LengthTopBit));
    }

    #[test]
    fn a_batch_is_its_frames_end_to_end() {
        let mut batch = FrameBatch::default();
        let large = Bytes::from(vec![5; COPY_BELOW]);
        batch.push(Opcode::Text, Bytes::from_static(b"Hello"));
        batch.push(Opcode::Binary, large.clone());
        batch.push(Opcode::Ping, Bytes::new());
        let expected = [
            Frame::new(Opcode::Text, None, b"Hello").encode(),
            Frame::new(Opcode::Binary, None, &large).encode(),
            Frame::new(Opcode::Ping, None, b"").encode(),
        ];
        assert_eq!(batch.len(), expected.concat().len());
        assert_eq!(batch.take().concat(), expected.concat());
        assert!(batch.is_empty() && batch.take().is_empty());
    }
}
