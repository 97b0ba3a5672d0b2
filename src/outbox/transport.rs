//! The transport that an outbox writes to: a socket, in a write that does not wait and one that does.

use std::io::{self, IoSlice, Write};
use std::net::{Shutdown, TcpStream};
#[cfg(unix)]
use std::time::Duration;

/// The far end of an outbox: a socket, or in tests memory.
pub trait Transport: Send + Sync {
    /// Writes what fits without waiting, and returns the number of bytes.
    ///
    /// # Errors
    /// `WouldBlock` when nothing fits. Any other error means that the connection is lost.
    fn send_now(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Waits until at least one byte fits, writes what fits, and returns the number of bytes.
    ///
    /// # Errors
    /// When the connection is lost or was [aborted](Self::abort).
    fn send_waiting(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize>;

    /// The socket, so that the drain thread can wait until it takes bytes. `None` if there is none.
    fn socket(&self) -> Option<&TcpStream>;

    /// Tells the peer that nothing follows (TCP: FIN). This side can still read.
    fn end_output(&self);

    /// Ends both directions at once. A read or write that waits in another thread returns.
    fn abort(&self);
}

impl Transport for TcpStream {
    /// `MSG_DONTWAIT` makes this one call non-blocking; the socket stays blocking for its reader.
    #[cfg(unix)]
    fn send_now(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        use rustix::net::{SendAncillaryBuffer, SendFlags, send, sendmsg};
        let flags = SendFlags::DONTWAIT;
        match pieces {
            [piece] => Ok(send(self, piece, flags)?),
            _ => Ok(sendmsg(self, pieces, &mut SendAncillaryBuffer::default(), flags)?),
        }
    }

    /// `std` does not have such a call, so here a drain thread sends everything. Only the speed differs.
    #[cfg(not(unix))]
    fn send_now(&self, _pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn send_waiting(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut socket = self;
        socket.write_vectored(pieces)
    }

    fn socket(&self) -> Option<&TcpStream> {
        Some(self)
    }

    fn end_output(&self) {
        // This fails only when the peer is gone already.
        let _ = self.shutdown(Shutdown::Write);
    }

    fn abort(&self) {
        // With a linger time of zero, the system sends a reset when the socket is closed. Without the
        // reset a peer in the middle of a long write would learn of the end only after a minute,
        // because after the shutdown the system no longer tells it how much it may send. And our
        // unsent bytes would stay in the system's memory for as long.
        #[cfg(unix)]
        let _ = rustix::net::sockopt::set_socket_linger(self, Some(Duration::ZERO));
        let _ = self.shutdown(Shutdown::Both);
    }
}
