//! Seeing a connection off, so that its last bytes arrive.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::outbox::{AbortReason, Outbox};
use crate::sys::socket::is_timeout;
use crate::sys::socket::read_uninterrupted;

/// Reads on until the peer has closed its side too, or for `timeout` since it last took a
/// byte. To drop a socket with input unread would send a reset, which can destroy the last
/// bytes on their way, a Close frame among them (RFC 6455 section 7.1.1).
pub(crate) fn linger(socket: &TcpStream, outbox: &Outbox, timeout: Duration) {
    let mut scratch = [0; 1024];
    let mut deadline = Instant::now() + timeout;
    let mut taken = outbox.bytes_out();
    let mut peer_is_done = false;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            if outbox.bytes_out() == taken {
                return outbox.abort(AbortReason::CloseTimeout);
            }
            // Still taking what it is owed: it has as long again.
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
