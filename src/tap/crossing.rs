//! What crosses the wire.

use bytes::Bytes;

use super::capture::CapturedFrame;
use crate::protocol::Side;

/// What a connection's watchers have not been shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gap {
    /// Nobody was watching for a while.
    pub unwatched: bool,
    /// Frames for which there was no room.
    pub missed: u64,
}

/// What can cross the wire.
#[derive(Debug, Clone)]
pub enum Crossing {
    /// A request head, or what was sent in place of one.
    Request(Bytes),
    /// The head of the answer.
    Response(Bytes),
    /// A frame.
    Frame(Side, CapturedFrame),
    /// The connection is over; how it ended.
    End(String),
}
