//! The one way out to a client in chapter 13: the outbox, and the stream that tungstenite gets.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::thread;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, unbounded};

// ANCHOR: outbox
/// The one way out to a client: a queue, and the only thread that writes to the socket.
#[derive(Clone)]
pub struct Outbox {
    frames: Sender<Arc<[u8]>>,
    socket: Arc<TcpStream>,
}

impl Outbox {
    pub fn new(socket: TcpStream, room: usize) -> Outbox {
        let (frames, waiting) = if room == 0 { unbounded() } else { bounded(room) };
        let socket = Arc::new(socket);
        let writer = Arc::clone(&socket);
        thread::spawn(move || write_all(&writer, &waiting));
        Outbox { frames, socket }
    }

    /// How many messages wait.
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// For the client's own thread: waits for room. A client that does not read makes only its own
    /// thread wait.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        let sent = self.frames.send(frame.into());
        sent.map_err(|_| io::ErrorKind::NotConnected.into())
    }

    /// For the dispatcher: never waits. Returns false when the client must leave the list.
    pub fn try_send(&self, frame: &Arc<[u8]>, client: u64) -> bool {
        match self.frames.try_send(Arc::clone(frame)) {
            Ok(()) => true,
            Err(TrySendError::Disconnected(_)) => false,
            Err(TrySendError::Full(_)) => {
                println!("client {client} is dropped: {} messages wait", self.len());
                // Wakes both of its threads: the one in `write`, and the one in `read`.
                let _ = self.socket.shutdown(Shutdown::Both);
                false
            }
        }
    }
}

/// Runs in a client's writer thread: waits for this one socket, and for no other.
fn write_all(mut socket: &TcpStream, waiting: &Receiver<Arc<[u8]>>) {
    for frame in waiting {
        // After a Close (FIN 1, opcode 8) nothing may follow.
        if socket.write_all(&frame).is_err() || frame.first() == Some(&0x88) {
            break;
        }
    }
    let _ = socket.shutdown(Shutdown::Write);
}
// ANCHOR_END: outbox

// ANCHOR: stream
/// The stream that tungstenite gets: it reads from the socket, and writes into the outbox.
pub struct Stream {
    pub socket: TcpStream,
    pub outbox: Outbox,
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.read(buffer)
    }
}

impl Write for Stream {
    fn write(&mut self, frame: &[u8]) -> io::Result<usize> {
        self.outbox.send(frame).map(|()| frame.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(()) // nothing is kept back
    }
}
// ANCHOR_END: stream
