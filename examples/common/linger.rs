//! Seeing a connection off.

use std::io::Read;
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

// ANCHOR: linger
/// Who does not leave is left after this time.
const LINGER: Duration = Duration::from_secs(2);

/// Says that nothing more comes, and reads on until the peer has nothing more to say either.
pub fn linger(mut socket: &TcpStream) {
    let deadline = Instant::now() + LINGER;
    let mut unwanted = vec![0; 64 * 1024];
    let mut peer_is_there = socket.shutdown(Shutdown::Write).is_ok();
    while peer_is_there {
        let left = deadline.saturating_duration_since(Instant::now());
        peer_is_there = !left.is_zero()
            && socket.set_read_timeout(Some(left)).is_ok()
            && socket.read(&mut unwanted).is_ok_and(|count| count > 0);
    }
}
// ANCHOR_END: linger
