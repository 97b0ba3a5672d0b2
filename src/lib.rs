//! A WebSocket server you can see through.
//!
//! Chalkwire is for people who learn and teach how WebSocket (RFC 6455) works. It is synchronous on
//! purpose: one thread a client, one dispatcher thread that owns the connection list, and no
//! runtime between the code and the socket. It is not a framework: it does echo, broadcast and
//! rooms, and shows how.
//!
//! # The way of a message
//!
//! ```text
//!  bytes in ─▶ server ─▶ upgrade ─▶ client thread ══events══▶ dispatcher ─▶ outbox ─▶ bytes out
//!              accepts   request    tungstenite    bounded    owns the      one per
//!              one       head:      reads bytes    crossbeam  connection    client, the
//!              thread    page or    into messages  channel    list, picks   only way out
//!              per       WebSocket                            recipients
//!              client
//! ```
//!
//! A message goes from left to right and meets each module once. In that order:
//!
//! | module | what it does |
//! |---|---|
//! | [`config`] | every limit, with its default and its reason |
//! | [`server`] | accepts connections, gives each a thread, ends them all |
//! | [`http`], [`route`], [`origin`] | read a request head; what is at a path; who may have it |
//! | [`upgrade`] | the opening handshake, or an answer that says why not |
//! | `client`, `session`, `linger` | a connection's threads: the handshake; the messages; seeing it off |
//! | [`stream`], [`cursor`], [`frame`] | bytes to frames: what tungstenite reads, and the rules it is held to |
//! | [`event`] | everything the dispatcher is told |
//! | [`dispatcher`], [`classroom`], [`heartbeat`] | who gets what, and who is still there |
//! | [`outbox`], [`transport`], [`close`] | the only way out, and the last thing that leaves by it |
//! | [`stats`] | the server in figures |
//!
//! Beside that way, for eyes only: [`tap`] copies what crosses the wire while somebody watches,
//! [`cutter`] and [`utf8`] make frames of it, [`watch`] sees how it hangs together, [`wire`] takes it apart, [`blackboard`] writes it down,
//! `event_stream` sends it to pages.
//! [`explain`] does the same with bytes that somebody types, [`rules`] breaks rules on purpose, and
//! [`workbench`] lets the page ask for all that. [`check`] tests other people's servers, and
//! [`tutorial`] explains it all in pages to read.
//!
//! The channel graph has no cycle: threads send events, the dispatcher sends none. So the server
//! ends by letting go: when the last client's thread has ended, the last sender is gone, and the
//! dispatcher's `recv` says so.

pub mod blackboard;
pub mod check;
pub mod classroom;
mod client;
pub mod close;
pub mod config;
pub mod connections;
pub mod cursor;
pub mod cutter;
pub mod dispatcher;
pub mod event;
mod event_stream;
pub mod explain;
pub mod frame;
pub mod gate;
pub mod heartbeat;
pub mod http;
#[doc = include_str!("limits.md")]
pub mod limits {}
mod linger;
#[cfg(test)]
mod memory;
pub mod origin;
pub mod outbox;
pub mod route;
pub mod rules;
pub mod server;
mod session;
pub mod stats;
pub mod stream;
pub mod tap;
pub mod threads;
pub mod transport;
pub mod tutorial;
pub mod upgrade;
pub mod utf8;
pub mod watch;
pub mod wire;
pub mod workbench;

pub use config::{Config, Mode};
pub use server::{Server, Stopper};
