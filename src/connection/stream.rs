//! What tungstenite reads from and writes to: the socket on one side, the outbox on the other.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_channel::Sender;

use crate::config::{Config, MESSAGE_OVERHEAD, READ_AHEAD, READ_BUFFER};
use crate::dispatcher::event::{Event, Joined, Received};
use crate::outbox::Outbox;
use crate::protocol::Side;
use crate::protocol::validator::{FaultAt, FrameValidator};
use crate::sys::ConnectionId;
use crate::sys::socket::read_uninterrupted;
use crate::tap::ConnectionTap;
use crate::tap::capture::FrameCapture;

/// The two directions of one client, for tungstenite.
///
/// Everything tungstenite has to say by itself goes the one way out. And the moment it asks for
/// more bytes is the moment all messages so far are handed to the dispatcher: pipelined messages
/// cross the channel together, and a lone one waits for nothing.
pub struct ClientStream {
    client: ConnectionId,
    socket: Arc<TcpStream>,
    outbox: Arc<Outbox>,
    events: Sender<Event>,
    /// The request for tungstenite's part of the handshake; `None` once that is over.
    request: Option<io::Cursor<String>>,
    /// What tungstenite answers to it.
    answer: Vec<u8>,
    /// In this range of it, bytes that have been read from the socket and not been given on yet: what
    /// came right behind the request head, or part of a large read.
    ahead: Vec<u8>,
    unread: Range<usize>,
    /// Whether the last read brought so much that the next may be a large one.
    busy: bool,
    validator: FrameValidator,
    /// The rule that was broken. Nothing is read any more.
    stop: Option<FaultAt>,
    /// For the eyes of those who watch.
    tap: Arc<ConnectionTap>,
    /// Captures frames to show; there only while somebody watches.
    capture: Option<FrameCapture>,
    /// Messages decoded since the last hand-over, and what they cost.
    staged: Vec<Received>,
    staged_cost: usize,
    /// Written here only, by the client's thread.
    bytes_in: Arc<AtomicU64>,
}

impl ClientStream {
    /// The stream of the client with this number. `leftover` came right behind its request head.
    pub fn new(
        client: ConnectionId,
        socket: Arc<TcpStream>,
        outbox: Arc<Outbox>,
        events: Sender<Event>,
        leftover: Vec<u8>,
        tap: Arc<ConnectionTap>,
        config: &Config,
    ) -> ClientStream {
        ClientStream {
            client,
            socket,
            outbox,
            events,
            request: None,
            answer: Vec::new(),
            unread: 0..leftover.len(),
            ahead: leftover,
            busy: false,
            validator: FrameValidator::new(config.max_message, config.max_fragments),
            stop: None,
            tap,
            capture: None,
            staged: Vec::new(),
            staged_cost: 0,
            bytes_in: Arc::default(),
        }
    }

    /// Gives tungstenite this request to read, before anything else.
    pub fn replay_request(&mut self, request: String) {
        self.request = Some(io::Cursor::new(request));
    }

    /// From here on the bytes are frames. The answer leaves when the dispatcher has been told.
    pub fn handshake_done(&mut self) {
        self.request = None;
        let answer = std::mem::take(&mut self.answer);
        self.outbox.set_handshake_response(answer.into(), Arc::clone(&self.tap));
    }

    /// Tells the dispatcher that a client has come, and waits until it has sent the answer to the
    /// handshake: before that nothing is read, and nothing else leaves.
    pub fn join(&mut self, joined: Joined) {
        self.outbox.add_in_flight(1);
        self.tell(Event::Joined(Box::new(joined)));
        self.outbox.wait_until_idle();
    }

    /// Keeps a message until tungstenite asks for more bytes.
    pub fn stage(&mut self, message: Received, length: usize) {
        self.staged.push(message);
        self.staged_cost += length + MESSAGE_OVERHEAD;
    }

    /// Hands over what is staged and waits until the dispatcher has dealt with all of it, so
    /// that a Close that is sent next comes after the answers.
    pub fn flush_and_wait(&mut self) {
        self.hand_over();
        self.outbox.wait_until_idle();
    }

    /// The rule that was broken, if reading has stopped for that.
    pub fn take_fault(&mut self) -> Option<FaultAt> {
        self.stop.take()
    }

    /// The bytes read so far, as the dispatcher sees them.
    pub fn bytes_in(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.bytes_in)
    }

    /// Sends an event to the dispatcher; waits when it is behind. It outlives all its clients.
    pub fn tell(&self, event: Event) {
        // Only when the dispatcher has ended in a panic; then the server stops too.
        let _ = self.events.send(event);
    }

    fn hand_over(&mut self) {
        if self.staged.is_empty() {
            return;
        }
        let cost = std::mem::take(&mut self.staged_cost);
        let messages = std::mem::take(&mut self.staged);
        self.outbox.add_in_flight(cost);
        self.tell(Event::Received { client: self.client, messages, cost });
    }

    /// Reads much at once. The memory for that is kept while much comes.
    fn read_ahead(&mut self) -> io::Result<()> {
        self.ahead.resize(READ_AHEAD, 0);
        let count = read_uninterrupted(&self.socket, &mut self.ahead)?;
        self.busy = count > READ_BUFFER;
        self.unread = 0..count;
        Ok(())
    }

    fn read_frames(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Also in the middle of what has been read ahead: much of one client must not reach the
        // dispatcher in one piece.
        self.hand_over();
        self.outbox.wait_for_room();
        if self.unread.is_empty() {
            if self.busy {
                self.read_ahead()?;
            } else {
                self.ahead = Vec::new();
            }
        }
        let count = if self.unread.is_empty() {
            let count = read_uninterrupted(&self.socket, buffer)?;
            self.busy = count == READ_BUFFER;
            count
        } else {
            let count = self.unread.len().min(buffer.len());
            let from = self.unread.start;
            buffer[..count].copy_from_slice(&self.ahead[from..from + count]);
            self.unread.start += count;
            count
        };
        self.bytes_in.fetch_add(count as u64, Ordering::Relaxed);
        match self.validate(&buffer[..count]) {
            Ok(()) => Ok(count),
            // Frames before the faulty one are still to be read, and count.
            Err(stop) => {
                let valid = stop.valid;
                self.stop = Some(stop);
                if valid > 0 { Ok(valid) } else { Err(stopped()) }
            }
        }
    }
}

/// The frames that come in are validated, and captured while somebody watches.
impl ClientStream {
    fn validate(&mut self, bytes: &[u8]) -> Result<(), FaultAt> {
        if !self.tap.is_watched() {
            self.capture = None;
            return self.validator.advance(bytes, |_| {});
        }
        let capture = self.capture.get_or_insert_default();
        let show = |frame| self.tap.frame(Side::Client, frame);
        let result = self.validator.advance(bytes, |part| {
            if let Some(frame) = capture.take(part) {
                show(frame);
            }
        });
        if let Err(FaultAt { parsed, fault, .. }) = &result
            && let Some(frame) = capture.take_faulty(fault.clone(), &bytes[*parsed..])
        {
            show(frame);
        }
        result
    }

    /// Shows the beginning of a frame that was never finished, and the end of the connection.
    pub fn show_end(&mut self, how: &str) {
        if let Some(frame) = self.capture.as_mut().and_then(FrameCapture::take_unfinished) {
            self.tap.frame(Side::Client, frame);
        }
        self.tap.end(how);
    }
}

impl Read for ClientStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(request) = &mut self.request {
            return request.read(buffer);
        }
        if self.stop.is_some() {
            return Err(stopped());
        }
        self.read_frames(buffer)
    }
}

impl Write for ClientStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.request.is_some() {
            self.answer.extend_from_slice(bytes);
        } else {
            self.outbox.send_frame(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Tells tungstenite to stop; why, is in [`ClientStream::take_fault`].
fn stopped() -> io::Error {
    io::ErrorKind::InvalidData.into()
}
