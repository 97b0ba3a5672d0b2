//! The load of the row `handshakes`: clients that connect, send one message, close, and come again.
//!
//! Each of a fixed number of places runs one connection after the other: TCP connection, opening
//! handshake, one message and its echo, closing handshake, the end of the server's output. The
//! next connection of a place begins when the last one has ended, so the number of open
//! connections is bounded.
//!
//! RFC 6455, section 7.1.1, lets the server close the TCP connection first, so the client waits
//! for that. Then it closes its own side with a reset. At that time nothing is on its way any
//! more, so the reset destroys nothing. But it removes the `TIME_WAIT` state, in which the kernel
//! would otherwise keep each connection for a minute: at thousands of connections a second, those
//! of one server would use up memory and ports while the next server is measured.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use chalkwire_bench::{
    CLOSE, HEAD_END, NORMAL_CLOSURE, Result, check_answer, client_close, client_frame,
    handshake_request, payload, server_frame,
};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use rustix::net::sockopt::set_socket_linger;

use crate::load::{EXTRA_TIME, Load, POLL_TIMEOUT, Pace, SILENCE_TIMEOUT};
use crate::rows::Shape;

/// Clients that come and go.
pub struct HandshakeLoad {
    address: SocketAddr,
    /// A connection for each client; `None` between two measurements.
    places: Vec<Option<Visit>>,
    poll: Poll,
    events: Events,
    buffer: Vec<u8>,
    request: Vec<u8>,
    message: Vec<u8>,
    echo: Vec<u8>,
    close: Vec<u8>,
    last_byte: Instant,
}

/// One connection.
struct Visit {
    stream: TcpStream,
    stage: Stage,
    /// Bytes of the server that the stage has not used yet.
    received: Vec<u8>,
}

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    /// The TCP connection.
    Connection,
    /// The answer to the opening handshake.
    Handshake,
    /// The echo of the message.
    Echo,
    /// The server's Close frame.
    Close,
    /// The end of the server's output.
    End,
}

impl HandshakeLoad {
    /// Prepares the clients. None of them connects yet.
    pub fn new(address: SocketAddr, shape: Shape) -> Result<HandshakeLoad> {
        let payload = payload(shape.payload);
        Ok(HandshakeLoad {
            address,
            places: (0..shape.clients).map(|_| None).collect(),
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            buffer: vec![0; 16 << 10],
            request: handshake_request(&address.to_string(), shape.path, shape.payload)
                .into_bytes(),
            message: client_frame(&payload),
            echo: server_frame(&payload),
            close: client_close(NORMAL_CLOSURE),
            last_byte: Instant::now(),
        })
    }

    fn connect(&mut self, place: usize) -> Result<()> {
        let mut stream = TcpStream::connect(self.address)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(place), interest)?;
        self.places[place] = Some(Visit { stream, stage: Stage::Connection, received: Vec::new() });
        Ok(())
    }

    /// Serves all sockets that are ready, once. Returns how many connections have ended.
    fn turn(&mut self, go_on: bool) -> Result<u64> {
        match self.poll.poll(&mut self.events, Some(POLL_TIMEOUT)) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        if !self.events.is_empty() {
            self.last_byte = Instant::now();
        } else if self.last_byte.elapsed() > SILENCE_TIMEOUT {
            let stages: Vec<_> = self.places.iter().flatten().map(|visit| visit.stage).collect();
            return Err(format!("the server is silent, and clients wait for {stages:?}").into());
        }
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        let mut ended = 0;
        for event in &events {
            let Token(place) = event.token();
            if self.go_on(place, event.is_read_closed())? {
                ended += 1;
                self.end(place)?;
                if go_on {
                    self.connect(place)?;
                }
            }
        }
        self.events = events;
        Ok(ended)
    }

    /// Takes a connection as far as it goes without waiting. Returns whether it has ended.
    fn go_on(&mut self, place: usize, has_end: bool) -> Result<bool> {
        let Some(visit) = &mut self.places[place] else { return Ok(false) };
        if visit.stage == Stage::Connection {
            if let Some(error) = visit.stream.take_error()? {
                return Err(format!("a client could not connect: {error}").into());
            }
            visit.stream.set_nodelay(true)?;
            visit.send(&self.request)?;
            visit.stage = Stage::Handshake;
        }
        loop {
            let count = match visit.stream.read(&mut self.buffer) {
                Ok(0) if visit.stage == Stage::End => return Ok(true),
                Ok(0) => {
                    return Err(format!("the server closed before the {:?}", visit.stage).into());
                }
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(format!("in {:?}: {error}", visit.stage).into()),
            };
            visit.received.extend_from_slice(&self.buffer[..count]);
            if visit.stage == Stage::Handshake
                && let Some(end) = find(&visit.received, HEAD_END)
            {
                let head = visit.received.drain(..end + HEAD_END.len()).collect();
                check_answer(&String::from_utf8(head)?)?;
                visit.send(&self.message)?;
                visit.stage = Stage::Echo;
            }
            if visit.stage == Stage::Echo && visit.received.len() >= self.echo.len() {
                if !visit.received.starts_with(&self.echo) {
                    return Err("the echo is not the expected one".into());
                }
                visit.received.drain(..self.echo.len());
                visit.send(&self.close)?;
                visit.stage = Stage::Close;
            }
            if visit.stage == Stage::Close
                && let Some(length) = close_length(&visit.received)?
            {
                visit.received.drain(..length);
                visit.stage = Stage::End;
            }
            if visit.stage == Stage::End && !visit.received.is_empty() {
                return Err("bytes came after the server's Close frame".into());
            }
            // A read that does not fill the buffer has emptied the socket. epoll(7) then reports
            // later bytes with another event, but an end that has come already it does not report
            // again. So the client reads on when the end may be there.
            if visit.stage != Stage::End && !has_end {
                return Ok(false);
            }
        }
    }

    /// Ends a connection that the server has ended already.
    fn end(&mut self, place: usize) -> Result<()> {
        if let Some(visit) = self.places[place].take() {
            set_socket_linger(&visit.stream, Some(Duration::ZERO))?;
        }
        Ok(())
    }

    fn is_idle(&self) -> bool {
        self.places.iter().all(Option::is_none)
    }
}

impl Load for HandshakeLoad {
    fn start(&mut self) -> Result<()> {
        self.last_byte = Instant::now();
        (0..self.places.len()).try_for_each(|place| self.connect(place))
    }

    fn measure(&mut self, time: Duration) -> Result<Pace> {
        let start = Instant::now();
        let mut count = 0;
        loop {
            let ended = self.turn(true)?;
            count += ended;
            let elapsed = start.elapsed();
            if ended > 0 && elapsed >= time {
                return Ok(Pace { count, time: elapsed });
            }
        }
    }

    fn finish(&mut self) -> Result<()> {
        let deadline = Instant::now() + EXTRA_TIME;
        while !self.is_idle() {
            self.turn(false)?;
            if Instant::now() > deadline {
                return Err("the last connections do not end".into());
            }
        }
        Ok(())
    }
}

impl Visit {
    /// Sends a few bytes. A socket that has no room for them is not a healthy one.
    fn send(&mut self, bytes: &[u8]) -> Result<()> {
        match self.stream.write(bytes) {
            Ok(count) if count == bytes.len() => Ok(()),
            Ok(count) => Err(format!("only {count} of {} bytes were sent", bytes.len()).into()),
            Err(error) => Err(format!("in {:?}: {error}", self.stage).into()),
        }
    }
}

/// Where the bytes begin in the others.
fn find(all: &[u8], bytes: &[u8]) -> Option<usize> {
    all.windows(bytes.len()).position(|window| window == bytes)
}

/// The length of the Close frame that answers ours; `None` while it is not complete. The server
/// may add a reason.
fn close_length(received: &[u8]) -> Result<Option<usize>> {
    let [first, length, body @ ..] = received else { return Ok(None) };
    let length = usize::from(*length);
    if *first != CLOSE || length > 125 {
        return Err(format!("a frame {received:02x?} came instead of a Close").into());
    }
    if body.len() < length {
        return Ok(None);
    }
    if !body[..length].starts_with(&NORMAL_CLOSURE) {
        return Err(format!("the Close {received:02x?} does not have our code").into());
    }
    Ok(Some(2 + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_is_complete_with_its_reason() {
        assert_eq!(close_length(&[0x88]).unwrap(), None);
        assert_eq!(close_length(&[0x88, 2, 0x03]).unwrap(), None);
        assert_eq!(close_length(&[0x88, 2, 0x03, 0xe8]).unwrap(), Some(4));
        assert_eq!(close_length(b"\x88\x05\x03\xe8bye").unwrap(), Some(7));
    }

    #[test]
    fn another_frame_or_another_code_is_not_our_close() {
        assert!(close_length(&[0x82, 2, 0x03, 0xe8]).is_err());
        assert!(close_length(&[0x88, 2, 0x03, 0xe9]).is_err());
        assert!(close_length(&[0x88, 0]).is_err());
    }
}
