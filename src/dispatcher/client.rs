//! One client, as the dispatcher sees it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;

use super::group::Service;
use super::heartbeat::{Heartbeat, Liveness, Traffic, Verdict};
use crate::outbox::batch::FrameBatch;
use crate::outbox::{AbortReason, Cause, Outbox, SendOutcome};
use crate::protocol::{CloseCode, Fault, Opcode};
use crate::sys::{ConnectionId, Secret};

/// The connection list. The oldest connection comes first.
pub(super) type Clients = BTreeMap<ConnectionId, Client>;

/// The whole state of one client.
pub(super) struct Client {
    pub(super) peer: SocketAddr,
    pub(super) tab: Option<Secret>,
    pub(super) service: Service,
    pub(super) outbox: Arc<Outbox>,
    pub(super) joined_at: Instant,
    pub(super) messages_in: u64,
    /// Counted by the client's thread.
    bytes_in: Arc<AtomicU64>,
    pub(super) liveness: Liveness,
    /// When this side sent a Close that the client has not answered.
    close_sent_at: Option<Instant>,
}

impl Client {
    pub(super) fn new(
        peer: SocketAddr,
        tab: Option<Secret>,
        service: Service,
        outbox: Arc<Outbox>,
        bytes_in: Arc<AtomicU64>,
        now: Instant,
    ) -> Client {
        Client {
            peer,
            tab,
            service,
            outbox,
            joined_at: now,
            messages_in: 0,
            bytes_in,
            liveness: Liveness::new(now),
            close_sent_at: None,
        }
    }

    /// Bytes of frames that the client's thread has read.
    pub(super) fn bytes_in(&self) -> u64 {
        self.bytes_in.load(Ordering::Relaxed)
    }

    /// Sends one frame that the client itself has caused.
    pub(super) fn send(&self, opcode: Opcode, payload: Bytes) -> SendOutcome {
        let mut batch = FrameBatch::default();
        batch.push(opcode, payload);
        self.outbox.send(&batch.take(), Cause::Own)
    }

    /// Sends a Close. From here on the client has the close timeout to answer it.
    pub(super) fn close(&mut self, code: CloseCode, reason: &str, now: Instant) {
        self.outbox.close(code, reason);
        self.close_sent_at.get_or_insert(now);
    }

    /// Takes the memory of the client's messages, because all clients together have too much.
    pub(super) fn take_memory(&mut self, now: Instant) {
        self.outbox.take_memory();
        self.close_sent_at.get_or_insert(now);
    }

    /// Sends Close 1001 (going away), because the server is shutting down.
    pub(super) fn close_going_away(&mut self, now: Instant) {
        self.close(CloseCode::GOING_AWAY, "the server is shutting down", now);
    }

    /// Sends a Ping if the client is silent, and drops the client if it stays silent or does not
    /// answer a Close. Returns true when it is dropped for its silence.
    pub(super) fn check_timeouts(&mut self, now: Instant, heartbeat: &Heartbeat) -> bool {
        if let Some(since) = self.close_sent_at {
            if now - since >= heartbeat.close_timeout {
                self.outbox.abort(AbortReason::CloseTimeout);
            }
            return false;
        }
        let traffic = Traffic {
            bytes_in: self.bytes_in(),
            bytes_out: self.outbox.bytes_out(),
            has_backlog: self.outbox.has_backlog(),
        };
        match self.liveness.check(now, traffic, heartbeat) {
            Verdict::Alive => false,
            Verdict::SendPing(payload) => {
                self.send(Opcode::Ping, payload);
                false
            }
            Verdict::TimedOut => {
                if traffic.has_backlog {
                    // A Close would wait behind bytes that the client does not read.
                    self.outbox.abort(AbortReason::NoPong);
                }
                let fault = Fault::NoPong(heartbeat.pong_timeout);
                self.close(fault.close_code(), &fault.to_string(), now);
                true
            }
        }
    }
}
