//! What an outbox writes to.

use std::io::{self, IoSlice, Write};
use std::net::{Shutdown, TcpStream};
#[cfg(unix)]
use std::time::Duration;

/// What an outbox writes to: a socket, or in tests a piece of memory.
pub trait Transport: Send + Sync {
    /// Writes what fits without waiting.
    ///
    /// # Errors
    /// `WouldBlock` when nothing fits; anything else means that the connection is lost.
    fn send_now(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Writes at least one byte, and waits for that if need be.
    ///
    /// # Errors
    /// When the connection is lost or was [`cut`](Self::cut).
    fn send_waiting(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Tells the peer that nothing more comes (TCP: FIN). Reading goes on.
    fn end_output(&self);

    /// Ends both directions at once. Whoever waits in a read or a write of it, returns.
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

    /// Without such a call everything takes the way over the drain thread; only speed differs.
    #[cfg(not(unix))]
    fn send_now(&self, _pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn send_waiting(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut socket = self;
        socket.write_vectored(pieces)
    }

    fn end_output(&self) {
        // Fails only when the peer is gone already.
        let _ = self.shutdown(Shutdown::Write);
    }

    fn abort(&self) {
        // The peer learns of it by a reset when the socket is closed. Without one, a peer in the
        // middle of a long write would not learn at all for a minute: after the shutdown the
        // system tells it no more of the room there is. And what we could not send would stay in
        // the system's memory just as long.
        #[cfg(unix)]
        let _ = rustix::net::sockopt::set_socket_linger(self, Some(Duration::ZERO));
        let _ = self.shutdown(Shutdown::Both);
    }
}
