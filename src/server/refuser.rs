//! The refuser.

use std::io::IoSlice;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::Receiver;

use crate::config::REFUSAL_TIME;
use crate::http::handshake as upgrade;
use crate::outbox::transport::Transport;
use crate::sys::socket::read_uninterrupted;

/// The refuser's thread: tells connections without a thread of their own that there is no room.
pub(super) fn refuse_all(to_refuse: &Receiver<Arc<TcpStream>>) {
    let answer = upgrade::no_room("this server has no room for more connections");
    let pieces: Vec<_> = answer.iter().map(|piece| IoSlice::new(piece)).collect();
    let mut scratch = [0; 1024];
    for first in to_refuse {
        // All that wait are answered at once, and then have the same time to take it.
        let mut sockets = vec![first];
        sockets.extend(to_refuse.try_iter());
        // A few hundred bytes fit a fresh socket, so this does not wait.
        sockets.retain(|socket| socket.send_waiting(&pieces).is_ok());
        let deadline = Instant::now() + REFUSAL_TIME;
        for socket in sockets {
            socket.end_output();
            // Reading on keeps the system from sending a reset over the unread request, which
            // would destroy the answer.
            while let Some(left) = deadline.checked_duration_since(Instant::now())
                && !left.is_zero()
                && socket.set_read_timeout(Some(left)).is_ok()
                && read_uninterrupted(&socket, &mut scratch).is_ok_and(|count| count > 0)
            {
            }
        }
    }
}
