//! Crossings: heads, frames and ends of connections, which the tap hands to the watch thread.

use std::time::Instant;

use bytes::Bytes;

use super::capture::CapturedFrame;
use crate::protocol::{BrokenRule, Side};
use crate::sys::{ConnectionId, Secret};

/// Something that crossed the wire, with its connection and time.
#[derive(Debug, Clone)]
pub struct TimedCrossing {
    /// The connection that it crossed on.
    pub connection: ConnectionId,
    /// The secret of the tab that opened the connection, if it gave one. It decides who may see this.
    pub tab: Option<Secret>,
    /// The time at which the server read or wrote it.
    pub at: Instant,
    /// The part of this connection that the watch thread did not get, between the crossing before and
    /// this one.
    pub gap: Gap,
    /// What crossed.
    pub what: Crossing,
}

/// The kinds of things that cross the wire.
#[derive(Debug, Clone)]
pub enum Crossing {
    /// A request head, or the bytes that a client sent in place of one.
    Request(Bytes),
    /// A response head.
    Response {
        /// The bytes of the head.
        head: Bytes,
        /// The rule that the request broke, when the server refuses it for that reason.
        broken_rule: Option<BrokenRule>,
    },
    /// A frame, with the side that sent it.
    Frame(Side, CapturedFrame),
    /// The connection is over: how it ended, as a sentence.
    End(String),
}

/// A part of a connection that the watch thread did not get.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gap {
    /// Nobody was watching for a while.
    pub unwatched: bool,
    /// Crossings for which the channel had no room.
    pub missed: u64,
}

/// One of the last handshakes, kept for watchers that come later.
#[derive(Debug, Clone)]
pub struct KeptHandshake {
    /// The connection of the handshake.
    pub connection: ConnectionId,
    /// The secret of the tab that opened the connection, if it gave one.
    pub tab: Option<Secret>,
    /// The request head, and the time at which it came.
    pub request: (Instant, Bytes),
    /// The response, and the time at which it left. `None` while the server has not answered.
    pub response: Option<(Instant, Bytes, Option<BrokenRule>)>,
}
