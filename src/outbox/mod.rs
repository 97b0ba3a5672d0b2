//! The only way out: every byte to a client leaves through its [`Outbox`].
//!
//! The dispatcher sends the messages; the client's own thread sends the frames that tungstenite
//! writes by itself (Pong and Close). One lock keeps frames whole and in order, and one place knows
//! when a Close frame has been sent, because nothing may follow it (RFC 6455 section 5.5.1).
//!
//! A send never waits. The socket takes what it can at once, and the drain thread sends the rest. When a
//! client does not read its own echoes, flow control stops the server from reading its messages. When
//! it does not read the messages of others, [`send`](Outbox::send) answers
//! [`BacklogFull`](SendOutcome::BacklogFull), and the [dispatcher](crate::dispatcher) drops the client.
//!
//! | file | what it does |
//! |---|---|
//! | [`batch`] | encodes frames, once for all their receivers |
//! | `backlog` | the bytes that the socket has not taken yet |
//! | `drain` | the outbox's part in sending the backlog of a slow client |
//! | [`drainer`], `poller` | the one thread that waits for all slow clients, and sends their backlogs |
//! | `flow_control` | lets a client's thread wait, so that TCP slows its client down |
//! | `outcome` | the words for it: cause, outcome of a send, reason of an abort |
//! | [`transport`] | the socket, in a write that waits and one that does not |

mod backlog;
pub mod batch;
mod drain;
pub mod drainer;
mod flow_control;
#[cfg(test)]
pub(crate) mod memory;
#[cfg(all(test, loom))]
mod model;
mod outcome;
#[cfg(unix)]
mod poller;
pub mod transport;

use std::io::{self, IoSlice};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use self::backlog::Backlog;
use self::drainer::Drainer;
use self::flow_control::FlowControl;
pub use self::outcome::{AbortReason, Cause, SendOutcome};
use self::transport::Transport;
use crate::config::MAX_PIECES;
use crate::protocol::{CloseCode, Fault, Opcode, encode_unmasked, fit_reason};
use crate::sys::ConnectionId;
use crate::sys::lock::lock;
use crate::sys::message_memory::MessageMemory;
use crate::tap::ConnectionTap;

/// The way out to one client.
///
/// Shared by the client's thread, the dispatcher and, while there is a backlog, the drain thread.
pub struct Outbox {
    transport: Arc<dyn Transport>,
    /// Sends the backlog.
    drainer: Arc<Drainer>,
    /// The name of the client for the drainer.
    client: ConnectionId,
    /// In bytes; see [`Config::max_backlog`](crate::Config::max_backlog).
    max_backlog: usize,
    state: Mutex<State>,
    flow_control: FlowControl,
    /// Counts the messages of all clients.
    memory: Arc<MessageMemory>,
    /// Bytes of a message from the client that is not complete. Only the client's thread writes it.
    under_way: AtomicUsize,
    /// Set when the client's thread has to let go of the message that it is reading.
    must_let_go: AtomicBool,
    /// Copies frames for those who watch the wire. Set when the handshake's answer has been sent.
    tap: OnceLock<Arc<ConnectionTap>>,
    /// Bytes that have left, for the statistics and as a sign of life. Written under the lock.
    bytes_out: AtomicU64,
    /// Whether the stage is not `Open` any more. Written under the lock, and read without it, because the client's
    /// thread asks before each read, when the dispatcher may hold the lock to send.
    is_ended: AtomicBool,
    /// The same for `Aborted`.
    is_aborted: AtomicBool,
}

struct State {
    stage: Stage,
    /// The answer to the handshake, until it is sent.
    handshake_response: Option<(Bytes, Arc<ConnectionTap>)>,
    backlog: Backlog,
    /// Whether the drainer sends the backlog. While it does, everyone else only adds to the backlog.
    is_draining: bool,
    /// The code of the Close frame that has been sent.
    close_sent: Option<CloseCode>,
}

/// How far an outbox has come. It only moves down this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Takes bytes.
    Open,
    /// Takes no more bytes; the last one is in the backlog.
    Closing,
    /// The last byte has left, and the peer has been told so (TCP: FIN).
    Finished,
    /// The connection is gone.
    Aborted(AbortReason),
}

impl Outbox {
    /// Creates the outbox of a client. `max_backlog` is in bytes.
    pub fn new(
        transport: Arc<dyn Transport>,
        drainer: Arc<Drainer>,
        memory: Arc<MessageMemory>,
        client: ConnectionId,
        max_backlog: usize,
    ) -> Arc<Outbox> {
        Arc::new(Outbox {
            transport,
            drainer,
            client,
            max_backlog,
            state: Mutex::new(State {
                stage: Stage::Open,
                handshake_response: None,
                backlog: Backlog::new(Arc::clone(&memory)),
                is_draining: false,
                close_sent: None,
            }),
            flow_control: FlowControl::new(max_backlog),
            memory,
            under_way: AtomicUsize::new(0),
            must_let_go: AtomicBool::new(false),
            tap: OnceLock::new(),
            bytes_out: AtomicU64::new(0),
            is_ended: AtomicBool::new(false),
            is_aborted: AtomicBool::new(false),
        })
    }

    /// Keeps the answer to the handshake until the dispatcher [opens](Self::open) the connection.
    pub fn set_handshake_response(&self, response: Bytes, tap: Arc<ConnectionTap>) {
        lock(&self.state).handshake_response = Some((response, tap));
    }

    /// Sends the answer to the handshake. After it only frames leave.
    ///
    /// The dispatcher calls this when it adds the client to its list, so that a client that has its
    /// answer gets every message that is sent from then on.
    pub fn open(self: &Arc<Self>) {
        let mut state = lock(&self.state);
        if let Some((response, tap)) = state.handshake_response.take()
            && state.stage == Stage::Open
        {
            tap.response(response.clone(), None);
            self.write_or_queue(&mut state, &[response], Cause::Own);
            let _ = self.tap.set(tap);
        }
    }

    /// Sends `pieces` one behind the other, and never waits.
    ///
    /// The limit applies to the bytes that are unsent already. So a message larger than the limit still
    /// reaches a client for which nothing is unsent.
    pub fn send(self: &Arc<Self>, pieces: &[Bytes], cause: Cause) -> SendOutcome {
        let mut state = lock(&self.state);
        if state.stage != Stage::Open {
            return SendOutcome::Closed;
        }
        let others_unsent = state.backlog.others_unsent();
        if cause == Cause::Others && others_unsent > 0 && others_unsent >= self.max_backlog {
            return SendOutcome::BacklogFull;
        }
        self.write_or_queue(&mut state, pieces, cause);
        SendOutcome::Accepted
    }

    /// Sends a Close frame, after which nothing else leaves. Does nothing after another Close.
    pub fn close(self: &Arc<Self>, code: CloseCode, reason: &str) {
        let mut body = Vec::with_capacity(2 + reason.len());
        body.extend_from_slice(&code.0.to_be_bytes());
        body.extend_from_slice(fit_reason(reason).as_bytes());
        let mut frame = BytesMut::new();
        encode_unmasked(Opcode::Close, &body, &mut frame);
        self.send_final(&[frame.freeze()]);
    }

    /// Sends one frame that tungstenite has written by itself: a Pong, or a Close, after which
    /// nothing else leaves.
    pub fn send_frame(self: &Arc<Self>, frame: &[u8]) {
        let is_close = frame.first().is_some_and(|b| Opcode::from_bits(*b) == Opcode::Close);
        let frame = Bytes::copy_from_slice(frame);
        if is_close {
            self.send_final(&[frame]);
        } else {
            self.send(&[frame], Cause::Own);
        }
    }

    /// Sends `pieces`, and after the last byte tells the peer that nothing follows (TCP: FIN).
    /// `pieces` may be empty. If the first one is a Close frame, its code is kept for
    /// [`close_info`](Self::close_info).
    pub fn send_final(self: &Arc<Self>, pieces: &[Bytes]) {
        let mut state = lock(&self.state);
        if state.stage != Stage::Open {
            return;
        }
        state.close_sent = pieces.first().and_then(close_code_of);
        self.write_or_queue(&mut state, pieces, Cause::Own);
        if state.stage == Stage::Open {
            state.stage = Stage::Closing;
            self.is_ended.store(true, Ordering::Relaxed);
            self.finish_if_empty(&mut state);
        }
    }

    /// Ends the connection at once. What is in the backlog is lost.
    pub fn abort(&self, reason: AbortReason) {
        self.abort_locked(&mut lock(&self.state), reason);
    }

    /// Returns the code of the Close frame that this side sent, and why this side aborted the
    /// connection, if it did.
    pub fn close_info(&self) -> (Option<CloseCode>, Option<AbortReason>) {
        let state = lock(&self.state);
        let reason = if let Stage::Aborted(reason) = state.stage { Some(reason) } else { None };
        (state.close_sent, reason)
    }

    /// Whether messages can still be sent: neither a Close nor an abort has ended the output.
    pub fn is_open(&self) -> bool {
        !self.is_ended.load(Ordering::Relaxed)
    }

    /// Whether the connection was ended without waiting for what is unsent.
    pub fn is_aborted(&self) -> bool {
        self.is_aborted.load(Ordering::Relaxed)
    }

    /// Whether bytes are unsent because the client has not read those before them.
    pub fn has_backlog(&self) -> bool {
        !lock(&self.state).backlog.is_empty()
    }

    /// The number of bytes that have left.
    pub fn bytes_out(&self) -> u64 {
        self.bytes_out.load(Ordering::Relaxed)
    }

    /// Counts an event that the client's thread is about to hand over to the dispatcher. `cost` is
    /// in bytes.
    pub fn add_in_flight(&self, cost: usize) {
        self.memory.charge(cost);
        self.flow_control.add_in_flight(cost);
    }

    /// Counts an event down, after the dispatcher has given all answers to it to the outboxes.
    pub fn release_in_flight(&self, cost: usize) {
        self.memory.release(cost);
        self.flow_control.release_in_flight(cost);
    }

    /// Notes how many bytes the client's thread keeps of a message that is not complete. Only that
    /// thread may call this.
    pub fn set_under_way(&self, bytes: usize) {
        let before = self.under_way.load(Ordering::Relaxed);
        if bytes != before {
            self.under_way.store(bytes, Ordering::Relaxed);
            self.memory.charge(bytes);
            self.memory.release(before);
        }
    }

    /// Takes from the client the memory that its messages have: the messages to it are lost, and its thread
    /// [has to let go](Self::must_let_go) of the message from it.
    pub fn take_memory(self: &Arc<Self>) {
        self.must_let_go.store(true, Ordering::Relaxed);
        if self.has_backlog() {
            // A Close would wait behind bytes that the client does not read.
            self.abort(AbortReason::OutOfMemory);
        } else {
            let fault = Fault::OutOfMemory;
            self.close(fault.close_code(), &fault.to_string());
        }
    }

    /// Whether the client's thread has to let go of the message that it is reading, because the memory for
    /// messages is used up.
    pub fn must_let_go(&self) -> bool {
        self.must_let_go.load(Ordering::Relaxed)
    }

    /// Whether the messages of all clients take more memory than they may, and the dispatcher has to be
    /// told so.
    pub fn must_report_memory(&self) -> bool {
        self.memory.must_report()
    }

    /// The bytes that messages from the client and for it take, wherever they are on their way. A message
    /// that waits for several clients counts for each of them.
    pub fn debt(&self) -> usize {
        let under_way = self.under_way.load(Ordering::Relaxed);
        under_way + self.flow_control.in_flight() + lock(&self.state).backlog.kept()
    }

    /// Waits while the client does not read its own answers and they have reached the limit, or
    /// until the connection is gone. Called before each read, so that TCP slows the client down.
    pub fn wait_for_room(&self) {
        self.flow_control.wait_for_room();
    }

    /// Does the same for at most `patience`, and returns whether there is room.
    pub fn wait_for_room_at_most(&self, patience: Duration) -> bool {
        self.flow_control.wait_for_room_at_most(patience)
    }

    /// Waits until the dispatcher has answered all events that were handed over, so that what the
    /// client's thread sends next comes after the answers.
    pub fn wait_until_idle(&self) {
        self.flow_control.wait_until_idle();
    }

    /// Does the same for at most `patience`, and returns whether all are answered.
    #[cfg(test)]
    pub fn wait_for_idle_at_most(&self, patience: Duration) -> bool {
        self.flow_control.wait_for_idle_at_most(patience)
    }

    /// Waits until the last byte has left, the connection is gone, or `deadline` has passed.
    /// Returns false only after the deadline.
    pub fn wait_until_over(&self, deadline: Instant) -> bool {
        self.flow_control.wait_until_over(deadline)
    }

    /// Writes what the socket takes now, and adds the rest to the backlog.
    fn write_or_queue(self: &Arc<Self>, state: &mut State, pieces: &[Bytes], cause: Cause) {
        // Under the lock, so that frames are shown in the order in which they leave.
        if let Some(tap) = self.tap.get().filter(|tap| tap.is_watched()) {
            tap.frames_out(pieces);
        }
        let mut sent = 0;
        if state.backlog.is_empty() && !state.is_draining && !pieces.is_empty() {
            match send_pieces_now(&*self.transport, pieces) {
                Ok(count) => sent = count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return self.abort_locked(state, AbortReason::Lost),
            }
            self.bytes_out.fetch_add(sent as u64, Ordering::Relaxed);
        }
        let own = state.backlog.add(pieces, sent, cause);
        if own > 0 {
            self.flow_control.add_own_unsent(own);
        }
        self.start_draining(state);
    }

    fn finish_if_empty(&self, state: &mut State) {
        if state.stage == Stage::Closing && state.backlog.is_empty() && !state.is_draining {
            state.stage = Stage::Finished;
            self.transport.end_output();
            self.flow_control.finish();
        }
    }

    fn abort_locked(&self, state: &mut State, reason: AbortReason) {
        if !matches!(state.stage, Stage::Aborted(_)) {
            state.stage = Stage::Aborted(reason);
            self.is_ended.store(true, Ordering::Relaxed);
            self.is_aborted.store(true, Ordering::Relaxed);
            state.backlog.clear();
            self.stop_draining(state);
            self.transport.abort();
            self.flow_control.abort();
        }
    }
}

impl Drop for Outbox {
    /// Nobody can release any more what is still counted.
    fn drop(&mut self) {
        self.set_under_way(0);
        self.memory.release(self.flow_control.in_flight());
    }
}

fn send_pieces_now(transport: &dyn Transport, pieces: &[Bytes]) -> io::Result<usize> {
    if let [piece] = pieces {
        return transport.send_now(&[IoSlice::new(piece)]);
    }
    let mut slices = [IoSlice::new(&[]); MAX_PIECES];
    let count = pieces.len().min(MAX_PIECES);
    for (slice, piece) in slices.iter_mut().zip(pieces) {
        *slice = IoSlice::new(piece);
    }
    transport.send_now(&slices[..count])
}

/// Reads the close code from a frame that the server has encoded. Returns `None` if it is not a
/// Close frame, and 1005 (no status received) if it is a Close frame without a code.
fn close_code_of(frame: &Bytes) -> Option<CloseCode> {
    match frame[..] {
        [0x88, 0, ..] => Some(CloseCode::NO_STATUS_RECEIVED),
        [0x88, _, high, low, ..] => Some(CloseCode(u16::from_be_bytes([high, low]))),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
