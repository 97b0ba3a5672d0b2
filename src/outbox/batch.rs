//! Frames from the server, encoded once for all their receivers.

use bytes::{Bytes, BytesMut};

use crate::config::COPY_BELOW;
use crate::protocol::{FrameHeader, Opcode, encode_unmasked};

/// Encoded frames, one behind the other, that leave in one system call.
///
/// Each frame is encoded once, no matter how many clients it goes to. That works because a server
/// does not mask its frames (RFC 6455 section 5.1), so all clients get the same bytes.
#[derive(Debug, Default)]
pub struct FrameBatch {
    pieces: Vec<Bytes>,
    tail: BytesMut,
    len: usize,
}

impl FrameBatch {
    /// Adds an unmasked frame with FIN 1. A large payload is shared, and not copied.
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

    /// The length of all frames together, in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no frame has been added.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The frames so far, as pieces that have to leave in this order.
    pub fn pieces(&mut self) -> &[Bytes] {
        if !self.tail.is_empty() {
            self.pieces.push(self.tail.split().freeze());
        }
        &self.pieces
    }

    /// Takes the frames out, as pieces that have to leave in this order. The batch is then empty.
    pub fn take(&mut self) -> Vec<Bytes> {
        self.pieces();
        self.len = 0;
        std::mem::take(&mut self.pieces)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Frame;

    #[test]
    fn a_batch_is_its_frames_one_behind_the_other() {
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
