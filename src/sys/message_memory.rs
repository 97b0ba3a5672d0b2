//! The memory of all messages together, which has one limit.
//!
//! Each client has limits of its own, but 10,000 clients at their limits would need more memory than a
//! machine has. So everything that a message takes on its way counts here too: bytes of a message that is
//! not complete, messages that wait for the dispatcher, and backlogs. When the sum is over the limit, the
//! [dispatcher](crate::dispatcher) closes the client that owes most, and new clients get HTTP 503.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;

/// Counts the bytes that messages take in the whole server.
///
/// The count is a sum and orders no other memory, so its operations are relaxed.
#[derive(Debug)]
pub struct MessageMemory {
    /// In bytes.
    limit: usize,
    used: AtomicUsize,
    /// Whether the dispatcher has been told that the limit is reached, and has not looked yet.
    reported: AtomicBool,
}

impl Default for MessageMemory {
    /// A count without a limit.
    fn default() -> Self {
        let (used, reported) = (AtomicUsize::new(0), AtomicBool::new(false));
        MessageMemory { limit: usize::MAX, used, reported }
    }
}

impl MessageMemory {
    /// Creates a count with a limit in bytes.
    pub fn new(limit: usize) -> Arc<MessageMemory> {
        Arc::new(MessageMemory { limit, ..MessageMemory::default() })
    }

    /// The limit in bytes.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// The number of bytes that count now.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether the count is over the limit.
    pub fn is_exhausted(&self) -> bool {
        self.used() > self.limit
    }

    /// Counts `bytes` more.
    pub fn charge(&self, bytes: usize) {
        self.used.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts `bytes` less, which were [charged](Self::charge) before.
    pub fn release(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Whether the caller has to tell the dispatcher that the count is over the limit: true once, until the
    /// dispatcher has [looked](Self::reset_report).
    pub fn must_report(&self) -> bool {
        self.is_exhausted() && !self.reported.swap(true, Ordering::Relaxed)
    }

    /// Notes that the dispatcher looks at the count now.
    pub fn reset_report(&self) {
        self.reported.store(false, Ordering::Relaxed);
    }

    /// Counts the bytes of `pieces` once, for as long as any clone of them exists. A message that waits in
    /// the backlogs of a thousand clients lies in memory once.
    pub fn hold(self: &Arc<Self>, pieces: Vec<Bytes>) -> Vec<Bytes> {
        let hold = |piece: Bytes| {
            self.charge(piece.len());
            Bytes::from_owner(Held { piece, memory: Arc::clone(self) })
        };
        pieces.into_iter().map(hold).collect()
    }
}

/// Bytes that count until the last clone of them is dropped.
struct Held {
    piece: Bytes,
    memory: Arc<MessageMemory>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.piece
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.memory.release(self.piece.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_bytes_count_once_until_the_last_clone_is_dropped() {
        let memory = MessageMemory::new(100);
        let pieces = memory.hold(vec![Bytes::from_static(b"head"), Bytes::from(vec![7; 90])]);
        assert_eq!(pieces.concat().len(), 94);
        let clones = [pieces.clone(), pieces.clone()];
        assert_eq!(memory.used(), 94);
        drop(pieces);
        let [mut first, second] = clones;
        drop(second);
        assert_eq!(memory.used(), 94);
        let rest = first[1].split_off(80);
        drop(first);
        assert_eq!(memory.used(), 90, "a part keeps the whole");
        drop(rest);
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn the_dispatcher_is_told_once_until_it_has_looked() {
        let memory = MessageMemory::new(10);
        memory.charge(10);
        assert!(!memory.is_exhausted() && !memory.must_report());
        memory.charge(1);
        assert!(memory.must_report());
        assert!(!memory.must_report());
        memory.reset_report();
        assert!(memory.must_report());
        memory.release(1);
        memory.reset_report();
        assert!(!memory.must_report());
    }
}
