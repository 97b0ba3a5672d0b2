//! One whole frame: from bytes to fields and back, and masking (RFC 6455 section 5.2).
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
//! Decoding accepts frames that break a rule, so that the wire view can show them;
//! [`FrameHeader::check`] and the [validator](super::validator) name the rule. tungstenite reads the
//! clients' messages; this module encodes the frames that the server sends.

use bytes::BytesMut;

use super::header::FrameHeader;
use super::opcode::Opcode;

/// Masks or unmasks `payload`: the same XOR does both (RFC 6455 section 5.3).
///
/// ```
/// let mut payload = *b"Hello";
/// chalkwire::protocol::mask(&mut payload, [0x37, 0xfa, 0x21, 0x3d]);
/// assert_eq!(payload, [0x7f, 0x9f, 0x4d, 0x51, 0x58]);
/// ```
pub fn mask(payload: &mut [u8], key: [u8; 4]) {
    for (byte, key) in payload.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

/// A frame with its payload, unmasked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Every field but the payload.
    pub header: FrameHeader,
    /// The payload after unmasking.
    pub payload: Vec<u8>,
}

impl Frame {
    /// A frame that is a whole message, or a control frame. A client passes a masking key, a server
    /// `None`.
    pub fn new(opcode: Opcode, masking_key: Option<[u8; 4]>, payload: &[u8]) -> Frame {
        Frame {
            header: FrameHeader::new(opcode, masking_key, payload.len() as u64),
            payload: payload.to_vec(),
        }
    }

    /// The bytes of the frame as they cross the wire.
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

    /// Reads the frame at the start of `bytes`, and returns it with its length in bytes. `None` while the
    /// frame is not complete.
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

/// Appends a whole frame from the server to `out`: FIN 1, not masked.
pub fn encode_unmasked(opcode: Opcode, payload: &[u8], out: &mut BytesMut) {
    out.reserve(FrameHeader::MAX_LEN + payload.len());
    FrameHeader::new(opcode, None, payload.len() as u64).encode(out);
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Fault;

    /// The masking key of RFC 6455 section 5.7.
    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

    /// Bytes from hex as the RFC prints it: "81 05 48 65".
    fn hex(text: &str) -> Vec<u8> {
        text.split(' ').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
    }

    /// Asserts that the frame encodes to exactly these bytes, and that they decode to the same frame.
    fn assert_both_ways(frame: Frame, bytes: &[u8]) {
        assert_eq!(frame.encode(), bytes);
        assert_eq!(Frame::decode(bytes), Some((frame, bytes.len())));
    }

    fn fragment(opcode: Opcode, fin: bool, key: Option<[u8; 4]>, payload: &[u8]) -> Frame {
        let mut frame = Frame::new(opcode, key, payload);
        frame.header.fin = fin;
        frame
    }

    #[test]
    fn frames_match_the_examples_of_section_5_7() {
        use Opcode::*;
        assert_both_ways(Frame::new(Text, None, b"Hello"), &hex("81 05 48 65 6c 6c 6f"));
        assert_both_ways(
            Frame::new(Text, Some(KEY), b"Hello"),
            &hex("81 85 37 fa 21 3d 7f 9f 4d 51 58"),
        );
        assert_both_ways(fragment(Text, false, None, b"Hel"), &hex("01 03 48 65 6c"));
        assert_both_ways(fragment(Continuation, true, None, b"lo"), &hex("80 02 6c 6f"));
        assert_both_ways(Frame::new(Ping, None, b"Hello"), &hex("89 05 48 65 6c 6c 6f"));
        assert_both_ways(
            Frame::new(Pong, Some(KEY), b"Hello"),
            &hex("8a 85 37 fa 21 3d 7f 9f 4d 51 58"),
        );
        let small = vec![7; 256];
        let large = vec![9; 65536];
        assert_both_ways(
            Frame::new(Binary, None, &small),
            &[hex("82 7e 01 00"), small.clone()].concat(),
        );
        assert_both_ways(
            Frame::new(Binary, None, &large),
            &[hex("82 7f 00 00 00 00 00 01 00 00"), large.clone()].concat(),
        );
    }

    #[test]
    fn the_masking_key_starts_again_in_each_fragment() {
        use Opcode::*;
        assert_both_ways(
            fragment(Text, false, Some(KEY), b"Hel"),
            &hex("01 83 37 fa 21 3d 7f 9f 4d"),
        );
        assert_both_ways(
            fragment(Continuation, true, Some(KEY), b"lo"),
            &hex("80 82 37 fa 21 3d 5b 95"),
        );
        // The euro sign, cut inside the character.
        assert_both_ways(fragment(Text, false, Some(KEY), b"\xe2"), &hex("01 81 37 fa 21 3d d5"));
        assert_both_ways(
            fragment(Continuation, true, Some(KEY), b"\x82\xac"),
            &hex("80 82 37 fa 21 3d b5 56"),
        );
    }

    #[test]
    fn control_frames() {
        use Opcode::*;
        assert_both_ways(Frame::new(Ping, Some(KEY), b""), &hex("89 80 37 fa 21 3d"));
        assert_both_ways(Frame::new(Pong, None, b""), &hex("8a 00"));
        assert_both_ways(Frame::new(Close, None, &[0x03, 0xe8]), &hex("88 02 03 e8"));
        assert_both_ways(
            Frame::new(Close, Some(KEY), &[0x03, 0xe8]),
            &hex("88 82 37 fa 21 3d 34 12"),
        );
        assert_both_ways(Frame::new(Close, Some(KEY), b""), &hex("88 80 37 fa 21 3d"));
        assert_both_ways(
            Frame::new(Close, Some(KEY), b"\x03\xe9bye"),
            &hex("88 85 37 fa 21 3d 34 13 43 44 52"),
        );
        for (code, bytes) in [(1002, "ea"), (1003, "eb"), (1007, "ef"), (1009, "f1"), (1011, "f3")]
        {
            let code: u16 = code;
            let bytes = hex(&format!("88 02 03 {bytes}"));
            assert_both_ways(Frame::new(Close, None, &code.to_be_bytes()), &bytes);
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
    fn an_incomplete_frame_is_not_decoded() {
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
    fn the_rules_for_a_header_are_checked_in_order() {
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
}
