//! The only way out: every byte to a client leaves through its [`Outbox`].
//!
//! The dispatcher sends broadcasts, the client's own thread sends what tungstenite writes by itself
//! (the answer to the handshake, Pong, Close). Behind one lock frames never interleave, order
//! holds, and one place knows when a Close frame has gone in: after it, nothing does any more.
//!
//! A send never waits. What the socket does not take at once goes to the backlog, and a drain
//! thread waits on that one socket until the backlog is empty: a slow client costs one more
//! thread, and only while it is slow. (A writer thread for each client instead made a broadcast
//! to 1,000 clients 2 to 4 times slower: waking a thread costs more than the send itself.)

pub mod batch;
#[cfg(test)]
pub(crate) mod memory;
pub mod transport;

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};

use crate::config::MESSAGE_OVERHEAD;
use crate::outbox::transport::Transport;
use crate::protocol::{CloseCode, fit_reason};
use crate::protocol::{Opcode, encode_unmasked};
use crate::sys::ConnectionId;
use crate::sys::lock::lock;
use crate::sys::threads::Threads;
use crate::tap::ConnectionTap;

/// Who caused bytes to be sent to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The client itself: its echo, an answer to it. When these pile up, it is not read from.
    Own,
    /// Other clients. When these pile up, the client is too slow for its company.
    Others,
}

/// What became of bytes given to [`Outbox::send`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendOutcome {
    /// They have left, or will as soon as the client reads.
    Accepted,
    /// Refused: too many bytes of other people's are waiting for this client.
    BacklogFull,
    /// Refused: a Close frame has been sent, or the connection is gone.
    Closed,
}

/// Why this side cut a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AbortReason {
    /// Too many bytes of other people's were waiting.
    TooSlow,
    /// No answer to a Ping, and no way to say so.
    NoPong,
    /// The peer did not answer a Close, or did not take its last bytes, in time.
    CloseTimeout,
    /// The connection was lost in a write.
    Lost,
    /// No thread could be had to wait for a slow client.
    NoThread,
}

/// Where an outbox stands. It only ever moves down this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Takes bytes.
    Open,
    /// The last byte is in the backlog; takes no more.
    Closing,
    /// The last byte has left, and the peer has been told that it was the last.
    Finished,
    /// The connection is gone.
    Aborted(AbortReason),
}

/// The way out to one client.
///
/// Shared by the client's thread, the dispatcher, and while there is a backlog the drain thread.
pub struct Outbox {
    transport: Arc<dyn Transport>,
    /// Where the drain thread is started, and the client's number for its name.
    threads: Arc<Threads>,
    client: ConnectionId,
    /// In bytes; see [`Config::max_backlog`](crate::Config::max_backlog).
    max_backlog: usize,
    state: Mutex<State>,
    /// Woken when something changes for the client's own thread, which alone waits here.
    changed: Condvar,
    /// True while it waits, so that nobody else pays for the waking.
    waiting: AtomicBool,
    /// Cost of what the client's thread has handed over and the dispatcher has not dealt with.
    in_flight: AtomicUsize,
    /// The part of the backlog that is the client's own, in bytes. Written under the lock.
    own_unsent: AtomicUsize,
    /// For the eyes of those who watch; set once frames leave here.
    tap: OnceLock<Arc<ConnectionTap>>,
    /// Bytes that have left, for the statistics and as a sign of life. Written under the lock.
    bytes_out: AtomicU64,
}

struct State {
    stage: Stage,
    /// The answer to the handshake, until it is sent.
    answer: Option<(Bytes, Arc<ConnectionTap>)>,
    /// What the socket did not take, in order.
    backlog: VecDeque<(Bytes, Cause)>,
    /// The part of the backlog that other clients caused, in bytes.
    others_unsent: usize,
    /// A drain thread is at work. While it is, everybody else only adds to the backlog.
    draining: bool,
    /// The code of the Close frame that has gone in.
    close_sent: Option<CloseCode>,
}

/// Bytes that a drain thread offers the socket at once: enough to fill it, little enough that
/// progress can be seen while a large message leaves.
const DRAIN_BYTES: usize = 64 * 1024;

/// Pieces in one write. Systems take 1,024 at most; 64 small frames are a good packet already.
const PIECES: usize = 64;

/// Stack of a drain thread, which calls nothing deep.
const DRAIN_STACK: usize = 64 * 1024;

impl Outbox {
    /// The way out over `transport` to the client with this number.
    pub fn new(
        transport: Arc<dyn Transport>,
        threads: Arc<Threads>,
        client: ConnectionId,
        max_backlog: usize,
    ) -> Arc<Outbox> {
        Arc::new(Outbox {
            transport,
            threads,
            client,
            max_backlog,
            state: Mutex::new(State {
                stage: Stage::Open,
                answer: None,
                backlog: VecDeque::new(),
                others_unsent: 0,
                draining: false,
                close_sent: None,
            }),
            changed: Condvar::new(),
            waiting: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            own_unsent: AtomicUsize::new(0),
            tap: OnceLock::new(),
            bytes_out: AtomicU64::new(0),
        })
    }

    /// Keeps the answer to the handshake until the dispatcher [opens](Self::open) the connection.
    pub fn set_handshake_response(&self, answer: Bytes, tap: Arc<ConnectionTap>) {
        lock(&self.state).answer = Some((answer, tap));
    }

    /// Sends the answer to the handshake. From here on what leaves are frames, and who watches sees
    /// them. Done by the dispatcher, so that whoever has the answer hears all that is said next.
    pub fn open(self: &Arc<Self>) {
        let mut state = lock(&self.state);
        if let Some((answer, tap)) = state.answer.take()
            && state.stage == Stage::Open
        {
            tap.response(answer.clone(), None);
            self.write_or_queue(&mut state, &[answer], Cause::Own);
            let _ = self.tap.set(tap);
        }
    }

    /// Sends `pieces` end to end, without waiting. The limit is held against what is owed
    /// already, so one message larger than the limit still goes to a client that owes nothing.
    pub fn send(self: &Arc<Self>, pieces: &[Bytes], whose: Cause) -> SendOutcome {
        let mut state = lock(&self.state);
        if state.stage != Stage::Open {
            return SendOutcome::Closed;
        }
        if whose == Cause::Others
            && state.others_unsent > 0
            && state.others_unsent >= self.max_backlog
        {
            return SendOutcome::BacklogFull;
        }
        self.write_or_queue(&mut state, pieces, whose);
        SendOutcome::Accepted
    }

    /// Sends a Close frame as the last thing that leaves. Does nothing after another Close.
    pub fn close(self: &Arc<Self>, code: CloseCode, reason: &str) {
        let mut body = Vec::with_capacity(2 + reason.len());
        body.extend_from_slice(&code.0.to_be_bytes());
        body.extend_from_slice(fit_reason(reason).as_bytes());
        let mut frame = BytesMut::new();
        encode_unmasked(Opcode::Close, &body, &mut frame);
        self.send_final(&[frame.freeze()]);
    }

    /// Sends one frame that tungstenite has written by itself: a Pong, or a Close as the last.
    pub fn send_frame(self: &Arc<Self>, frame: &[u8]) {
        let is_close = frame.first().is_some_and(|b| Opcode::from_bits(*b) == Opcode::Close);
        let frame = Bytes::copy_from_slice(frame);
        if is_close {
            self.send_final(&[frame]);
        } else {
            self.send(&[frame], Cause::Own);
        }
    }

    /// Sends `pieces` as the last thing that leaves; when they have, the peer is told (TCP: FIN).
    /// A Close frame among them is noted, and without any piece only the end is told.
    pub fn send_final(self: &Arc<Self>, pieces: &[Bytes]) {
        let mut state = lock(&self.state);
        if state.stage != Stage::Open {
            return;
        }
        state.close_sent = pieces.first().and_then(code_in);
        self.write_or_queue(&mut state, pieces, Cause::Own);
        if state.stage == Stage::Open {
            state.stage = Stage::Closing;
            self.finish_if_empty(&mut state);
        }
    }

    /// Ends the connection at once; what is still in the backlog is lost.
    pub fn abort(&self, why: AbortReason) {
        self.abort_locked(&mut lock(&self.state), why);
    }

    /// What this side said last, or did: the code of its Close, and why it cut the connection.
    pub fn close_info(&self) -> (Option<CloseCode>, Option<AbortReason>) {
        let state = lock(&self.state);
        let cut = if let Stage::Aborted(why) = state.stage { Some(why) } else { None };
        (state.close_sent, cut)
    }

    /// Whether bytes wait for the client to read.
    pub fn has_backlog(&self) -> bool {
        !lock(&self.state).backlog.is_empty()
    }

    /// Bytes that have left.
    pub fn bytes_out(&self) -> u64 {
        self.bytes_out.load(Ordering::Relaxed)
    }

    /// The client's thread has handed something over to the dispatcher.
    pub fn add_in_flight(&self, cost: usize) {
        self.in_flight.fetch_add(cost, Ordering::SeqCst);
    }

    /// The dispatcher has dealt with something that was handed over at this cost.
    pub fn release_in_flight(&self, cost: usize) {
        self.in_flight.fetch_sub(cost, Ordering::SeqCst);
        self.wake();
    }

    /// Waits while the client's own answers fill the backlog. Called before each read, so TCP
    /// slows the client down. Ends when the client reads, or when its connection does.
    pub fn wait_for_room(&self) {
        if self.is_over_limit() {
            self.wait_until(None, |_| !self.is_over_limit());
        }
    }

    /// The same, for `patience` at most; says whether there is room.
    pub fn wait_some_time_for_room(&self, patience: Duration) -> bool {
        self.wait_until(Some(Instant::now() + patience), |_| !self.is_over_limit())
    }

    /// Waits until the dispatcher has dealt with all that was handed over, so that what this
    /// thread says next comes after the answers.
    pub fn wait_until_idle(&self) {
        let is_settled = || self.in_flight.load(Ordering::SeqCst) == 0;
        if !is_settled() {
            self.wait_until(None, |_| is_settled());
        }
    }

    /// Waits until the last byte has left, or until `deadline`; says whether it has.
    pub fn wait_until_over(&self, deadline: Instant) -> bool {
        self.wait_until(Some(deadline), |state| {
            matches!(state.stage, Stage::Finished | Stage::Aborted(_))
        })
    }

    /// Whether so much waits that no more is to be caused. Nobody has to wait who owes nothing.
    fn is_over_limit(&self) -> bool {
        let owed = self.outstanding();
        owed > 0 && owed >= self.max_backlog
    }

    /// What the client itself has caused and what has not left yet, in bytes.
    fn outstanding(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst) + self.own_unsent.load(Ordering::SeqCst)
    }

    /// Waits for `ready`, for the end of the connection, or until `deadline`; says whether it is ready.
    ///
    /// `waiting` is set before `ready` is looked at, and whoever makes it true looks at
    /// `waiting` after: one of the two sees the other, so no waking is lost.
    fn wait_until(&self, deadline: Option<Instant>, ready: impl Fn(&State) -> bool) -> bool {
        let mut state = lock(&self.state);
        self.waiting.store(true, Ordering::SeqCst);
        let mut is_late = false;
        while !ready(&state) && !is_late && !matches!(state.stage, Stage::Aborted(_)) {
            let Some(deadline) = deadline else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            is_late = left.is_zero();
            let woken = self.changed.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        self.waiting.store(false, Ordering::SeqCst);
        ready(&state)
    }

    /// Wakes the client's thread if it waits. Not to be called with the lock held.
    fn wake(&self) {
        if self.waiting.load(Ordering::SeqCst) {
            // Between the waiter's look and its sleep the lock is held; so it sleeps by now.
            drop(lock(&self.state));
            self.changed.notify_one();
        }
    }

    /// Writes what the socket takes now and keeps the rest.
    fn write_or_queue(
        self: &Arc<Self>,
        state: &mut MutexGuard<'_, State>,
        pieces: &[Bytes],
        whose: Cause,
    ) {
        // Under the lock: so frames are shown in the order in which they leave.
        if let Some(tap) = self.tap.get().filter(|tap| tap.is_watched()) {
            tap.frames_out(pieces);
        }
        let mut sent = 0;
        if state.backlog.is_empty() && !state.draining && !pieces.is_empty() {
            match send_pieces_now(&*self.transport, pieces) {
                Ok(count) => sent = count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return self.abort_locked(state, AbortReason::Lost),
            }
            self.bytes_out.fetch_add(sent as u64, Ordering::Relaxed);
        }
        for piece in pieces {
            let gone = sent.min(piece.len());
            sent -= gone;
            if gone < piece.len() {
                let rest = piece.slice(gone..);
                // A piece costs memory beside its bytes: two bytes of Pong count for more.
                let cost = rest.len() + MESSAGE_OVERHEAD;
                match whose {
                    Cause::Own => _ = self.own_unsent.fetch_add(cost, Ordering::SeqCst),
                    Cause::Others => state.others_unsent += cost,
                }
                state.backlog.push_back((rest, whose));
            }
        }
        if !state.backlog.is_empty() && !state.draining {
            state.draining = true;
            let outbox = Arc::clone(self);
            let name = format!("drain {}", self.client.0);
            if self.threads.spawn(name, DRAIN_STACK, move || outbox.drain()).is_err() {
                self.abort_locked(state, AbortReason::NoThread);
            }
        }
    }

    /// The drain thread: waits on this one socket until the backlog is empty. It holds no lock
    /// while it waits, and everyone else only adds behind what it is sending.
    fn drain(&self) {
        let mut batch = Vec::new();
        loop {
            {
                let mut state = lock(&self.state);
                batch.clear();
                batch.extend(state.backlog.iter().take(PIECES).map(|(piece, _)| piece.clone()));
                if batch.is_empty() || matches!(state.stage, Stage::Aborted(_)) {
                    state.draining = false;
                    self.finish_if_empty(&mut state);
                    return;
                }
            }
            let mut room = DRAIN_BYTES;
            let slices: Vec<IoSlice<'_>> = batch
                .iter()
                .map(|piece| {
                    let part = &piece[..piece.len().min(room)];
                    room -= part.len();
                    IoSlice::new(part)
                })
                .filter(|slice| !slice.is_empty())
                .collect();
            match self.transport.send_waiting(&slices) {
                Ok(0) => self.abort(AbortReason::Lost),
                Ok(sent) => {
                    self.take_from_backlog(&mut lock(&self.state), sent);
                    self.bytes_out.fetch_add(sent as u64, Ordering::Relaxed);
                    self.wake();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.abort(AbortReason::Lost),
            }
        }
    }

    /// The first `sent` bytes of the backlog have left.
    fn take_from_backlog(&self, state: &mut State, mut sent: usize) {
        while let Some((piece, whose)) = state.backlog.front_mut() {
            let gone = sent.min(piece.len());
            let is_done = gone == piece.len();
            let cost = if is_done { gone + MESSAGE_OVERHEAD } else { gone };
            match whose {
                Cause::Own => _ = self.own_unsent.fetch_sub(cost, Ordering::SeqCst),
                Cause::Others => state.others_unsent -= cost,
            }
            piece.advance(gone);
            sent -= gone;
            if !is_done {
                return;
            }
            state.backlog.pop_front();
        }
    }

    fn finish_if_empty(&self, state: &mut State) {
        if state.stage == Stage::Closing && state.backlog.is_empty() && !state.draining {
            state.stage = Stage::Finished;
            self.transport.end_output();
            self.changed.notify_one();
        }
    }

    fn abort_locked(&self, state: &mut State, why: AbortReason) {
        if !matches!(state.stage, Stage::Aborted(_)) {
            state.stage = Stage::Aborted(why);
            state.backlog.clear();
            state.others_unsent = 0;
            self.own_unsent.store(0, Ordering::SeqCst);
            self.transport.abort();
            self.changed.notify_one();
        }
    }
}

fn send_pieces_now(transport: &dyn Transport, pieces: &[Bytes]) -> io::Result<usize> {
    if let [piece] = pieces {
        return transport.send_now(&[IoSlice::new(piece)]);
    }
    let mut slices = [IoSlice::new(&[]); PIECES];
    let count = pieces.len().min(PIECES);
    for (slice, piece) in slices.iter_mut().zip(pieces) {
        *slice = IoSlice::new(piece);
    }
    transport.send_now(&slices[..count])
}

/// The close code of a Close frame that the server has encoded; 1005 when it has none.
fn code_in(frame: &Bytes) -> Option<CloseCode> {
    match frame[..] {
        [0x88, 0, ..] => Some(CloseCode::NO_STATUS_RECEIVED),
        [0x88, _, high, low, ..] => Some(CloseCode(u16::from_be_bytes([high, low]))),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
