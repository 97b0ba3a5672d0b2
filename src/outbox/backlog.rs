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
    pieces: VecDeque<(Bytes, Cause)>,
    /// The cost in bytes of the pieces that other clients caused.
    others_unsent: usize,
    memory: Arc<MessageMemory>,
    /// Bytes for which the backlog has charged the memory. The bytes that other clients caused are in
    /// many backlogs and count once, at their sender; each backlog counts only their overhead.
    charged: usize,
}

impl Backlog {
    /// Creates an empty backlog, which counts what it takes in `memory`.
    pub fn new(memory: Arc<MessageMemory>) -> Backlog {
        Backlog { pieces: VecDeque::new(), others_unsent: 0, memory, charged: 0 }
    }

    /// Removes everything.
    pub fn clear(&mut self) {
        self.pieces = VecDeque::new();
        self.others_unsent = 0;
        self.release(self.charged);
    }

    fn charge(&mut self, bytes: usize) {
        self.charged += bytes;
        self.memory.charge(bytes);
    }

    fn release(&mut self, bytes: usize) {
        self.charged -= bytes;
        self.memory.release(bytes);
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
        let (mut cost, mut overhead) = (0, 0);
        for piece in pieces {
            let gone = sent.min(piece.len());
            sent -= gone;
            if gone < piece.len() {
                let rest = piece.slice(gone..);
                cost += rest.len() + MESSAGE_OVERHEAD;
                overhead += MESSAGE_OVERHEAD;
                self.pieces.push_back((rest, cause));
            }
        }
        match cause {
            Cause::Own => {
                self.charge(cost);
                cost
            }
            Cause::Others => {
                self.charge(overhead);
                self.others_unsent += cost;
                0
            }
        }
    }

    /// Puts the pieces that have to leave next into `batch`, as many as one write takes.
    pub fn copy_front(&self, batch: &mut Vec<Bytes>) {
        batch.clear();
        batch.extend(self.pieces.iter().take(MAX_PIECES).map(|(piece, _)| piece.clone()));
    }

    /// Removes the first `sent` bytes, which have left. Returns the cost of those among them that
    /// the client itself caused.
    pub fn remove(&mut self, mut sent: usize) -> usize {
        let (mut own, mut released) = (0, 0);
        while let Some((piece, cause)) = self.pieces.front_mut() {
            let gone = sent.min(piece.len());
            let is_complete = gone == piece.len();
            let overhead = if is_complete { MESSAGE_OVERHEAD } else { 0 };
            match cause {
                Cause::Own => {
                    own += gone + overhead;
                    released += gone + overhead;
                }
                Cause::Others => {
                    self.others_unsent -= gone + overhead;
                    released += overhead;
                }
            }
            piece.advance(gone);
            sent -= gone;
            if !is_complete {
                break;
            }
            self.pieces.pop_front();
        }
        self.release(released);
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
            assert_eq!(memory.used(), own + MESSAGE_OVERHEAD, "5 bytes count at their sender");
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
            assert_eq!(memory.used(), 0);
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
            assert_eq!(memory.used(), 7 + 2 * MESSAGE_OVERHEAD);
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
