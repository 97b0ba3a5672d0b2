//! The one way out to a client, and what chapter 13's server reads from: the outbox, the stream that
//! tungstenite gets, and the opening handshake.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, unbounded};
use tungstenite::error::ProtocolError::MissingConnectionUpgradeHeader;
use tungstenite::{Error, HandshakeError, WebSocket, accept};

// ANCHOR: outbox
/// The one way out to a client: a queue, and a thread that alone writes to the socket.
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

    /// Messages that wait.
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// For the client's own thread: waits for room. Who does not read is not read from.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        let sent = self.frames.send(frame.into());
        sent.map_err(|_| io::ErrorKind::NotConnected.into())
    }

    /// For the dispatcher: never waits. False when the client is off the list.
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

/// The body of a client's writer thread: waits for its one socket, and for no other.
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
/// What tungstenite gets for a socket: it reads there, and writes where everybody writes.
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

/// A WebSocket, or `None` for anything else: a browser that asks for the page gets it.
pub fn open_or_page(stream: Stream, page: &str) -> io::Result<Option<WebSocket<Stream>>> {
    let outbox = stream.outbox.clone();
    let (status, body) = match accept(stream) {
        Ok(websocket) => return Ok(Some(websocket)),
        Err(HandshakeError::Failure(Error::Protocol(MissingConnectionUpgradeHeader))) => {
            ("200 OK", page.to_owned())
        }
        Err(error) => ("400 Bad Request", format!("no opening handshake: {error}\n")),
    };
    let head = "Content-Type: text/html; charset=utf-8\r\nConnection: close";
    let answer = format!("HTTP/1.1 {status}\r\n{head}\r\n\r\n{body}");
    outbox.send(answer.as_bytes()).map(|()| None)
}

/// Reads until the client ends, for a second at most, however it drips. To close a socket with unread
/// bytes would send a reset, which destroys what the client has not read yet. The writer thread has
/// more to write perhaps, so the end of our side is its affair.
pub fn linger(mut socket: &TcpStream) -> io::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(1);
    let mut unwanted = vec![0; 64 * 1024];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        socket.set_read_timeout(Some(left))?;
        if socket.read(&mut unwanted)? == 0 {
            return Ok(());
        }
    }
}
