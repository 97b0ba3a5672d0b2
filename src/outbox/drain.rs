//! How the backlog of one slow client leaves: the outbox's part, which the [drainer](super::drainer)
//! calls.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::backlog::Backlogged;
use super::outcome::AbortReason;
#[cfg(unix)]
use super::transport::Transport;
use super::{Outbox, Stage, State};
use crate::config::DRAIN_BYTES;
use crate::sys::lock::lock;

/// What one write of the drainer has left.
#[derive(Debug, PartialEq, Eq)]
enum Progress {
    /// The socket has taken all that was offered, and may take more.
    MoreToSend,
    /// The socket has taken less than was offered.
    SocketFull,
    /// The drainer has no more to do for this client.
    NothingLeft,
}

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

    /// Sends the next part of the backlog with `send`.
    ///
    /// Only the drainer calls this. It holds no lock during the write, and everyone else only adds
    /// pieces behind those that it is sending.
    fn write_next(&self, send: impl Fn(&[IoSlice<'_>]) -> io::Result<usize>) -> Progress {
        let mut batch = Vec::new();
        {
            let mut state = lock(&self.state);
            if !self.has_more(&mut state) {
                return Progress::NothingLeft;
            }
            state.backlog.copy_front(&mut batch);
        }
        let pieces = first_bytes(&batch);
        match send(&pieces) {
            Ok(0) => self.abort(AbortReason::Lost),
            Ok(sent) => {
                let mut state = lock(&self.state);
                self.bytes_out.fetch_add(sent as u64, Ordering::Relaxed);
                // After an abort the backlog is empty, and its bytes have been counted down.
                let own = state.backlog.remove(sent);
                self.flow_control.release_own_unsent(own);
                let offered: usize = pieces.iter().map(|piece| piece.len()).sum();
                return match self.has_more(&mut state) {
                    true if sent < offered => Progress::SocketFull,
                    true => Progress::MoreToSend,
                    false => Progress::NothingLeft,
                };
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                return Progress::MoreToSend;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Progress::SocketFull;
            }
            Err(_) => self.abort(AbortReason::Lost),
        }
        Progress::NothingLeft
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
    #[cfg(unix)]
    fn transport(&self) -> &dyn Transport {
        &*self.transport
    }

    #[cfg(unix)]
    fn write_some(&self) -> bool {
        self.write_next(|pieces| self.transport.send_now(pieces)) == Progress::MoreToSend
    }

    fn write_all(&self) {
        let send = |pieces: &[IoSlice<'_>]| self.transport.send_waiting(pieces);
        while self.write_next(send) != Progress::NothingLeft {}
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
