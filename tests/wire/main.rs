//! The wire view: what watchers see, what `chalkwire explain` and the terminal print, and what the
//! lab page may ask the server to do.

#[path = "../common/mod.rs"]
mod common;

mod explain;
mod lab;
mod terminal;
mod watch;
