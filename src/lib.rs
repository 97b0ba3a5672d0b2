//! A WebSocket server you can see through.
//!
//! Chalkwire is for people who learn and teach how WebSocket (RFC 6455) works. It is synchronous on
//! purpose: one thread for each client, one dispatcher thread that owns the list of clients, and no
//! runtime between the code and the socket. It is not a framework: it does echo, broadcast and
//! rooms, and shows how.
//!
//! # The way of a message
//!
//! ```text
//!  bytes in ─▶ server ─▶ connection ══events══▶ dispatcher ─▶ outbox ─▶ bytes out
//!              accepts   one thread   bounded   one thread:   one for
//!                        for each     channel   owns the      each client,
//!                        client:                list of       the only
//!                        request,               clients,      way out
//!                        handshake,             picks
//!                        messages               recipients
//! ```
//!
//! A message goes from left to right and meets each of these rooms once. All rooms:
//!
//! | room | what it does |
//! |---|---|
//! | [`server`] | accepts connections, gives each a thread, and stops them all |
//! | [`connection`] | one thread for each client: request, handshake, messages, lingering close |
//! | [`dispatcher`] | one thread that owns the list of clients and decides who gets what |
//! | [`outbox`] | the only way out to a client: encoding, back-pressure, the backlog |
//! | [`tap`] | copies what crosses the wire for those who watch |
//! | [`http`] | reads a request, examines a handshake, writes an answer that gives the reason |
//! | [`protocol`] | RFC 6455 without input or output: frames, close codes, faults, UTF-8 |
//! | [`wire`] | the wire view: takes frames apart for the terminal, the page and `explain` |
//! | [`lab`] | the lab page, what it asks the server to do, and the tutorial as pages |
//! | [`check`] | tests other people's servers, and names their mistakes |
//! | [`raw_client`] | a WebSocket client that sends any bytes, with which the lab breaks rules |
//! | [`sys`], [`text`], [`config`] | threads, sockets, the system's limits; text for people; every limit |
//!
//! # Where to find it
//!
//! | question | answer |
//! |---|---|
//! | What does a request get? | [`connection::routes`] decides |
//! | Why is a request refused? | [`http::refusal`] has every reason and its answer |
//! | Where is a message read? | `connection/session.rs` has the loop around tungstenite's `read` |
//! | Who decides who gets a message? | [`dispatcher`], and for groups `dispatcher/members.rs` |
//! | Where is a broadcast encoded? | [`outbox::batch`], once for all members |
//! | What happens to a slow client? | [`limits`] tells it; `outbox/{flow_control,poller}.rs`, `dispatcher/members.rs` do it |
//! | Where does the wire view get its bytes? | [`tap`], which `connection/stream.rs` and [`outbox`] call |
//! | Where is a step of `chalkwire check`? | [`check::steps`], one file for each group of steps |
//!
//! # How it ends
//!
//! Clients' threads send events to the dispatcher, and the dispatcher never sends an event. So nobody
//! waits in a circle, and the dispatcher needs no signal to end: when the last client's thread has
//! ended, the last sender is gone, and the dispatcher's `recv` reports that.

pub mod server;

pub mod connection;

pub mod dispatcher;

pub mod outbox;

pub mod tap;

pub mod http;

pub mod protocol;

pub mod wire;

pub mod lab;

pub mod check;

pub mod raw_client;

pub mod sys;

pub mod text;

pub mod config;

#[doc = include_str!("limits.md")]
pub mod limits {}

pub use config::{Config, Mode, WireFor};
pub use server::Server;
pub use server::stopper::Stopper;
