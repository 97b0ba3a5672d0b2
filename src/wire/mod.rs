//! The wire view: shows everything that crossed the wire, each field with its bytes, bits and meaning.
//!
//! | file | contents |
//! |---|---|
//! | [`watch`] | the thread that takes crossings from the [tap](crate::tap), and sends events to all watchers |
//! | [`tracker`] | how the frames of a connection belong together: fragments, Pings, Closes |
//! | [`event`], [`frame`], [`fields`], [`head`] | one event: a head or a frame, taken apart |
//! | [`credentials`] | what a head does not show |
//! | [`terminal`] | events as text in 80 columns |
//! | [`explain`] | events from bytes that somebody types |
//!
//! All viewers get the same [`WireEvent`]: the terminal prints it, and the page receives it as JSON.
//! Events hold bytes; only the JSON and the terminal write them as hex.

pub mod credentials;
pub mod event;
pub mod explain;
pub mod fields;
pub mod frame;
pub mod head;
mod json;
pub mod terminal;
pub mod tracker;
pub mod watch;

pub use credentials::Credentials;
pub use event::{WireEvent, WireEventKind};
pub use fields::Field;
pub use frame::{CloseView, Elided, FaultView, FragmentInfo, FrameView, PongMatch};
pub use head::{BrokenRuleView, HeadView, HeaderView};
