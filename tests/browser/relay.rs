//! A relay between a browser and a server, which keeps what the browser sends.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use chalkwire::protocol::Frame;

/// Relays connections to a server, and keeps the bytes that each client sends.
pub struct Relay {
    pub address: SocketAddr,
    captured: Arc<Mutex<Vec<Capture>>>,
}

/// The bytes that a client has sent so far.
type Capture = Arc<Mutex<Vec<u8>>>;

impl Relay {
    pub fn to(server: SocketAddr) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let captured = Arc::<Mutex<Vec<Capture>>>::default();
        let all = Arc::clone(&captured);
        // This thread ends with the test's process.
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(upstream) = TcpStream::connect(server) else { return };
                let bytes = Capture::default();
                all.lock().expect("no panic").push(Arc::clone(&bytes));
                let (Ok(from), Ok(to)) = (upstream.try_clone(), client.try_clone()) else { return };
                std::thread::spawn(move || pass_on(from, to, None));
                std::thread::spawn(move || pass_on(client, upstream, Some(&bytes)));
            }
        });
        Relay { address, captured }
    }

    /// The first frame that a client has sent behind its handshake.
    pub fn first_frame(&self) -> Option<Vec<u8>> {
        let all = self.captured.lock().expect("no panic");
        all.iter().find_map(|bytes| {
            let bytes = bytes.lock().expect("no panic");
            let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
            let (head, frames) = bytes.split_at(end);
            String::from_utf8_lossy(head).contains("Upgrade: websocket").then_some(())?;
            let (_, length) = Frame::decode(frames)?;
            Some(frames[..length].to_vec())
        })
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, keep: Option<&Mutex<Vec<u8>>>) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if let Some(keep) = keep {
            keep.lock().expect("no panic").extend_from_slice(&buffer[..count]);
        }
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Write);
}
