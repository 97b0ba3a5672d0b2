//! A relay between clients and a server. It plays the part of a cable that somebody can pull.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

// ANCHOR: relay
/// Passes bytes between clients and the server, at an address of its own. The first connection goes
/// silent when `pulled` is set. The relay drops the next `refused` connections at once.
pub fn relay(
    server: SocketAddr,
    pulled: Arc<AtomicBool>,
    refused: usize,
) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for (number, client) in listener.incoming().flatten().enumerate() {
            let pulled = if number == 0 { Arc::clone(&pulled) } else { Arc::default() };
            if !(1..=refused).contains(&number) {
                join(client, server, pulled).ok();
            }
        }
    });
    Ok(address)
}

fn join(client: TcpStream, to: SocketAddr, pulled: Arc<AtomicBool>) -> io::Result<()> {
    let server = TcpStream::connect(to)?;
    let back = (server.try_clone()?, client.try_clone()?, Arc::clone(&pulled));
    thread::spawn(move || pass(client, server, &pulled));
    thread::spawn(move || pass(back.0, back.1, &back.2));
    Ok(())
}

fn pass(mut from: TcpStream, mut to: TcpStream, pulled: &AtomicBool) {
    let mut bytes = [0; 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if pulled.load(Ordering::Relaxed) || to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    while pulled.load(Ordering::Relaxed) {
        thread::park(); // nothing passes, and both sockets stay open
    }
    to.shutdown(Shutdown::Both).ok();
}
// ANCHOR_END: relay
