//! The backlog: bytes that the socket has not taken yet, and their cost.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Buf, Bytes};

use super::outcome::Cause;
#[cfg(unix)]
use super::transport::Transport;
use crate::config::{MAX_PIECES, MESSAGE_OVERHEAD};
use crate::sys::message_memory::MessageMemory;

/// Unsent bytes for one client, in the order in which they have to leave.
///
/// A piece counts for its bytes and [`MESSAGE_OVERHEAD`], because it takes memory beside its bytes
/// too: a flood of two-byte Pongs has to reach the limit as well.
#[derive(Debug)]
pub struct Backlog {
    pieces: VecDeque<Piece>,
    /// The cost in bytes of the pieces that other clients caused.
    others_unsent: usize,
    /// Bytes of memory that the pieces keep.
    kept: usize,
    memory: Arc<MessageMemory>,
    /// Bytes for which the backlog has charged the memory. The bytes that other clients caused are in
    /// many backlogs and [count once](MessageMemory::hold); each backlog counts only their overhead.
    charged: usize,
}

#[derive(Debug)]
struct Piece {
    /// The part that is unsent.
    unsent: Bytes,
    cause: Cause,
    /// Bytes of memory that it keeps: all that it had at first, until its last byte has left.
    kept: usize,
}

impl Piece {
    /// What the backlog charges for the piece.
    fn charge(&self) -> usize {
        match self.cause {
            Cause::Own => self.kept,
            Cause::Others => MESSAGE_OVERHEAD,
        }
    }
}

impl Backlog {
    /// Creates an empty backlog, which counts what it takes in `memory`.
    pub fn new(memory: Arc<MessageMemory>) -> Backlog {
        Backlog { pieces: VecDeque::new(), others_unsent: 0, kept: 0, memory, charged: 0 }
    }

    /// Removes everything.
    pub fn clear(&mut self) {
        self.pieces = VecDeque::new();
        self.others_unsent = 0;
        self.kept = 0;
        self.memory.release(std::mem::take(&mut self.charged));
    }

    /// Bytes of memory that the backlog keeps from being free. What waits for several clients is kept by
    /// each of them.
    pub fn kept(&self) -> usize {
        self.kept
    }

    /// Whether nothing is unsent.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The cost in bytes of what other clients caused.
    pub fn others_unsent(&self) -> usize {
        self.others_unsent
    }

    /// Adds all of `pieces` but the first `sent` bytes. Returns the cost of what was added, if the
    /// client itself caused it, and 0 otherwise.
    pub fn add(&mut self, pieces: &[Bytes], mut sent: usize, cause: Cause) -> usize {
        let mut cost = 0;
        for piece in pieces {
            let gone = sent.min(piece.len());
            sent -= gone;
            if gone < piece.len() {
                let unsent = piece.slice(gone..);
                cost += unsent.len() + MESSAGE_OVERHEAD;
                let piece = Piece { unsent, cause, kept: piece.len() + MESSAGE_OVERHEAD };
                self.kept += piece.kept;
                self.charged += piece.charge();
                self.memory.charge(piece.charge());
                self.pieces.push_back(piece);
            }
        }
        match cause {
            Cause::Own => cost,
            Cause::Others => {
                self.others_unsent += cost;
                0
            }
        }
    }

    /// Puts the pieces that have to leave next into `batch`, as many as one write takes.
    pub fn copy_front(&self, batch: &mut Vec<Bytes>) {
        batch.clear();
        batch.extend(self.pieces.iter().take(MAX_PIECES).map(|piece| piece.unsent.clone()));
    }

    /// Removes the first `sent` bytes, which have left. Returns the cost of those among them that
    /// the client itself caused.
    pub fn remove(&mut self, mut sent: usize) -> usize {
        let mut own = 0;
        while let Some(piece) = self.pieces.front_mut() {
            let gone = sent.min(piece.unsent.len());
            let is_complete = gone == piece.unsent.len();
            let cost = if is_complete { gone + MESSAGE_OVERHEAD } else { gone };
            match piece.cause {
                Cause::Own => own += cost,
                Cause::Others => self.others_unsent -= cost,
            }
            piece.unsent.advance(gone);
            sent -= gone;
            if !is_complete {
                break;
            }
            self.kept -= piece.kept;
            self.charged -= piece.charge();
            self.memory.release(piece.charge());
            self.pieces.pop_front();
        }
        own
    }
}

impl Drop for Backlog {
    fn drop(&mut self) {
        self.clear();
    }
}

/// A client with a backlog, as the drainer sees it.
pub(super) trait Backlogged: Send + Sync {
    /// The way to the client.
    #[cfg(unix)]
    fn transport(&self) -> &dyn Transport;

    /// Offers the socket the next part of the backlog, and does not wait. Returns false when the
    /// socket takes nothing more, or nothing is left to send.
    #[cfg(unix)]
    fn write_some(&self) -> bool;

    /// Sends the whole backlog, and waits for the client as long as that takes.
    fn write_all(&self);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(length: usize, fill: u8) -> Bytes {
        Bytes::from(vec![fill; length])
    }

    #[test]
    fn what_is_added_and_removed_costs_the_same_however_it_is_cut() {
        for step in 1..40 {
            let memory = MessageMemory::new(0);
            let mut backlog = Backlog::new(Arc::clone(&memory));
            let own = backlog.add(&[bytes(10, 1), bytes(7, 2)], 3, Cause::Own);
            assert_eq!(own, 7 + 7 + 2 * MESSAGE_OVERHEAD);
            assert_eq!(backlog.add(&[bytes(5, 3)], 0, Cause::Others), 0);
            assert_eq!(backlog.others_unsent(), 5 + MESSAGE_OVERHEAD);
            // The 3 bytes that have left are in memory for as long as the rest of their piece. The 5 bytes
            // count at their sender.
            assert_eq!(memory.used(), 10 + 7 + 3 * MESSAGE_OVERHEAD);
            assert_eq!(backlog.kept(), 10 + 7 + 5 + 3 * MESSAGE_OVERHEAD);
            let mut removed = 0;
            let mut left = 7 + 7 + 5;
            while left > 0 {
                assert!(!backlog.is_empty());
                let sent = step.min(left);
                removed += backlog.remove(sent);
                left -= sent;
            }
            assert!(backlog.is_empty());
            assert_eq!((removed, backlog.others_unsent()), (own, 0), "in steps of {step}");
            assert_eq!((memory.used(), backlog.kept()), (0, 0));
        }
    }

    #[test]
    fn a_backlog_that_is_cleared_or_dropped_takes_no_memory() {
        let memory = MessageMemory::new(0);
        for end in
            [Backlog::clear, |backlog: &mut Backlog| drop(std::mem::take(&mut backlog.pieces))]
        {
            let mut backlog = Backlog::new(Arc::clone(&memory));
            backlog.add(&[bytes(10, 1)], 3, Cause::Own);
            backlog.add(&[bytes(10, 2)], 0, Cause::Others);
            assert_eq!(memory.used(), 10 + 2 * MESSAGE_OVERHEAD);
            end(&mut backlog);
            drop(backlog);
            assert_eq!(memory.used(), 0);
        }
    }

    #[test]
    fn the_front_is_what_has_to_leave_next() {
        let mut backlog = Backlog::new(Arc::default());
        backlog.add(&[bytes(3, 1), bytes(3, 2)], 4, Cause::Own);
        let many: Vec<Bytes> = (0..200).map(|_| bytes(1, 3)).collect();
        backlog.add(&many, 0, Cause::Others);
        let mut batch = vec![bytes(9, 9)];
        backlog.copy_front(&mut batch);
        assert_eq!(batch.len(), MAX_PIECES);
        assert_eq!(batch.concat()[..4], [2, 2, 3, 3]);
        backlog.remove(1);
        backlog.copy_front(&mut batch);
        assert_eq!(batch.concat()[..3], [2, 3, 3]);
    }
}
