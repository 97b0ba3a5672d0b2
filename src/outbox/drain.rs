//! How the backlog of one slow client leaves: the outbox's part, which the [drainer](super::drainer)
//! calls.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::backlog::Backlogged;
use super::outcome::AbortReason;
use super::transport::Transport;
use super::{Outbox, Stage, State};
use crate::config::DRAIN_BYTES;
use crate::sys::lock::lock;

impl Outbox {
    /// Hands the backlog over to the drainer, unless the drainer has it or nothing is unsent.
    pub(super) fn start_draining(self: &Arc<Self>, state: &mut State) {
        if state.backlog.is_empty() || state.is_draining {
            return;
        }
        match self.drainer.add(self.client, Arc::clone(self) as _) {
            Ok(()) => state.is_draining = true,
            Err(_) => self.abort_locked(state, AbortReason::CannotDrain),
        }
    }

    /// Takes the backlog back from the drainer.
    ///
    /// The caller holds the lock. So the next backlog, with which the socket is handed over again,
    /// comes after this.
    pub(super) fn stop_draining(&self, state: &mut State) {
        if std::mem::take(&mut state.is_draining) {
            self.drainer.remove(self.client, &*self.transport);
        }
    }

    /// Sends the next part of the backlog with `send`. Returns false when the socket is full, or the
    /// drainer has no more to do for this client.
    ///
    /// Only the drainer calls this. It holds no lock during the write, and everyone else only adds
    /// pieces behind those that it is sending.
    fn write_next(&self, send: impl Fn(&[IoSlice<'_>]) -> io::Result<usize>) -> bool {
        let mut batch = Vec::new();
        {
            let mut state = lock(&self.state);
            if !self.has_more(&mut state) {
                return false;
            }
            state.backlog.copy_front(&mut batch);
        }
        match send(&first_bytes(&batch)) {
            Ok(0) => self.abort(AbortReason::Lost),
            Ok(sent) => {
                let mut state = lock(&self.state);
                self.bytes_out.fetch_add(sent as u64, Ordering::Relaxed);
                // After an abort the backlog is empty, and its bytes have been counted down.
                let own = state.backlog.remove(sent);
                self.flow_control.release_own_unsent(own);
                return self.has_more(&mut state);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return true,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            Err(_) => self.abort(AbortReason::Lost),
        }
        false
    }

    /// Whether bytes are left to send. If not, the client is taken back from the drainer.
    fn has_more(&self, state: &mut State) -> bool {
        let has_more = !state.backlog.is_empty() && !matches!(state.stage, Stage::Aborted(_));
        if !has_more {
            self.stop_draining(state);
            self.finish_if_empty(state);
        }
        has_more
    }
}

impl Backlogged for Outbox {
    fn transport(&self) -> &dyn Transport {
        &*self.transport
    }

    fn write_some(&self) -> bool {
        self.write_next(|pieces| self.transport.send_now(pieces))
    }

    fn write_all(&self) {
        while self.write_next(|pieces| self.transport.send_waiting(pieces)) {}
    }
}

/// The first [`DRAIN_BYTES`] of `batch`.
fn first_bytes(batch: &[Bytes]) -> Vec<IoSlice<'_>> {
    let mut room = DRAIN_BYTES;
    let mut slices = Vec::with_capacity(batch.len());
    for piece in batch {
        let part = &piece[..piece.len().min(room)];
        room -= part.len();
        if !part.is_empty() {
            slices.push(IoSlice::new(part));
        }
    }
    slices
}
