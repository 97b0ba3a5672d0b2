//! Reading from the socket: small reads for a quiet client, large ones for a client that sends much.

use std::io;
use std::ops::Range;

use crate::config::{READ_AHEAD, READ_BUFFER};
use crate::protocol::FrameHeader;

/// Bytes that were read from the socket before tungstenite asked for them.
///
/// tungstenite asks for [`READ_BUFFER`] bytes at a time. A client whose messages fill that buffer gets
/// larger reads, which need fewer system calls (1 MiB echo: 1.2 times as fast). A quiet client keeps no
/// buffer at all.
pub(super) struct ReadAhead {
    bytes: Vec<u8>,
    /// The part of `bytes` that tungstenite has not taken yet.
    unread: Range<usize>,
    /// Whether the last read brought so much that the next one should be large.
    busy: bool,
}

impl ReadAhead {
    /// Starts with the bytes that came right behind the request head.
    pub(super) fn new(leftover: Vec<u8>) -> ReadAhead {
        ReadAhead { unread: 0..leftover.len(), bytes: leftover, busy: false }
    }

    /// Bytes of memory that the buffer takes.
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Whether nothing has been read ahead.
    pub(super) fn is_empty(&self) -> bool {
        self.unread.is_empty()
    }

    /// Reads ahead with `read`, while nothing is there. After an error or at the end of the stream there is
    /// still nothing.
    ///
    /// # Errors
    /// Those of `read`.
    pub(super) fn fill(
        &mut self,
        mut read: impl FnMut(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<()> {
        self.bytes.resize(READ_AHEAD, 0);
        let result = read(&mut self.bytes);
        let count = *result.as_ref().unwrap_or(&0);
        self.busy = count > READ_BUFFER;
        self.unread = 0..count;
        if count == 0 {
            self.bytes = Vec::new();
        }
        result.map(drop)
    }

    /// Whether the bytes read ahead start with a frame header that `matches`.
    pub(super) fn starts_with(&self, matches: impl FnOnce(&FrameHeader) -> bool) -> bool {
        let unread = &self.bytes[self.unread.clone()];
        FrameHeader::decode(unread).is_some_and(|(header, _)| matches(&header))
    }

    /// Fills `buffer` with the next bytes, and calls `read` on the socket only when there are none.
    /// Returns how many bytes there are; 0 is the end of the stream.
    ///
    /// # Errors
    /// Those of `read`.
    pub(super) fn read(
        &mut self,
        buffer: &mut [u8],
        mut read: impl FnMut(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        if self.unread.is_empty() && self.busy {
            self.fill(&mut read)?;
        }
        if self.unread.is_empty() {
            self.bytes = Vec::new();
            let count = read(buffer)?;
            // A small buffer, such as the end of tungstenite's, says nothing when it is full.
            self.busy = count == buffer.len() && count > READ_BUFFER / 2;
            return Ok(count);
        }
        let count = self.unread.len().min(buffer.len());
        let from = self.unread.start;
        buffer[..count].copy_from_slice(&self.bytes[from..from + count]);
        self.unread.start += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads everything from a socket that gives at most `at_once` bytes a read, and returns what
    /// came, the largest read that was asked for, and the number of reads.
    fn read_all(leftover: &[u8], sent: &[u8], at_once: usize) -> (Vec<u8>, usize, usize) {
        let mut ahead = ReadAhead::new(leftover.to_vec());
        let (mut left, mut largest, mut reads) = (sent, 0, 0);
        let mut came = Vec::new();
        let mut buffer = [0; READ_BUFFER];
        loop {
            let count = ahead
                .read(&mut buffer, |into| {
                    (largest, reads) = (largest.max(into.len()), reads + 1);
                    let count = into.len().min(at_once).min(left.len());
                    into[..count].copy_from_slice(&left[..count]);
                    left = &left[count..];
                    Ok(count)
                })
                .expect("the socket never fails");
            if count == 0 {
                assert!(left.is_empty());
                return (came, largest, reads);
            }
            came.extend_from_slice(&buffer[..count]);
        }
    }

    #[test]
    fn bytes_behind_the_request_come_first() {
        let (came, ..) = read_all(b"ab", b"cd", 100);
        assert_eq!(came, b"abcd");
    }

    #[test]
    fn a_quiet_client_gets_small_reads() {
        let (came, largest, _) = read_all(b"", &[7; 3 * READ_BUFFER], READ_BUFFER - 1);
        assert_eq!((came.len(), largest), (3 * READ_BUFFER, READ_BUFFER));
    }

    #[test]
    fn a_client_that_sends_much_gets_large_reads_and_nothing_is_lost() {
        let sent: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
        let (came, largest, reads) = read_all(b"", &sent, usize::MAX);
        assert!(came == sent, "the same bytes in the same order");
        assert_eq!(largest, READ_AHEAD);
        assert!(reads < 12, "{reads} reads");
    }

    #[test]
    fn the_memory_goes_when_the_client_is_quiet_again() {
        let mut ahead = ReadAhead::new(Vec::new());
        let mut buffer = [0; READ_BUFFER];
        let full = |into: &mut [u8]| Ok(into.len());
        for _ in 0..=READ_AHEAD / READ_BUFFER {
            ahead.read(&mut buffer, full).expect("a full read");
        }
        assert!(ahead.bytes.capacity() >= READ_AHEAD);
        ahead.read(&mut buffer, |_| Ok(1)).expect("a large read that brings little");
        ahead.read(&mut buffer, |_| Ok(1)).expect("a small read");
        assert_eq!(ahead.bytes.capacity(), 0);
    }
}
