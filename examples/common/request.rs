//! A stream for tungstenite's handshake that gives it the head of the request in one piece.

use std::io::{self, Read, Write};
use std::net::TcpStream;

/// The longest head of a request, in bytes.
const LONGEST_HEAD: usize = 16 * 1024;

/// A socket whose first reads give the head of a request, but only once the whole head has arrived.
/// tungstenite takes a head that comes in very small pieces for an attack, and gives up.
pub struct WholeHead<'a> {
    socket: &'a TcpStream,
    /// Bytes of the head that tungstenite has not taken yet.
    head: Vec<u8>,
    is_whole: bool,
}

impl<'a> WholeHead<'a> {
    /// Wraps a socket from which nothing has been read yet.
    pub fn new(socket: &'a TcpStream) -> WholeHead<'a> {
        WholeHead { socket, head: Vec::new(), is_whole: false }
    }
}

impl Read for WholeHead<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !self.is_whole {
            // Byte by byte, so that a frame right behind the head stays in the socket.
            let mut byte = [0];
            let ended = self.socket.read(&mut byte)? == 0;
            self.head.extend(byte.iter().filter(|_| !ended));
            let length = self.head.len();
            self.is_whole = ended || self.head.ends_with(b"\r\n\r\n") || length == LONGEST_HEAD;
        }
        if self.head.is_empty() {
            return self.socket.read(buffer);
        }
        let count = buffer.len().min(self.head.len());
        buffer[..count].copy_from_slice(&self.head[..count]);
        self.head.drain(..count);
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
