//! The wire view: what watchers see, what `chalkwire explain` and the terminal print, and what the
//! lab page may ask the server to do; and what stays hidden from whom.

// Helper functions may unwrap as tests may, because a panic is the way in which a test reports a failure.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod explain;
mod lab;
mod printing;
mod private;
mod terminal;
mod watch;
