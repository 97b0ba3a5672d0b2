//! Two manners of TCP that a server needs and tungstenite leaves to us: a request may come in many
//! small pieces, and who closes a socket too soon destroys what it has sent. Chapters 05 and 06.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

// ANCHOR: hang_up
/// Says "no more from me", and waits a second for the peer to hang up (chapter 12 says why).
pub fn hang_up(mut socket: &TcpStream) -> io::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(1);
    socket.shutdown(Shutdown::Write)?;
    while let Some(left) = deadline.checked_duration_since(Instant::now()) {
        socket.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        if socket.read(&mut [0; 4096])? == 0 {
            break;
        }
    }
    Ok(())
}
// ANCHOR_END: hang_up

/// The longest head of a request, in bytes.
const MOST: usize = 16 * 1024;

/// A socket whose first reads give the head of a request, when all of it has come. tungstenite takes
/// a head in very small pieces for an attack, and gives up.
pub struct WholeHead<'a> {
    socket: &'a TcpStream,
    /// What has come and has not been given on.
    bytes: Vec<u8>,
    whole: bool,
}

impl<'a> WholeHead<'a> {
    /// A socket from which nothing has been read yet.
    pub fn new(socket: &'a TcpStream) -> WholeHead<'a> {
        WholeHead { socket, bytes: Vec::new(), whole: false }
    }
}

impl Read for WholeHead<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !self.whole {
            // Byte by byte, so that a frame right behind the head stays in the socket.
            let mut byte = [0];
            let ended = self.socket.read(&mut byte)? == 0;
            self.bytes.extend(byte.iter().filter(|_| !ended));
            self.whole = ended || self.bytes.ends_with(b"\r\n\r\n") || self.bytes.len() == MOST;
        }
        if self.bytes.is_empty() {
            return self.socket.read(buffer);
        }
        let count = buffer.len().min(self.bytes.len());
        buffer[..count].copy_from_slice(&self.bytes[..count]);
        self.bytes.drain(..count);
        Ok(count)
    }
}

impl Write for WholeHead<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}
