//! Lingering close: how to end a TCP connection without destroying the last bytes that we sent.
//! Chapter 05 uses it, chapter 12 explains it.

use std::io::Read;
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

// ANCHOR: linger
/// How long we wait for a peer that does not close its side.
const LINGER: Duration = Duration::from_secs(1);

/// Tells the peer that nothing more comes from us, and then waits until it closes its side too.
pub fn linger(socket: &TcpStream) {
    if socket.shutdown(Shutdown::Write).is_ok() {
        drain(socket);
    }
}

/// Reads and throws away what the peer still sends, until it closes its side.
pub fn drain(mut socket: &TcpStream) {
    let deadline = Instant::now() + LINGER;
    let mut unwanted = vec![0; 64 * 1024];
    let mut peer_is_open = true;
    while peer_is_open {
        let left = deadline.saturating_duration_since(Instant::now());
        peer_is_open = !left.is_zero()
            && socket.set_read_timeout(Some(left)).is_ok()
            && socket.read(&mut unwanted).is_ok_and(|count| count > 0);
    }
}
// ANCHOR_END: linger
