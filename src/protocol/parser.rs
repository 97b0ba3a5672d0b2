//! Splits a stream of bytes into frames, however the network has cut it.
//!
//! The parser does no input or output and keeps no payload. Its caller hands it the bytes that have
//! come, and it answers with the parts of frames that they contain. The [validator](super::validator), the
//! [capture](crate::tap::capture) and `chalkwire explain` all read frames through it, so that a header
//! is put together and decoded in one place.

use std::convert::Infallible;

use super::header::FrameHeader;

/// A part of a frame, in the order in which the parts arrive: one header, payload in any number of
/// pieces, and the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FramePart<'a> {
    /// The header is complete.
    Header(&'a FrameHeader),
    /// The next piece of the payload, as it crossed the wire: still masked if the frame is.
    Payload(&'a [u8]),
    /// The frame is complete.
    End,
}

/// A parser for one direction of a connection. From one piece of bytes to the next it remembers its
/// place in the stream: inside a header, inside a payload, or between two frames.
#[derive(Debug, Default)]
pub struct FrameParser {
    /// The first bytes of a header whose last bytes have not arrived.
    header: [u8; FrameHeader::MAX_LEN],
    header_length: usize,
    /// Bytes of the current frame's payload that have not arrived. `None` while its header is not
    /// complete, and between frames.
    payload_left: Option<u64>,
}

impl FrameParser {
    /// Parses the next `bytes` of the stream, and gives `take` the parts of frames in them.
    ///
    /// ```
    /// use chalkwire::protocol::parser::{FrameParser, FramePart};
    ///
    /// let mut parser = FrameParser::default();
    /// let mut text = Vec::new();
    /// // The frame of an unmasked "Hi", cut inside its header and inside its payload.
    /// for bytes in [&b"\x81"[..], b"\x02H", b"i"] {
    ///     parser.feed(bytes, |part| {
    ///         if let FramePart::Payload(piece) = part {
    ///             text.extend_from_slice(piece);
    ///         }
    ///     });
    /// }
    /// assert_eq!(text, b"Hi");
    /// ```
    pub fn feed(&mut self, bytes: &[u8], mut take: impl FnMut(FramePart<'_>)) {
        let result: Result<(), Infallible> = self.try_feed(bytes, |part, _| {
            take(part);
            Ok(())
        });
        let Ok(()) = result;
    }

    /// Does the same for a `take` that can fail. Its second argument is the number of bytes up to the end
    /// of the part.
    ///
    /// # Errors
    /// The first error of `take`. The parser ignores the bytes behind that part.
    // Every byte of every client passes here. Inlined, the header stays in registers: a copy of it
    // takes longer than decoding.
    #[inline]
    pub fn try_feed<E>(
        &mut self,
        bytes: &[u8],
        mut take: impl FnMut(FramePart<'_>, usize) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut at = 0;
        loop {
            let rest = &bytes[at..];
            let header;
            let (part, left) = match self.payload_left {
                Some(0) => (FramePart::End, None),
                _ if rest.is_empty() => return Ok(()),
                Some(left) => {
                    let length = rest.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    at += length;
                    (FramePart::Payload(&rest[..length]), Some(left - length as u64))
                }
                None => {
                    // Most headers arrive in one piece, so they are decoded where they lie.
                    let before = self.header_length;
                    let source = if before == 0 { rest } else { self.join_header(rest) };
                    let Some((complete, length)) = FrameHeader::decode(source) else {
                        self.header_length = self.join_header(rest).len();
                        return Ok(());
                    };
                    self.header_length = 0;
                    at += length - before;
                    header = complete;
                    (FramePart::Header(&header), Some(header.payload_length))
                }
            };
            self.payload_left = left;
            take(part, at)?;
        }
    }

    /// Bytes of the current frame's payload that have not arrived. `None` inside a header and between frames.
    pub fn payload_left(&self) -> Option<u64> {
        self.payload_left
    }

    /// The bytes of a header whose last bytes have not arrived.
    pub fn header_so_far(&self) -> &[u8] {
        &self.header[..self.header_length]
    }

    /// Puts a header together that the network has cut: at most 14 bytes, of which the last may belong
    /// to the payload.
    #[cold]
    fn join_header(&mut self, bytes: &[u8]) -> &[u8] {
        let end = FrameHeader::MAX_LEN.min(self.header_length + bytes.len());
        let added = end - self.header_length;
        self.header[self.header_length..end].copy_from_slice(&bytes[..added]);
        &self.header[..end]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Frame, Opcode};

    const KEY: Option<[u8; 4]> = Some([0x37, 0xfa, 0x21, 0x3d]);

    /// The frames in `stream`, given to the parser in pieces of `size` bytes: header, payload, and
    /// whether the frame has ended.
    fn frames_in(stream: &[u8], size: usize) -> Vec<(FrameHeader, Vec<u8>, bool)> {
        let mut parser = FrameParser::default();
        let mut frames: Vec<(FrameHeader, Vec<u8>, bool)> = Vec::new();
        for bytes in stream.chunks(size) {
            parser.feed(bytes, |part| match (part, frames.last_mut()) {
                (FramePart::Header(header), None | Some((.., true))) => {
                    frames.push((*header, Vec::new(), false));
                }
                (FramePart::Payload(piece), Some((_, payload, false))) => {
                    assert!(!piece.is_empty());
                    payload.extend_from_slice(piece);
                }
                (FramePart::End, Some((.., ended @ false))) => *ended = true,
                (part, _) => panic!("{part:?} in the wrong place"),
            });
        }
        frames
    }

    #[test]
    fn the_parts_are_the_same_however_the_stream_is_cut() {
        let frames = [
            Frame::new(Opcode::Text, KEY, b"Hello"),
            Frame::new(Opcode::Ping, KEY, b""),
            Frame::new(Opcode::Binary, None, &[7; 300]),
            Frame::new(Opcode::Binary, KEY, &[8; 66_000]),
            Frame::new(Opcode::Close, None, b""),
        ];
        let stream = frames.each_ref().map(Frame::encode).concat();
        let expected: Vec<_> = frames
            .into_iter()
            .map(|mut frame| {
                if let Some(key) = frame.header.masking_key {
                    crate::protocol::mask(&mut frame.payload, key);
                }
                (frame.header, frame.payload, true)
            })
            .collect();
        for size in [1, 2, 3, 5, 7, 13, 14, 15, 100, 1000, 65_536, stream.len()] {
            assert_eq!(frames_in(&stream, size), expected, "in pieces of {size}");
        }
    }

    #[test]
    fn an_incomplete_header_waits_for_the_rest() {
        let mut parser = FrameParser::default();
        parser.feed(b"\x82\x7e", |part| panic!("{part:?}"));
        parser.feed(b"\x01", |part| panic!("{part:?}"));
        assert_eq!(parser.header_so_far(), b"\x82\x7e\x01");
        let mut lengths = Vec::new();
        parser.feed(b"\x00rest", |part| match part {
            FramePart::Header(header) => lengths.push(header.payload_length),
            FramePart::Payload(piece) => lengths.push(piece.len() as u64),
            FramePart::End => panic!("252 bytes have not come"),
        });
        assert_eq!(lengths, [256, 4]);
        assert_eq!(parser.header_so_far(), b"");
    }

    #[test]
    fn an_error_stops_the_parser_at_its_part() {
        let stream = b"\x81\x02Hi\x81\x02Hi";
        for (wanted, end) in [("header", 2), ("payload", 4), ("end", 4)] {
            let stopped = FrameParser::default().try_feed(stream, |part, end| {
                let name = match part {
                    FramePart::Header(_) => "header",
                    FramePart::Payload(_) => "payload",
                    FramePart::End => "end",
                };
                if name == wanted { Err(end) } else { Ok(()) }
            });
            assert_eq!(stopped, Err(end), "{wanted}");
        }
    }

    #[test]
    fn the_largest_length_does_not_overflow() {
        let mut parser = FrameParser::default();
        for bytes in [&b"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xffabc"[..], b"def"] {
            parser.feed(bytes, |part| match part {
                FramePart::Header(header) => assert_eq!(header.payload_length, u64::MAX),
                FramePart::Payload(piece) => assert_eq!(piece.len(), 3),
                FramePart::End => panic!("most of the payload has not come"),
            });
        }
    }
}
