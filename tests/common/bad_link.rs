//! A bad link between clients and a server: it cuts bytes into pieces, and stalls each direction at random.
//! It loses nothing, because TCP would not either.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread::{self, Builder};
use std::time::Duration;

/// Bytes of a thread's stack. A link has two threads for each connection.
const STACK: usize = 64 * 1024;

/// Starts a link to `server`, and returns the address of its other end. Its threads end with their
/// connections, and the thread that accepts them ends with the test's process.
pub fn bad_link_to(server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for (seed, client) in (1..).step_by(2).zip(listener.incoming().flatten()) {
            let Ok(upstream) = TcpStream::connect(server) else { return };
            for socket in [&client, &upstream] {
                // So that each piece leaves by itself.
                let _ = socket.set_nodelay(true);
            }
            let (Ok(from), Ok(to)) = (upstream.try_clone(), client.try_clone()) else { return };
            start(move || carry(from, to, Random(seed)));
            start(move || carry(client, upstream, Random(seed + 1)));
        }
    });
    address
}

fn start(body: impl FnOnce() + Send + 'static) {
    Builder::new().stack_size(STACK).spawn(body).expect("a thread");
}

/// Carries bytes in one direction, until the sender ends it.
fn carry(mut from: TcpStream, mut to: TcpStream, mut random: Random) {
    let mut buffer = [0; 1500];
    loop {
        let piece = if random.below(2) == 0 { 1 + random.below(8) } else { buffer.len() };
        let Ok(count @ 1..) = from.read(&mut buffer[..piece]) else { break };
        if random.below(30) == 0 {
            thread::sleep(Duration::from_millis(random.below(60) as u64));
        }
        if to.write_all(&buffer[..count]).is_err() {
            let _ = from.shutdown(Shutdown::Both);
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

/// Random numbers that are the same in each run (Marsaglia's xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % limit
    }
}
