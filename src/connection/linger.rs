//! Lingering close: keep reading until the peer closes, so that a reset does not discard our last
//! bytes.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::outbox::{AbortReason, Outbox};
use crate::sys::socket::{is_timeout, read_uninterrupted};

/// Reads on until the peer has closed its side as well, or until it has taken no byte for `timeout`.
///
/// If we dropped the socket while input is unread, the system would send a reset. The reset can
/// destroy the last bytes on their way, and a Close frame among them (RFC 6455 section 7.1.1).
pub(super) fn linger(socket: &TcpStream, outbox: &Outbox, timeout: Duration) {
    // On the heap, so that the stack of a client that stays connected does not grow for it.
    let mut scratch = vec![0; 1024];
    let mut deadline = Instant::now() + timeout;
    let mut taken = outbox.bytes_out();
    let mut peer_is_done = false;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            if outbox.bytes_out() == taken {
                return outbox.abort(AbortReason::CloseTimeout);
            }
            // The peer still takes bytes, so it gets as much time again.
            taken = outbox.bytes_out();
            deadline = Instant::now() + timeout;
        } else if peer_is_done {
            // It has closed its side, but may still be reading ours.
            if outbox.wait_until_over(deadline) {
                return;
            }
        } else {
            let set = socket.set_read_timeout(Some(left));
            match set.and_then(|()| read_uninterrupted(socket, &mut scratch)) {
                Ok(count) => peer_is_done = count == 0,
                Err(error) if is_timeout(&error) => {}
                Err(_) => return outbox.abort(AbortReason::Lost),
            }
        }
    }
}
