//! The wire view: what watchers see, what `chalkwire explain` and the terminal print, and what the
//! lab page may ask the server to do.

// What helps a test may unwrap as the test itself may, because there a panic is the report.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod explain;
mod lab;
mod terminal;
mod watch;
