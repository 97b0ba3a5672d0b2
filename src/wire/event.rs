//! One event of the wire view.

use serde::Serialize;

use super::frame::FrameView;
use super::head::HeadView;
use crate::sys::{ConnectionId, Secret};

/// Something that crossed the wire.
#[derive(Debug, Clone, Serialize)]
pub struct WireEvent {
    /// The connection that it crossed on. [`ConnectionId::NONE`] for bytes that somebody typed; their
    /// time has no meaning.
    pub connection: ConnectionId,
    /// The secret of the tab that opened the connection, if it gave one. Never serialized.
    #[serde(skip)]
    pub tab: Option<Secret>,
    /// The number of the event in its connection: the request is 1, the response 2.
    pub number: u64,
    /// Seconds since the server started.
    pub seconds: f64,
    /// A sentence about events before this one that the viewer was not shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gap: Option<String>,
    /// What crossed.
    #[serde(flatten)]
    pub what: WireEventKind,
}

impl WireEvent {
    /// The bytes of memory that it takes, roughly.
    pub fn memory(&self) -> usize {
        let what = match &self.what {
            WireEventKind::Request(head) | WireEventKind::Response(head) => head.memory(),
            WireEventKind::Frame(frame) => frame.memory(),
            WireEventKind::End { how } => how.len(),
            WireEventKind::Missed { .. } => 0,
        };
        size_of::<WireEvent>() + self.gap.as_ref().map_or(0, String::len) + what
    }
}

/// The kinds of events, each with what it shows.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum WireEventKind {
    /// A request head.
    Request(HeadView),
    /// A response head.
    Response(HeadView),
    /// A frame.
    Frame(Box<FrameView>),
    /// The end of the connection.
    End {
        /// How it ended, as a sentence.
        how: String,
    },
    /// This viewer was too slow.
    Missed {
        /// The number of events that were not sent to it.
        events: u64,
    },
}
