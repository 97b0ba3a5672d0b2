//! The load: many clients on one thread, on mio's epoll.
//!
//! A client sends its batch of messages, waits until the last byte of the answers is there, and
//! sends the next. In a broadcast row only client 0 sends, and the next batch waits for all. The
//! answers of a row are known beforehand, so bytes need only be counted; the first frame of each
//! client is compared.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use chalkwire_bench::{Result, client_frame, payload, server_frame, shake_hands};
use mio::{Events, Interest, Poll, Token};

use crate::rows::Shape;

/// For a connection and its handshake.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
/// A server that does not send a byte for this long has stopped.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(10);
/// What one measurement may take beyond its time, for servers that take long for one batch.
const EXTRA_TIME: Duration = Duration::from_secs(60);
/// After the last answer, for bytes too many to arrive.
const SURPLUS_WAIT: Duration = Duration::from_millis(50);

/// The open connections of a row.
pub struct Load {
    clients: Vec<Client>,
    poll: Poll,
    events: Events,
    buffer: Vec<u8>,
    shape: Shape,
    /// The bytes of one batch, as a client sends it.
    batch_out: Vec<u8>,
    /// The first frame that comes back.
    frame_in: Vec<u8>,
    /// How many bytes come back for a batch, at each client.
    batch_in: usize,
    /// Who waits for answers.
    waiting: usize,
    last_byte: Instant,
}

struct Client {
    stream: mio::net::TcpStream,
    /// How much of the batch is sent; all of it if nothing is to send.
    sent: usize,
    /// How many bytes of answers are still to come.
    missing: usize,
    /// How many bytes of the first frame are compared.
    compared: usize,
}

/// What came of a measurement.
pub struct Pace {
    /// Messages that were sent, and answered in full.
    pub messages: u64,
    /// From its first moment to its last answer.
    pub time: Duration,
}

impl Load {
    /// Connects all clients, one after the other.
    pub fn open(address: SocketAddr, shape: Shape) -> Result<Load> {
        let poll = Poll::new()?;
        let mut clients = Vec::with_capacity(shape.clients);
        for i in 0..shape.clients {
            let stream = connect(address, shape.path, shape.payload)
                .map_err(|error| format!("client {i} of {}: {error}", shape.clients))?;
            stream.set_nonblocking(true)?;
            let mut stream = mio::net::TcpStream::from_std(stream);
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut stream, Token(i), interest)?;
            clients.push(Client { stream, sent: 0, missing: 0, compared: 0 });
        }
        let payload = payload(shape.payload);
        let batch_out = client_frame(&payload).repeat(shape.batch);
        let frame_in = server_frame(&payload);
        for client in &mut clients {
            client.sent = batch_out.len();
        }
        Ok(Load {
            clients,
            poll,
            events: Events::with_capacity(1024),
            buffer: vec![0; 256 << 10],
            shape,
            batch_out,
            batch_in: frame_in.len() * shape.batch,
            frame_in,
            waiting: 0,
            last_byte: Instant::now(),
        })
    }

    /// Starts the first batch.
    pub fn start(&mut self) -> Result<()> {
        self.last_byte = Instant::now();
        if self.shape.is_broadcast() {
            self.start_broadcast()
        } else {
            (0..self.clients.len()).try_for_each(|i| self.start_echo(i))
        }
    }

    fn start_echo(&mut self, i: usize) -> Result<()> {
        self.clients[i].missing = self.batch_in;
        self.waiting += 1;
        self.send(i)
    }

    fn start_broadcast(&mut self) -> Result<()> {
        for client in &mut self.clients {
            client.missing = self.batch_in;
        }
        self.waiting = self.clients.len();
        self.send(0)
    }

    fn send(&mut self, i: usize) -> Result<()> {
        self.clients[i].sent = 0;
        self.go_on_sending(i)
    }

    /// Runs for `time`, and then until a batch is answered. Batches are under way when this
    /// returns: the next measurement goes on with them, or [`Load::finish`] awaits them.
    pub fn measure(&mut self, time: Duration) -> Result<Pace> {
        let start = Instant::now();
        let mut messages = 0;
        loop {
            let answered = self.turn(true)?;
            messages += answered;
            let now = Instant::now();
            if answered > 0 && now - start >= time {
                return Ok(Pace { messages, time: now - start });
            }
            if now - start > time + EXTRA_TIME {
                return Err("the measurement does not end".into());
            }
        }
    }

    /// Awaits what is under way, and finds out whether a server has sent too much.
    pub fn finish(&mut self) -> Result<()> {
        let deadline = Instant::now() + EXTRA_TIME;
        while self.waiting > 0 {
            self.turn(false)?;
            if Instant::now() > deadline {
                return Err("the last answers do not come".into());
            }
        }
        // Nobody waits now: whatever comes is too much.
        let end = Instant::now() + SURPLUS_WAIT;
        while Instant::now() < end {
            self.turn(false)?;
        }
        Ok(())
    }

    /// One look at all sockets that are ready. Returns how many messages were answered.
    fn turn(&mut self, go_on: bool) -> Result<u64> {
        match self.poll.poll(&mut self.events, Some(SURPLUS_WAIT)) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        let ready: usize = self.events.iter().count();
        if ready == 0 && self.waiting > 0 && self.last_byte.elapsed() > SILENCE_TIMEOUT {
            return Err(format!("silence, and {} clients wait for answers", self.waiting).into());
        }
        if ready > 0 {
            self.last_byte = Instant::now();
        }
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        let mut answered = 0;
        for event in &events {
            let Token(i) = event.token();
            if event.is_writable() {
                self.go_on_sending(i)?;
            }
            if event.is_readable() && self.receive(i)? {
                answered += self.answered(i, go_on)?;
            }
        }
        self.events = events;
        Ok(answered)
    }

    /// Client `i` has all its answers. Returns how many messages that completes.
    fn answered(&mut self, i: usize, go_on: bool) -> Result<u64> {
        self.waiting -= 1;
        if self.shape.is_broadcast() {
            if self.waiting > 0 {
                return Ok(0);
            }
            if go_on {
                self.start_broadcast()?;
            }
        } else if go_on {
            self.start_echo(i)?;
        }
        Ok(self.shape.batch as u64)
    }

    /// Writes until all is sent or the socket is full; then an event comes when it is not.
    fn go_on_sending(&mut self, i: usize) -> Result<()> {
        let client = &mut self.clients[i];
        while client.sent < self.batch_out.len() {
            match client.stream.write(&self.batch_out[client.sent..]) {
                Ok(n) => client.sent += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("client {i}: {error}").into()),
            }
        }
        Ok(())
    }

    /// Reads what is there. Returns whether this was the last byte of the client's answers.
    ///
    /// A read that does not fill the buffer has emptied the socket: epoll(7) then sends an event
    /// for what comes later.
    fn receive(&mut self, i: usize) -> Result<bool> {
        let client = &mut self.clients[i];
        let missing = client.missing;
        loop {
            let n = match client.stream.read(&mut self.buffer) {
                Ok(0) => return Err(format!("client {i}: the server has closed").into()),
                Ok(n) => n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(format!("client {i}: {error}").into()),
            };
            let came = &self.buffer[..n];
            let expected = &self.frame_in[client.compared..];
            let both = expected.len().min(n);
            if came[..both] != expected[..both] {
                return Err(format!("client {i}: its first frame is not the expected one").into());
            }
            client.compared += both;
            client.missing = client
                .missing
                .checked_sub(n)
                .ok_or_else(|| format!("client {i}: more bytes than the answers have"))?;
            if n < self.buffer.len() {
                break;
            }
        }
        Ok(missing > 0 && client.missing == 0)
    }
}

/// A client that has shaken hands, still blocking.
pub fn connect(address: SocketAddr, path: &str, payload: usize) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, OPEN_TIMEOUT)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(OPEN_TIMEOUT))?;
    stream.set_write_timeout(Some(OPEN_TIMEOUT))?;
    shake_hands(&stream, &address.to_string(), path, payload).map_err(|error| {
        match error.downcast_ref::<io::Error>() {
            Some(late) if late.kind() == ErrorKind::WouldBlock => {
                "the handshake takes too long".into()
            }
            _ => error,
        }
    })?;
    Ok(stream)
}
