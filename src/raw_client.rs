//! A WebSocket client that sends exactly the bytes it is given.
//!
//! A browser never breaks the protocol, so it cannot show what a server does about a violation. This client
//! can, because it knows nothing about frames: it does not mask, does not answer a Ping and does not
//! close. The lab sends any bytes with it, and sees each byte of the answer. Tests and examples keep small clients
//! of their own: a test's client fails the test when the server is wrong, and an example's is read in a chapter.
//!
//! ```
//! use std::time::Duration;
//!
//! use chalkwire::protocol::{Frame, Opcode};
//! use chalkwire::raw_client::RawClient;
//! # let server = chalkwire::Server::bind("127.0.0.1:0", chalkwire::Config::default())?;
//! # let (address, stopper) = (server.local_addr(), server.stopper());
//! # let thread = std::thread::spawn(move || server.run());
//!
//! let mut client = RawClient::connect(address, Duration::from_secs(5))?;
//! let head = client.shake_hands("/echo", "Origin: http://localhost\r\n")?;
//! assert!(head.starts_with("HTTP/1.1 101 "));
//!
//! // This text is not masked, so the server answers with Close 1002 (protocol error).
//! client.send(&Frame::new(Opcode::Text, None, b"Hello").encode())?;
//! let answer = client.receive(Frame::decode)?.expect("a frame");
//! assert_eq!(answer.header.opcode, Opcode::Close);
//! assert_eq!(answer.payload[..2], 1002_u16.to_be_bytes());
//! # drop(client);
//! # stopper.stop();
//! # thread.join().expect("no panic")?;
//! # std::io::Result::Ok(())
//! ```

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::config::{RAW_CLIENT_READ, RAW_CLIENT_UNREAD};
use crate::sys::socket::{is_timeout, read_uninterrupted};

/// A TCP connection to a WebSocket server, with the bytes that have arrived and no call has returned yet.
#[derive(Debug)]
pub struct RawClient {
    socket: TcpStream,
    /// Bytes that the socket has delivered and that no call has returned yet.
    unread: Vec<u8>,
    timeout: Duration,
}

impl RawClient {
    /// Connects to `address`. `timeout` limits this, each write, and each wait for an answer.
    ///
    /// # Errors
    /// When the server cannot be reached within `timeout`, or `timeout` is zero.
    pub fn connect(address: SocketAddr, timeout: Duration) -> io::Result<RawClient> {
        RawClient::from_socket(TcpStream::connect_timeout(&address, timeout)?, timeout)
    }

    /// Uses a connected socket, on which a request may have been sent already. `timeout` limits each write and
    /// each wait for an answer.
    ///
    /// # Errors
    /// When the system does not take the socket's options.
    pub fn from_socket(socket: TcpStream, timeout: Duration) -> io::Result<RawClient> {
        // A small frame must leave at once, not wait for the acknowledgement of the one before it
        // (Nagle's algorithm).
        socket.set_nodelay(true)?;
        socket.set_write_timeout(Some(timeout))?;
        Ok(RawClient { socket, unread: Vec::new(), timeout })
    }

    /// Sends the request of an opening handshake and returns the head of the answer, as
    /// [`receive_head`](Self::receive_head) does. `headers` is added to the request; each of its lines ends
    /// with `\r\n`.
    ///
    /// # Errors
    /// When the connection fails. A refusal is not an error: its status is in the head.
    pub fn shake_hands(&mut self, path: &str, headers: &str) -> io::Result<String> {
        let host = self.socket.peer_addr()?;
        self.send(handshake_request(host, path, headers).as_bytes())?;
        self.receive_head()
    }

    /// Sends `bytes` as they are.
    ///
    /// # Errors
    /// When the server has gone, or takes no byte within the timeout.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.socket.write_all(bytes)
    }

    /// Receives the head of an HTTP answer: its status line and headers, with the blank line. What
    /// follows it stays for the next call.
    ///
    /// # Errors
    /// When the connection ends before the blank line, or the head is not there in time.
    pub fn receive_head(&mut self) -> io::Result<String> {
        let head = self.receive(|bytes| {
            let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
            Some((String::from_utf8_lossy(&bytes[..end]).into_owned(), end))
        })?;
        head.ok_or_else(|| {
            let why = "the connection ended before the head of an answer";
            io::Error::new(io::ErrorKind::UnexpectedEof, why)
        })
    }

    /// Receives until `decode` finds a whole value at the start of the bytes, and returns that value. `decode`
    /// also gives the number of bytes that the value takes, as
    /// [`Frame::decode`](crate::protocol::Frame::decode) does. `None` means that the server has closed or reset
    /// the connection; [`unread`](Self::unread) then has the part of a value that did arrive.
    ///
    /// # Errors
    /// When the value is not complete in time ([`io::ErrorKind::TimedOut`]), when it is larger than 64 MiB, or
    /// when the connection fails.
    pub fn receive<T>(
        &mut self,
        decode: impl Fn(&[u8]) -> Option<(T, usize)>,
    ) -> io::Result<Option<T>> {
        let deadline = Instant::now() + self.timeout;
        loop {
            if let Some((value, length)) = decode(&self.unread) {
                self.unread.drain(..length);
                return Ok(Some(value));
            }
            if self.unread.len() > RAW_CLIENT_UNREAD {
                let why = format!("an answer has at most {RAW_CLIENT_UNREAD} bytes here");
                return Err(io::Error::other(why));
            }
            if !self.read_more(deadline)? {
                return Ok(None);
            }
        }
    }

    /// Receives everything until the server closes the connection or the timeout has passed, but not
    /// many more than `enough` bytes.
    ///
    /// # Errors
    /// When the connection fails. Neither a reset nor the end of the time is an error.
    pub fn receive_all(&mut self, enough: usize) -> io::Result<Vec<u8>> {
        let deadline = Instant::now() + self.timeout;
        while self.unread.len() < enough {
            match self.read_more(deadline) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) if error.kind() == io::ErrorKind::TimedOut => break,
                Err(error) => return Err(error),
            }
        }
        Ok(std::mem::take(&mut self.unread))
    }

    /// The bytes that have been received and that no call has returned yet.
    pub fn unread(&self) -> &[u8] {
        &self.unread
    }

    /// The connection itself, for a caller that ends one side of it or changes its options.
    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Waits until `deadline` for more bytes. False means that the server has closed or reset the connection.
    fn read_more(&mut self, deadline: Instant) -> io::Result<bool> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.socket.set_read_timeout(Some(left))?;
        let length = self.unread.len();
        // Read on the heap, because this also runs in threads with a small stack.
        self.unread.resize(length + RAW_CLIENT_READ, 0);
        let result = read_uninterrupted(&self.socket, &mut self.unread[length..]);
        self.unread.truncate(length + result.as_ref().map_or(0, |count| *count));
        match result {
            Ok(count) => Ok(count > 0),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(false),
            // Systems differ in the error that they give here; callers see one of them only.
            Err(error) if is_timeout(&error) => Err(io::ErrorKind::TimedOut.into()),
            Err(error) => Err(error),
        }
    }
}

/// The request of an opening handshake (RFC 6455 section 4.1), with the key that the RFC uses as its example.
/// `headers` is added to it; each of its lines ends with `\r\n`.
pub fn handshake_request(host: SocketAddr, path: &str, headers: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{headers}\r\n"
    )
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::{Shutdown, TcpListener};

    use super::*;

    /// A client and the server's end of its connection.
    fn pair(timeout: Duration) -> (RawClient, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = RawClient::connect(listener.local_addr().unwrap(), timeout).unwrap();
        (client, listener.accept().unwrap().0)
    }

    /// Values of two bytes, to test with.
    fn two_bytes(bytes: &[u8]) -> Option<([u8; 2], usize)> {
        bytes.first_chunk().map(|two| (*two, 2))
    }

    #[test]
    fn the_request_leaves_as_written_and_bytes_behind_the_answer_are_kept() {
        let (mut client, mut server) = pair(Duration::from_secs(20));
        let answer = b"HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x00\x88";
        server.write_all(answer).unwrap();
        server.shutdown(Shutdown::Write).unwrap();
        let head = client.shake_hands("/x", "A: b\r\n").unwrap();
        assert_eq!(head, "HTTP/1.1 101 Switching Protocols\r\n\r\n");
        assert_eq!(client.receive(two_bytes).unwrap(), Some([0x81, 0]));
        assert_eq!(client.receive(two_bytes).unwrap(), None);
        assert_eq!(client.unread(), [0x88]);

        let expected =
            handshake_request(client.socket().peer_addr().unwrap(), "/x", "A: b\r\n").into_bytes();
        assert!(expected.ends_with(b"\r\nA: b\r\n\r\n"));
        drop(client);
        let mut request = Vec::new();
        server.read_to_end(&mut request).unwrap();
        assert_eq!(request, expected);
    }

    #[test]
    fn an_answer_that_does_not_come_is_not_awaited_for_long() {
        let (mut client, mut server) = pair(Duration::from_millis(20));
        server.write_all(b"H").unwrap();
        let error = client.receive(two_bytes).expect_err("half a value");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(client.receive_all(100).unwrap(), b"H");
        drop(server);
        let error = client.receive_head().expect_err("no head");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn receiving_stops_when_there_is_enough() {
        let (mut client, mut server) = pair(Duration::from_secs(20));
        server.write_all(&[7; 10]).unwrap();
        let mut received = 0;
        // The server keeps the connection open, so only the number of bytes can end this.
        while received < 10 {
            received += client.receive_all(1).unwrap().len();
        }
        assert_eq!(received, 10);
    }
}
