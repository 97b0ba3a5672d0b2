//! The refuser: answers connections that get no thread of their own, because the server is full or because
//! their address has too many.

use std::io::IoSlice;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::Receiver;

use crate::config::REFUSAL_TIME;
use crate::http::refusal::Refusal;
use crate::outbox::transport::Transport;
use crate::sys::socket::read_uninterrupted;

/// A connection that is to get this answer, and then to end.
pub(super) struct Refused {
    pub(super) socket: Arc<TcpStream>,
    pub(super) refusal: Refusal,
}

/// The body of the refuser's thread.
pub(super) fn refuse_all(to_refuse: &Receiver<Refused>) {
    let mut scratch = [0; 1024];
    for first in to_refuse {
        // All connections that wait get their answer at once, and then share the time to take it.
        let mut refused = vec![first];
        refused.extend(to_refuse.try_iter());
        refused.retain(|Refused { socket, refusal }| {
            let answer = refusal.response().encode();
            let pieces: Vec<_> = answer.iter().map(|piece| IoSlice::new(piece)).collect();
            // A new socket takes a few hundred bytes at once, so this does not wait.
            socket.send_waiting(&pieces).is_ok()
        });
        let deadline = Instant::now() + REFUSAL_TIME;
        for Refused { socket, .. } in refused {
            socket.end_output();
            // Lingering close: the request is still unread, and if we dropped the socket now, the
            // system would send a reset that destroys the answer.
            while let Some(left) = deadline.checked_duration_since(Instant::now())
                && !left.is_zero()
                && socket.set_read_timeout(Some(left)).is_ok()
                && read_uninterrupted(&socket, &mut scratch).is_ok_and(|count| count > 0)
            {
            }
        }
    }
}
