//! The load of the rows that send messages: many clients on one thread, with mio's epoll.
//!
//! A client sends its batch of messages, waits for the last byte of the answers, and sends the
//! next batch. In a broadcast row only client 0 sends, and it waits until all clients have the
//! batch. The generator knows the answers of a row beforehand, so it only counts bytes. It
//! compares the first frame of each client.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use chalkwire_bench::{Result, client_frame, payload, server_frame, shake_hands};
use mio::{Events, Interest, Poll, Token};

use crate::rows::Shape;

/// The deadline of a connection and its handshake, each.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
/// When a server does not send a byte for this long, it has stopped.
pub const SILENCE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a measurement may go on after its time, because some servers take long for a batch.
pub const EXTRA_TIME: Duration = Duration::from_secs(60);
/// How long the generator waits for an event before it looks at its deadlines.
pub const POLL_TIMEOUT: Duration = Duration::from_millis(50);
/// How long the generator waits after the last answer, in case the server has sent too much.
const SURPLUS_WAIT: Duration = Duration::from_millis(50);

/// The work of a row, which the generator gives a server.
pub trait Load {
    /// Starts the work.
    ///
    /// # Errors
    /// When the server does not do its part. The other functions fail for the same reason.
    fn start(&mut self) -> Result<()>;

    /// Runs for `time`, and then until the next answer is complete. Work is under way when this
    /// returns: the next measurement continues it, or [`Load::finish`] waits for its end.
    ///
    /// # Errors
    /// See [`Load::start`].
    fn measure(&mut self, time: Duration) -> Result<Pace>;

    /// Waits for the work that is under way, and checks that the server does not send too much.
    ///
    /// # Errors
    /// See [`Load::start`].
    fn finish(&mut self) -> Result<()>;
}

/// The result of a measurement.
pub struct Pace {
    /// Messages that were answered in full; in the row `handshakes`, connections.
    pub count: u64,
    /// The time from the start of the measurement to its last answer.
    pub time: Duration,
}

/// The open connections of a row.
pub struct MessageLoad {
    clients: Vec<Client>,
    poll: Poll,
    events: Events,
    buffer: Vec<u8>,
    shape: Shape,
    /// The bytes of one batch, as a client sends it.
    batch_out: Vec<u8>,
    /// The bytes of one answer, as the server sends it.
    frame_in: Vec<u8>,
    /// How many bytes each client receives for a batch.
    batch_in: usize,
    /// How many clients wait for answers.
    waiting: usize,
    last_byte: Instant,
}

struct Client {
    stream: mio::net::TcpStream,
    /// How many bytes of the batch are sent. Between two batches that is all of them.
    sent: usize,
    /// How many bytes of the answers have not come yet.
    missing: usize,
    /// How many bytes of the first frame have been compared.
    compared: usize,
}

impl MessageLoad {
    /// Connects all clients, one after the other.
    ///
    /// # Errors
    /// When the server does not accept a connection or its handshake.
    pub fn open(address: SocketAddr, shape: Shape) -> Result<MessageLoad> {
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
        Ok(MessageLoad {
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

    /// Serves all sockets that are ready, once. Returns how many messages were answered.
    fn turn(&mut self, go_on: bool) -> Result<u64> {
        match self.poll.poll(&mut self.events, Some(POLL_TIMEOUT)) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        let ready: usize = self.events.iter().count();
        if ready == 0 && self.waiting > 0 && self.last_byte.elapsed() > SILENCE_TIMEOUT {
            let waiting = self.waiting;
            return Err(format!("the server is silent, and {waiting} clients wait").into());
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

    /// Notes that client `i` has all its answers. Returns how many messages that completes.
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

    /// Writes until all is sent or the socket is full. When it has room again, an event comes.
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

    /// Reads all that has come. Returns whether the client has the last byte of its answers now.
    ///
    /// A read that does not fill the buffer has emptied the socket. For later bytes, epoll(7)
    /// sends another event.
    fn receive(&mut self, i: usize) -> Result<bool> {
        let client = &mut self.clients[i];
        let missing = client.missing;
        loop {
            let n = match client.stream.read(&mut self.buffer) {
                Ok(0) => {
                    return Err(format!("client {i}: the server has closed the connection").into());
                }
                Ok(n) => n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(format!("client {i}: {error}").into()),
            };
            let received = &self.buffer[..n];
            let expected = &self.frame_in[client.compared..];
            let both = expected.len().min(n);
            if received[..both] != expected[..both] {
                return Err(format!("client {i}: its first frame is not the expected one").into());
            }
            client.compared += both;
            client.missing = client
                .missing
                .checked_sub(n)
                .ok_or_else(|| format!("client {i}: the server has sent too many bytes"))?;
            if n < self.buffer.len() {
                break;
            }
        }
        Ok(missing > 0 && client.missing == 0)
    }
}

impl Load for MessageLoad {
    fn start(&mut self) -> Result<()> {
        self.last_byte = Instant::now();
        if self.shape.is_broadcast() {
            self.start_broadcast()
        } else {
            (0..self.clients.len()).try_for_each(|i| self.start_echo(i))
        }
    }

    fn measure(&mut self, time: Duration) -> Result<Pace> {
        let start = Instant::now();
        let mut count = 0;
        loop {
            let answered = self.turn(true)?;
            count += answered;
            let elapsed = start.elapsed();
            if answered > 0 && elapsed >= time {
                return Ok(Pace { count, time: elapsed });
            }
            if elapsed > time + EXTRA_TIME {
                return Err("the measurement does not end".into());
            }
        }
    }

    fn finish(&mut self) -> Result<()> {
        let deadline = Instant::now() + EXTRA_TIME;
        while self.waiting > 0 {
            self.turn(false)?;
            if Instant::now() > deadline {
                return Err("the last answers do not come".into());
            }
        }
        // No client waits now, so every byte that comes is too much, and `receive` fails.
        let end = Instant::now() + SURPLUS_WAIT;
        while Instant::now() < end {
            self.turn(false)?;
        }
        Ok(())
    }
}

/// Connects a client and shakes hands. The stream is still a blocking one.
///
/// # Errors
/// When the server does not accept the connection or the handshake in time.
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
