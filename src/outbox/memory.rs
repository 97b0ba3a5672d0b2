//! A transport in memory, for tests. A test reads what the outbox and the dispatcher have sent, and
//! decides how many bytes the "socket" takes.

use std::io::{self, IoSlice};
use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::drainer::Drainer;
use super::transport::Transport;
use crate::protocol::{Frame, Opcode};
use crate::sys::lock::lock;
use crate::sys::threads::Threads;

/// No test waits longer than this for anything.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

#[derive(Default)]
pub(crate) struct Memory {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    sent: Vec<u8>,
    /// Bytes that still fit.
    room: usize,
    /// Writes that took at least one byte.
    sends: usize,
    output_ended: bool,
    aborted: bool,
}

/// A drainer that serves sockets and transports in memory. Its thread ends when the last outbox is gone.
pub(crate) fn drainer(threads: &Arc<Threads>) -> Arc<Drainer> {
    let (drainer, drain_loop) = Drainer::new(Arc::clone(threads)).expect("a few descriptors");
    thread::spawn(move || drain_loop.run().expect("the system can wait for sockets"));
    drainer
}

impl Memory {
    /// Creates a transport that takes everything.
    pub(crate) fn unlimited() -> Arc<Memory> {
        Memory::with_room(usize::MAX / 2)
    }

    /// Creates a transport that takes `room` bytes, until there is [more](Self::give_room).
    pub(crate) fn with_room(room: usize) -> Arc<Memory> {
        let memory = Memory::default();
        lock(&memory.state).room = room;
        Arc::new(memory)
    }

    pub(crate) fn give_room(&self, more: usize) {
        lock(&self.state).room += more;
        self.changed.notify_all();
    }

    /// Waits until `ready` is true of the state. `what` is for the report of a failure.
    fn wait(&self, what: &str, ready: impl Fn(&State) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        let mut state = lock(&self.state);
        while !ready(&state) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "there was not {what} in time; sent: {:02x?}", state.sent);
            let woken = self.changed.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until at least `bytes` bytes have been sent, and returns all of them.
    pub(crate) fn wait_for(&self, bytes: usize) -> Vec<u8> {
        self.wait(&format!("{bytes} bytes"), |state| state.sent.len() >= bytes);
        self.sent()
    }

    pub(crate) fn wait_for_end(&self) {
        self.wait("the end of output", |state| state.output_ended);
    }

    pub(crate) fn wait_for_abort(&self) {
        self.wait("an abort", |state| state.aborted);
    }

    pub(crate) fn sent(&self) -> Vec<u8> {
        lock(&self.state).sent.clone()
    }

    pub(crate) fn sends(&self) -> usize {
        lock(&self.state).sends
    }

    pub(crate) fn is_aborted(&self) -> bool {
        lock(&self.state).aborted
    }

    /// Waits until at least `count` frames have been sent, and returns the opcode and payload of all
    /// of them.
    pub(crate) fn frames(&self, count: usize) -> Vec<(Opcode, String)> {
        self.wait(&format!("{count} frames"), |state| frames_in(&state.sent).len() >= count);
        frames_in(&self.sent())
    }
}

fn frames_in(mut bytes: &[u8]) -> Vec<(Opcode, String)> {
    let mut frames = Vec::new();
    while let Some((frame, length)) = Frame::decode(bytes) {
        let text = String::from_utf8_lossy(&frame.payload).into_owned();
        frames.push((frame.header.opcode, text));
        bytes = &bytes[length..];
    }
    frames
}

impl Transport for Memory {
    fn send_now(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut state = lock(&self.state);
        if state.aborted {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let mut taken = 0;
        for piece in pieces {
            let part = piece.len().min(state.room);
            state.sent.extend_from_slice(&piece[..part]);
            state.room -= part;
            taken += part;
        }
        if taken == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        state.sends += 1;
        self.changed.notify_all();
        Ok(taken)
    }

    fn send_waiting(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.wait("room", |state| state.room > 0 || state.aborted);
        self.send_now(pieces)
    }

    fn socket(&self) -> Option<&TcpStream> {
        None
    }

    fn end_output(&self) {
        lock(&self.state).output_ended = true;
        self.changed.notify_all();
    }

    fn abort(&self) {
        lock(&self.state).aborted = true;
        self.changed.notify_all();
    }
}
