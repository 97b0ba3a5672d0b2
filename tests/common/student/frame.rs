//! The bytes of a frame in both directions (RFC 6455 section 5.2), and the rules for its header.

use super::Mistake;
use super::connection::{Connection, End};

pub const CONTINUATION: u8 = 0;
pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// The longest message, in bytes.
const MAX_MESSAGE: u64 = 16 * 1024 * 1024;

/// The longest payload of a control frame, in bytes.
const MAX_CONTROL: u64 = 125;

pub struct Header {
    pub fin: bool,
    pub rsv: u8,
    pub opcode: u8,
    pub length: u64,
    /// Whether the length was written in the shortest form.
    pub length_is_minimal: bool,
    pub key: Option<[u8; 4]>,
}

impl Connection {
    /// Waits for the next frame and reads its header.
    pub fn read_header(&mut self) -> Result<Header, End> {
        self.wait_again();
        let [first, second] = self.array()?;
        self.inside_frame = true;
        let opcode = first & 0x0f;
        let (length, length_is_minimal) = self.read_length(second & 0x7f)?;
        let key = if second & 0x80 == 0 { None } else { Some(self.array()?) };
        if self.makes(Mistake::MaskIndexRunsOnInMessage) {
            self.mask_index = if opcode == CONTINUATION { self.mask_index } else { 0 };
        } else if !self.makes(Mistake::MaskIndexRunsOn) {
            self.mask_index = 0;
        }
        let (fin, rsv) = (first & 0x80 != 0, first >> 4 & 0b111);
        Ok(Header { fin, rsv, opcode, length, length_is_minimal, key })
    }

    fn read_length(&mut self, seven_bits: u8) -> Result<(u64, bool), End> {
        if seven_bits < 126 || self.makes(Mistake::LengthMarkerTakenAsLength) {
            return Ok((seven_bits.into(), true));
        }
        if seven_bits == 126 {
            let bytes = self.array()?;
            let length = if self.makes(Mistake::Length16ReadSwapped) {
                u16::from_le_bytes(bytes)
            } else {
                u16::from_be_bytes(bytes)
            };
            return Ok((length.into(), length >= 126));
        }
        if self.makes(Mistake::Length64ReadAs32) {
            return Ok((u32::from_be_bytes(self.array()?).into(), true));
        }
        let length = u64::from_be_bytes(self.array()?);
        Ok((length, length > 0xffff))
    }

    /// Checks the rules for a header, before the server waits for the payload.
    pub fn check(&self, header: &Header) -> Result<(), End> {
        let broken = |reason| Err(End::Broken(1002, reason));
        if header.rsv != 0 && !self.makes(Mistake::RsvAccepted) {
            return broken("a reserved bit is set");
        }
        let opcode_is_known = matches!(header.opcode, CONTINUATION..=BINARY | CLOSE..=PONG);
        if !opcode_is_known && !self.makes(Mistake::ReservedOpcodesAccepted) {
            return broken("a reserved opcode");
        }
        if header.key.is_none() && !self.makes(Mistake::UnmaskedAccepted) {
            return broken("a frame without a mask");
        }
        let is_ping = header.opcode == PING;
        let is_control = header.opcode >= CLOSE;
        if is_control && !header.fin && !(is_ping && self.makes(Mistake::FragmentedPingAccepted)) {
            return broken("a fragmented control frame");
        }
        let is_long = is_control && header.length > MAX_CONTROL;
        if is_long && !(is_ping && self.makes(Mistake::LongPingAccepted)) {
            return broken("a long control frame");
        }
        if !header.length_is_minimal && !self.makes(Mistake::LengthNotMinimalAccepted) {
            return broken("a length in more bytes than it needs");
        }
        if header.length >> 63 == 1 && !self.makes(Mistake::LengthHasNoLimit) {
            return broken("the top bit of a length is set");
        }
        let so_far = self.message.as_ref().map_or(0, |message| message.payload.len() as u64);
        let left = MAX_MESSAGE.saturating_sub(so_far);
        if !is_control && header.length > left && !self.makes(Mistake::LengthHasNoLimit) {
            return Err(End::Broken(1009, "a message is too big"));
        }
        self.check_order(header)
    }

    /// Checks what may come inside a fragmented message, and what only there (RFC 6455 section 5.4).
    fn check_order(&self, header: &Header) -> Result<(), End> {
        let broken = |reason| Err(End::Broken(1002, reason));
        let inside_message = self.message.is_some();
        match header.opcode {
            CONTINUATION if !inside_message && !self.makes(Mistake::StrayContinuationAccepted) => {
                broken("a continuation of nothing")
            }
            TEXT | BINARY
                if inside_message && !self.makes(Mistake::NewMessageInsideMessageAccepted) =>
            {
                broken("a new message inside a message")
            }
            PING if inside_message && self.makes(Mistake::PingInsideMessageRefused) => {
                broken("a Ping inside a message")
            }
            _ => Ok(()),
        }
    }

    /// Reads the payload of a control frame.
    pub fn read_payload(&mut self, header: &Header) -> Result<Vec<u8>, End> {
        let mut payload = Vec::new();
        while (payload.len() as u64) < header.length {
            let mut piece = self.piece(header.length - payload.len() as u64)?;
            self.unmask(header, &mut piece);
            payload.extend(piece);
        }
        self.end_of_frame();
        Ok(payload)
    }

    pub fn unmask(&mut self, header: &Header, piece: &mut [u8]) {
        let Some(mut key) = header.key else { return };
        if self.makes(Mistake::MaskingKeyReadOnce) {
            key = *self.first_key.get_or_insert(key);
        }
        for byte in piece {
            *byte ^= key[self.mask_index % 4];
            self.mask_index += 1;
        }
    }

    pub fn end_of_frame(&mut self) {
        self.inside_frame = false;
        if self.makes(Mistake::GluedFramesLost) {
            // The student's next recv overwrites the buffer.
            self.unread.clear();
        }
    }

    /// Sends a message or a control frame, always in one frame.
    pub fn send(&mut self, opcode: u8, payload: &[u8]) -> Result<(), End> {
        let mut frame = vec![0x80 | opcode];
        let mut length = payload.len();
        if self.makes(Mistake::LengthCountsCharacters) && opcode == TEXT {
            length = String::from_utf8_lossy(payload).chars().count();
        }
        match length {
            0..=125 => frame.push(length as u8),
            _ if self.makes(Mistake::LengthWrittenIn7Bits) => frame.push(length as u8 & 0x7f),
            126..=0xffff if !self.makes(Mistake::Length16WrittenAs64) => {
                frame.push(126);
                if self.makes(Mistake::Length16WrittenSwapped) {
                    frame.extend((length as u16).to_le_bytes());
                } else {
                    frame.extend((length as u16).to_be_bytes());
                }
            }
            _ if self.makes(Mistake::LengthCutTo16Bits) => {
                frame.push(126);
                frame.extend((length as u16).to_be_bytes());
            }
            _ if self.makes(Mistake::Length64WrittenIn4Bytes) => {
                frame.push(127);
                frame.extend((length as u32).to_be_bytes());
            }
            _ => {
                frame.push(127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        if self.makes(Mistake::FramesMasked) {
            let key = [0x37, 0xfa, 0x21, 0x3d];
            frame[1] |= 0x80;
            frame.extend(key);
            frame.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
        } else {
            frame.extend(payload);
        }
        self.write(&frame)
    }
}
