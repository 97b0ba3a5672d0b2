//! The wire view: shows what crossed the wire, every field with its bytes, its bits and its meaning.
//!
//! | file | contents |
//! |---|---|
//! | [`watch`] | the thread that takes crossings from the tap and sends events to those who watch |
//! | [`tracker`] | what connects the frames of a connection: fragments, Pings, Closes |
//! | [`event`], [`frame`], [`fields`], [`head`] | one event: a head or a frame, taken apart |
//! | [`terminal`] | events as text in 80 columns |
//! | [`explain`] | events from bytes that somebody types |
//!
//! All viewers get the same [`WireEvent`]: the terminal prints it, and the page receives it as JSON.
//! Events hold bytes; only the JSON and the terminal write them as hex.

pub mod event;
pub mod explain;
pub mod fields;
pub mod frame;
pub mod head;
mod json;
pub mod terminal;
pub mod tracker;
pub mod watch;

pub use event::{WireEvent, WireEventKind};
pub use fields::Field;
pub use frame::{CloseView, Elided, FaultView, FragmentInfo, FrameView, PongMatch};
pub use head::{BrokenRuleView, HeadView, HeaderView};
