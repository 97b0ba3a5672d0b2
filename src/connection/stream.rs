//! The stream that tungstenite reads from and writes to: the socket on one side, the outbox on the other.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_channel::Sender;

use super::large_frames::LargeFrames;
use super::read_ahead::ReadAhead;
use crate::config::{Config, LARGE_BUFFER_KEPT, MESSAGE_OVERHEAD};
use crate::dispatcher::event::{Event, Joined, Received};
use crate::outbox::Outbox;
use crate::protocol::validator::{FaultAt, FrameValidator};
use crate::protocol::{Fault, Side};
use crate::sys::socket::{is_timeout, read_uninterrupted};
use crate::sys::{ConnectionId, Secret};
use crate::tap::ConnectionTap;
use crate::tap::capture::FrameCapture;

/// The two directions of one client, as tungstenite sees them.
///
/// The frames that tungstenite writes by itself (a Pong, the answer to a Close) go through the outbox, like
/// everything else. When tungstenite asks for more bytes, all messages so far go to the dispatcher. So
/// messages that arrived together cross the channel together, and a single message does not wait.
pub struct ClientStream {
    id: ConnectionId,
    socket: Arc<TcpStream>,
    outbox: Arc<Outbox>,
    events: Sender<Event>,
    read_ahead: ReadAhead,
    validator: FrameValidator,
    large_frames: LargeFrames,
    /// The first rule that the client broke. After it the stream does not read on.
    fault: Option<FaultAt>,
    tap: Arc<ConnectionTap>,
    /// Collects the frames to show. It exists only while somebody watches.
    capture: Option<FrameCapture>,
    /// Messages decoded since the last hand-over, and what they cost in bytes.
    staged: Vec<Received>,
    staged_cost: usize,
    /// Only the client's own thread writes this count.
    bytes_in: Arc<AtomicU64>,
}

impl ClientStream {
    /// The stream of this connection. `leftover` are the bytes that came right behind the request
    /// head.
    #[inline(never)]
    pub fn new(
        id: ConnectionId,
        socket: Arc<TcpStream>,
        outbox: Arc<Outbox>,
        events: Sender<Event>,
        leftover: Vec<u8>,
        tap: Arc<ConnectionTap>,
        config: &Config,
    ) -> Box<ClientStream> {
        Box::new(ClientStream {
            id,
            socket,
            outbox,
            events,
            read_ahead: ReadAhead::new(leftover),
            validator: FrameValidator::new(config.max_message, config.max_fragments),
            large_frames: LargeFrames::default(),
            fault: None,
            tap,
            capture: None,
            staged: Vec::new(),
            staged_cost: 0,
            bytes_in: Arc::default(),
        })
    }

    /// The number of the connection.
    pub fn id(&self) -> ConnectionId {
        self.id
    }

    /// The secret of the tab that opened the connection.
    pub fn tab(&self) -> Option<Secret> {
        self.tap.tab()
    }

    /// Tells the dispatcher about the new client, and waits until the dispatcher has sent the answer
    /// to the handshake. Before that this thread reads nothing and sends nothing else.
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

    /// Whether the dispatcher can still answer messages. Nothing may follow a Close of ours, so after it they make no
    /// work, however fast they come.
    pub fn is_answered(&self) -> bool {
        self.outbox.is_open()
    }

    /// Hands the staged messages over and waits until the dispatcher has answered all of them, so
    /// that a Close that follows leaves after the answers.
    pub fn flush_and_wait(&mut self) {
        self.hand_over();
        self.outbox.wait_until_idle();
    }

    /// Gives back the memory of bytes that nobody will read.
    pub fn discard(&mut self) {
        self.read_ahead = ReadAhead::new(Vec::new());
        self.outbox.set_under_way(0);
    }

    /// Whether tungstenite has a large buffer with nothing in it, which the client does not need now. Asked
    /// when a read has failed, because that is how the stream says so.
    pub fn take_useless_buffer(&mut self) -> bool {
        let is_useless = self.large_frames.take_useless_buffer();
        if is_useless {
            self.count_memory();
        }
        is_useless
    }

    /// Hands the staged messages over and waits while the client has too much outstanding.
    pub fn hand_over_and_wait(&mut self) {
        self.hand_over();
        self.outbox.wait_for_room();
    }

    /// Takes the broken rule that stopped the reading. `None` if something else stopped it.
    pub fn take_fault(&mut self) -> Option<FaultAt> {
        self.fault.take()
    }

    /// The bytes read so far, as the dispatcher sees them.
    pub fn bytes_in(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.bytes_in)
    }

    /// Sends an event to the dispatcher, and waits when it is behind. The dispatcher outlives all its
    /// clients.
    pub fn tell(&self, event: Event) {
        // This fails only after the dispatcher has panicked. Then the server stops as well.
        let _ = self.events.send(event);
    }

    fn hand_over(&mut self) {
        if self.staged.is_empty() {
            return;
        }
        // From here on they count as in flight.
        self.outbox.set_under_way(self.large_frames.buffer());
        let cost = std::mem::take(&mut self.staged_cost);
        let messages = std::mem::take(&mut self.staged);
        if !self.is_answered() {
            return;
        }
        self.outbox.add_in_flight(cost);
        self.tell(Event::Received { client: self.id, messages, cost });
    }

    /// Counts what this thread keeps: the message that is not complete or the larger buffer that it is read into,
    /// and bytes that were read ahead. Without a large message that is 0 from one read to the next, and costs
    /// nothing.
    fn count_memory(&mut self) {
        let message = self.validator.bytes_under_way().max(self.large_frames.buffer());
        self.outbox.set_under_way(message + self.read_ahead.capacity());
        if self.outbox.must_report_memory() {
            self.tell(Event::OutOfMemory);
        }
    }

    /// Stops reading for another reason than a broken rule.
    #[cold]
    fn stop(&mut self, fault: Fault) -> io::Error {
        self.fault = Some(self.validator.stop(fault));
        stopped()
    }

    /// Whether a large frame follows a large message soon, for which tungstenite should keep its buffer: without
    /// that a 1 MiB echo takes 1.4 times the processor time.
    #[inline(never)]
    fn large_frame_follows(&mut self) -> io::Result<bool> {
        let socket = &self.socket;
        if self.read_ahead.is_empty() {
            socket.set_read_timeout(Some(LARGE_BUFFER_KEPT))?;
            let filled = self.read_ahead.fill(|into| read_uninterrupted(socket, into));
            socket.set_read_timeout(None)?;
            match filled {
                Err(error) if !is_timeout(&error) => return Err(error),
                _ => {}
            }
        }
        let follows = self.read_ahead.starts_with(LargeFrames::is_large);
        if follows {
            self.large_frames.keep_buffer();
        }
        Ok(follows)
    }

    /// Reads the next bytes for tungstenite: whole headers, and payload.
    fn read_frames(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.large_frames.read(buffer);
            if count > 0 {
                return Ok(count);
            }
            // Also in the middle of bytes that were read ahead: a flood of messages must not reach the
            // dispatcher in one piece.
            self.hand_over_and_wait();
            if self.outbox.is_aborted() {
                // The system may still hold megabytes that came before, and nobody will answer them.
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            if self.outbox.must_let_go() {
                return Err(self.stop(Fault::OutOfMemory));
            }
            if self.large_frames.has_large_message() && !self.large_frame_follows()? {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            // The start of a header waits in front until the rest of the header has come.
            let held = self.validator.header_so_far().len();
            buffer[..held].copy_from_slice(self.validator.header_so_far());
            let room = held + self.large_frames.room(buffer.len() - held);
            let socket = &self.socket;
            let count = self
                .read_ahead
                .read(&mut buffer[held..room], |into| read_uninterrupted(socket, into))?;
            if count == 0 {
                return Ok(0);
            }
            self.bytes_in.fetch_add(count as u64, Ordering::Relaxed);
            let ready = self.validate(&buffer[..held + count], held)?;
            self.count_memory();
            if ready > 0 {
                return Ok(ready);
            }
        }
    }
}

/// Checks the next bytes, and shows the frames in them.
///
/// Not inlined, so that its place on the stack does not grow the stack of a client that nobody watches.
#[inline(never)]
fn validate_and_show(
    validator: &mut FrameValidator,
    capture: &mut FrameCapture,
    tap: &ConnectionTap,
    bytes: &[u8],
) -> Result<(), FaultAt> {
    let result = validator.advance(bytes, |part| {
        if let Some(frame) = capture.take(part) {
            tap.frame(Side::Client, frame);
        }
    });
    if let Err(FaultAt { parsed, fault, .. }) = &result
        && let Some(frame) = capture.take_faulty(fault.clone(), &bytes[*parsed..])
    {
        tap.frame(Side::Client, frame);
    }
    result
}

/// Validates the frames that come in, and captures them while somebody watches.
impl ClientStream {
    /// Checks `bytes`, of which the first `held` have been checked before. Returns how many of them
    /// tungstenite may have: not the start of a header whose end has not come, nor a large frame.
    ///
    /// # Errors
    /// When the client breaks a rule in the first frame.
    fn validate(&mut self, bytes: &[u8], held: usize) -> io::Result<usize> {
        let ClientStream { validator, large_frames, capture, tap, .. } = self;
        let new = &bytes[held..];
        large_frames.advance(new.len());
        let left_before = validator.payload_left();
        let result = if tap.is_watched() {
            validate_and_show(validator, capture.get_or_insert_default(), tap, new)
        } else {
            *capture = None;
            validator.advance(new, |_| {})
        };
        match result {
            Ok(()) => {
                if large_frames.may_begin(validator.payload_left())
                    && let Some(ready) = large_frames.find(bytes, left_before)
                {
                    return Ok(ready);
                }
                Ok(bytes.len() - validator.header_so_far().len())
            }
            // tungstenite still gets the frames before the faulty one.
            Err(fault) => {
                let valid = fault.valid;
                self.fault = Some(fault);
                if valid > 0 { Ok(held + valid) } else { Err(stopped()) }
            }
        }
    }

    /// Shows the start of a frame that was never completed, and the end of the connection.
    pub fn show_end(&mut self, how: &str) {
        if let Some(frame) = self.capture.as_mut().and_then(FrameCapture::take_unfinished) {
            self.tap.frame(Side::Client, frame);
        }
        self.tap.end(how);
    }
}

impl Read for ClientStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.fault.is_some() {
            return Err(stopped());
        }
        self.read_frames(buffer)
    }
}

impl Write for ClientStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.outbox.send_frame(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Tells tungstenite to stop. [`ClientStream::take_fault`] has the reason.
fn stopped() -> io::Error {
    io::ErrorKind::InvalidData.into()
}
