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
    loop {
        let taken = outbox.bytes_out();
        if is_over_by(Instant::now() + timeout, socket, outbox) {
            return;
        }
        // A peer that still takes bytes gets as much time again.
        if outbox.bytes_out() == taken {
            return outbox.abort(AbortReason::CloseTimeout);
        }
    }
}

/// Does the same for a peer that has to take everything until `deadline`, however it takes it.
pub(super) fn linger_until(deadline: Instant, socket: &TcpStream, outbox: &Outbox) {
    if !is_over_by(deadline, socket, outbox) {
        outbox.abort(AbortReason::CloseTimeout);
    }
}

/// Reads on until the peer has closed its side and has all bytes, or the connection is lost. Returns false
/// after the deadline.
fn is_over_by(deadline: Instant, socket: &TcpStream, outbox: &Outbox) -> bool {
    // On the heap, so that the stack of a client that stays connected does not grow for it.
    let mut scratch = vec![0; 1024];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        let set = socket.set_read_timeout(Some(left));
        match set.and_then(|()| read_uninterrupted(socket, &mut scratch)) {
            // It has closed its side, but may still be reading ours.
            Ok(0) => return outbox.wait_until_over(deadline),
            Ok(_) => {}
            Err(error) if is_timeout(&error) => {}
            Err(_) => {
                outbox.abort(AbortReason::Lost);
                return true;
            }
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use bytes::Bytes;
    use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_send_buffer_size};

    use super::*;
    use crate::outbox::memory::drainer;
    use crate::sys::ConnectionId;

    /// More than the buffers of the two sockets hold.
    const LENGTH: usize = 2 * 1024 * 1024;

    const BUFFER: usize = 32 * 1024;

    /// An outbox that has begun to send its last bytes, its socket, and the peer. The sockets buffer little,
    /// so that the peer's pace is visible.
    fn sending() -> (Arc<TcpStream>, Arc<Outbox>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        set_socket_recv_buffer_size(&listener, BUFFER).unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).expect("it works");
        set_socket_recv_buffer_size(&peer, BUFFER).unwrap();
        peer.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let socket = Arc::new(listener.accept().unwrap().0);
        set_socket_send_buffer_size(&socket, BUFFER).unwrap();
        let transport = Arc::clone(&socket) as _;
        let outbox = Outbox::new(
            transport,
            drainer(&Arc::default()),
            Arc::default(),
            ConnectionId(1),
            LENGTH,
        );
        outbox.send_final(&[Bytes::from(vec![b'x'; LENGTH])]);
        (socket, outbox, peer)
    }

    #[test]
    fn a_peer_that_takes_an_answer_too_slowly_is_cut_off_though_it_takes_bytes() {
        let (socket, outbox, mut peer) = sending();
        let is_cut = Arc::new(AtomicBool::new(false));
        let reader = thread::spawn({
            let is_cut = Arc::clone(&is_cut);
            move || {
                // A few bytes at a time: steady progress, but never the end.
                let mut taken = 0;
                while !is_cut.load(Ordering::Relaxed) && taken < LENGTH / 2 {
                    taken += peer.read(&mut [0; 64]).unwrap_or(0);
                    thread::sleep(Duration::from_millis(1));
                }
                taken
            }
        });
        linger_until(Instant::now() + Duration::from_millis(300), &socket, &outbox);
        is_cut.store(true, Ordering::Relaxed);
        assert_eq!(outbox.close_info().1, Some(AbortReason::CloseTimeout));
        let taken = reader.join().unwrap();
        assert!(0 < taken && taken < LENGTH / 2, "{taken} bytes");
    }

    #[test]
    fn a_peer_that_keeps_the_pace_gets_the_whole_answer() {
        let (socket, outbox, mut peer) = sending();
        let reader = thread::spawn(move || {
            let mut all = Vec::new();
            peer.read_to_end(&mut all).map(|_| all.len())
        });
        linger_until(Instant::now() + Duration::from_secs(60), &socket, &outbox);
        assert_eq!(reader.join().unwrap().expect("no reset"), LENGTH);
        assert_eq!(outbox.close_info().1, None);
    }

    #[test]
    fn the_last_bytes_of_a_websocket_wait_for_as_long_as_the_peer_takes_some() {
        let (socket, outbox, mut peer) = sending();
        let reader = thread::spawn(move || {
            let mut all = 0;
            loop {
                // In sum this takes longer than the time without progress that is allowed.
                thread::sleep(Duration::from_millis(25));
                let mut piece = vec![0; LENGTH / 128];
                match peer.read(&mut piece).expect("no reset") {
                    0 => return all,
                    count => all += count,
                }
            }
        });
        linger(&socket, &outbox, Duration::from_secs(2));
        assert_eq!(reader.join().unwrap(), LENGTH);
        assert_eq!(outbox.close_info().1, None);
    }
}
