//! The header of a frame: every field but the payload, and the rules for a single header.

use bytes::BufMut;

use super::fault::Fault;
use super::opcode::Opcode;

/// How a header encodes the payload length: in its own 7 bits, or in 16 or 64 bits behind them.
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
    /// The shortest form that holds `length`. RFC 6455 forbids the longer ones.
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

/// The header of a frame: every field but the payload (RFC 6455 section 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// 1 in the last frame of a message, and in every control frame.
    pub fin: bool,
    /// RSV1, RSV2 and RSV3, as a number from 0 to 7. 0 unless an extension was agreed on.
    pub rsv: u8,
    /// The type of the frame.
    pub opcode: Opcode,
    /// The key that masks the payload. A client always sends one, a server never.
    pub masking_key: Option<[u8; 4]>,
    /// How the header encodes the length.
    pub length_form: LengthForm,
    /// The length of the payload in bytes.
    pub payload_length: u64,
}

impl FrameHeader {
    /// Bytes of the longest header: two, then eight of length and four of masking key.
    pub const MAX_LEN: usize = 14;

    /// The header of a frame that is a whole message, or a control frame.
    pub fn new(opcode: Opcode, masking_key: Option<[u8; 4]>, payload_length: u64) -> FrameHeader {
        let length_form = LengthForm::shortest(payload_length);
        FrameHeader { fin: true, rsv: 0, opcode, masking_key, length_form, payload_length }
    }

    /// The length of the header itself, in bytes.
    pub fn encoded_len(&self) -> usize {
        let length = match self.length_form {
            LengthForm::Bits7 => 0,
            LengthForm::Bits16 => 2,
            LengthForm::Bits64 => 8,
        };
        2 + length + self.masking_key.map_or(0, |key| key.len())
    }

    /// Writes the header, from 2 to 14 bytes, exactly as its fields say, even if they break a rule.
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

    /// Reads the header at the start of `bytes`, and returns it with its length in bytes. `None` while the
    /// header is not complete.
    #[inline]
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

    /// Checks the rules that hold for each frame from a client, whatever came before it.
    ///
    /// # Errors
    /// The first rule that the header breaks, in this order: reserved bits, opcode, mask, control
    /// frame, length form.
    #[inline]
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
