//! The drain thread: sends the backlog of one slow client, and ends when the backlog is empty.
//!
//! A slow client costs one more thread, but only while it is slow. A writer thread for every client
//! was tried instead: a broadcast to 1,000 clients then took 2 to 4 times as long, because waking a
//! thread costs more than the send itself.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::outcome::AbortReason;
use super::{Outbox, Stage, State};
use crate::config::{DRAIN_BYTES, DRAIN_STACK};
use crate::sys::lock::lock;

impl Outbox {
    /// Starts the drain thread, unless it runs or nothing is unsent.
    pub(super) fn start_draining(self: &Arc<Self>, state: &mut State) {
        if state.backlog.is_empty() || state.is_draining {
            return;
        }
        state.is_draining = true;
        let outbox = Arc::clone(self);
        let name = format!("drain {}", self.client.0);
        if self.threads.spawn(name, DRAIN_STACK, move || outbox.drain()).is_err() {
            self.abort_locked(state, AbortReason::NoThread);
        }
    }

    /// Waits on this one socket until the backlog is empty. The thread holds no lock while it
    /// waits, and everyone else only adds pieces behind those that it is sending.
    fn drain(&self) {
        let mut batch = Vec::new();
        while self.next_batch(&mut batch) {
            match self.transport.send_waiting(&first_bytes(&batch)) {
                Ok(0) => self.abort(AbortReason::Lost),
                Ok(sent) => {
                    let mut state = lock(&self.state);
                    self.bytes_out.fetch_add(sent as u64, Ordering::Relaxed);
                    // After an abort the backlog is empty, and its bytes have been counted down.
                    let own = state.backlog.remove(sent);
                    self.flow_control.release_own_unsent(own);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.abort(AbortReason::Lost),
            }
        }
    }

    /// Fills `batch` with what has to leave next. Returns false when the thread has to end.
    fn next_batch(&self, batch: &mut Vec<Bytes>) -> bool {
        let mut state = lock(&self.state);
        if state.backlog.is_empty() || matches!(state.stage, Stage::Aborted(_)) {
            state.is_draining = false;
            self.finish_if_empty(&mut state);
            return false;
        }
        state.backlog.copy_front(batch);
        true
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
