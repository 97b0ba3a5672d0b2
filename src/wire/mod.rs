//! WireEventKind crossed the wire, taken apart: every field with its bytes, its bits and its meaning.
//!
//! One event type for all eyes: the terminal prints it, the page gets it as JSON, and
//! `chalkwire explain` makes it from bytes that somebody types.

pub mod explain;
pub mod fields;
pub mod frame;
pub mod head;
pub mod terminal;
pub mod tracker;
pub mod watch;

use serde::{Serialize, Serializer};

use crate::sys::ConnectionId;

pub use fields::Field;
pub use frame::{CloseView, Elided, FaultView, FragmentInfo, FrameView, PongMatch};
pub use head::{HeadView, HeaderView};

/// Something that crossed the wire.
#[derive(Debug, Clone, Serialize)]
pub struct WireEvent {
    /// The client's number; 0 for bytes that came over no connection, which have no time either.
    pub connection: ConnectionId,
    /// Its place among what is shown of this connection; the request is 1, the answer 2.
    pub number: u64,
    /// Seconds since the server began.
    pub seconds: f64,
    /// WireEventKind was not shown before this, as a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gap: Option<String>,
    /// WireEventKind it is.
    #[serde(flatten)]
    pub what: WireEventKind,
}

/// WireEventKind can be shown.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum WireEventKind {
    /// A request head.
    Request(HeadView),
    /// The head of the answer.
    Response(HeadView),
    /// A frame.
    Frame(Box<FrameView>),
    /// The end of the connection.
    End {
        /// Who closed first, with what.
        how: String,
    },
    /// The watcher was too slow.
    Missed {
        /// Events that it was not sent.
        events: u64,
    },
}

/// The largest number up to which JavaScript tells every number from its neighbours.
const EXACT_IN_JAVASCRIPT: u64 = (1 << 53) - 1;

/// A number that pages can show as it is: as a string where JavaScript would round it.
fn exact<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    match *number {
        number @ 0..=EXACT_IN_JAVASCRIPT => serializer.serialize_u64(number),
        number => serializer.collect_str(&number),
    }
}
