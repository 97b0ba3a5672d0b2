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
//! A message goes from left to right and meets each room once. In that order:
//!
//! | room | what it does |
//! |---|---|
//! | [`server`] | accepts connections, gives each a thread, ends them all |
//! | [`connection`] | one thread for each client: request, handshake, messages, lingering close |
//! | [`dispatcher`] | one thread that owns the list of clients and decides who gets what |
//! | [`outbox`] | the only way out to a client: encoding, back-pressure, the backlog |
//! | [`tap`] | copies what crosses the wire for those who watch |
//! | [`http`] | reads a request, checks a handshake, writes an answer that says why not |
//! | [`protocol`] | RFC 6455 without input or output: frames, close codes, faults, UTF-8 |
//! | [`wire`] | the view: takes frames apart, for the terminal, the page and `explain` |
//! | [`lab`] | the lab page, what it asks the server to do, and the tutorial as pages |
//! | [`check`] | tests other people's servers, and names their mistakes |
//! | [`raw_client`] | a WebSocket client that sends any bytes, for the lab, examples and tests |
//! | [`sys`], [`text`], [`config`] | threads and sockets; text for people; every limit |
//!
//! The channel graph has no cycle: threads send events, the dispatcher sends none. So the server
//! ends by letting go: when the last client's thread has ended, the last sender is gone, and the
//! dispatcher's `recv` says so.

pub mod server;

pub mod connection;
pub mod dispatcher;
pub mod outbox;
pub mod tap;

pub mod http;
pub mod protocol;

pub mod check;
pub mod lab;
pub mod wire;

pub mod config;
pub mod raw_client;
pub mod sys;
pub mod text;
#[doc = include_str!("limits.md")]
pub mod limits {}

pub use config::{Config, Mode};
pub use server::Server;
pub use server::stopper::Stopper;
