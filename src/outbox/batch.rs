//! Frames from the server, encoded once.

use bytes::{Bytes, BytesMut};

use crate::config::COPY_BELOW;
use crate::protocol::{FrameHeader, Opcode, encode_unmasked};

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
    use crate::protocol::Frame;

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
