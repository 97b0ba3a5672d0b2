//! The events that the dispatcher handles.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use bytes::Bytes;
use crossbeam_channel::Sender;

use super::classroom;
use super::group::Service;
use super::on_demand::{DemoAction, DemoError};
use super::stats::Snapshot;
use crate::outbox::Outbox;
use crate::protocol::Opcode;
use crate::sys::{Asker, ConnectionId, Secret};

/// An event that a client's thread or the server sends to the dispatcher.
///
/// The events of one client come in the order in which it caused them, except that a Pong does not
/// wait for the messages before it.
pub enum Event {
    /// A client has completed its handshake. The dispatcher sends it the answer, and then all
    /// messages for it.
    Joined(Box<Joined>),
    /// A client has sent messages.
    Received {
        /// Its connection.
        client: ConnectionId,
        /// The messages, in order.
        messages: Vec<Received>,
        /// Their cost in bytes, which is released when the dispatcher has answered them.
        cost: usize,
    },
    /// A client has sent a Pong.
    Pong {
        /// Its connection.
        client: ConnectionId,
        /// The payload of the Pong, which repeats that of the Ping.
        payload: Bytes,
        /// When the client's thread read it.
        at: Instant,
    },
    /// Nothing more comes from a client, because it has sent a Close, broken a rule, or gone away.
    Left {
        /// Its connection.
        client: ConnectionId,
    },
    /// The lab page asks the server to send something to a client.
    Demo {
        /// The connection of the client. `None` stands for the newest one of the page itself.
        client: Option<ConnectionId>,
        /// The page that asks.
        asker: Asker,
        /// What to send.
        action: DemoAction,
        /// Gets the connection to which the dispatcher sent it, or the reason why it did not.
        reply: Sender<Result<ConnectionId, DemoError>>,
    },
    /// Somebody asks for the statistics.
    Stats(Sender<Arc<Snapshot>>),
    /// The messages of all clients take more memory than they may.
    OutOfMemory,
    /// The server is shutting down: every client gets a Close.
    Shutdown,
}

/// A new client.
pub struct Joined {
    /// Its connection.
    pub client: ConnectionId,
    /// The address that it connects from.
    pub peer: SocketAddr,
    /// The secret of the tab that opened it, if it gave one.
    pub tab: Option<Secret>,
    /// What it is connected to.
    pub service: Service,
    /// The way out to it.
    pub outbox: Arc<Outbox>,
    /// Bytes that its thread has read, as a sign of life that needs no clock.
    pub bytes_in: Arc<AtomicU64>,
}

/// One message from a client, in the form that its service works with.
pub enum Received {
    /// A text or binary message, which is passed on unchanged.
    Message(Opcode, Bytes),
    /// A `classroom.v1` request, or why the message is not one. The client's own thread parses it,
    /// so that an expensive message delays its sender and not the dispatcher.
    Classroom(Result<classroom::Request, String>),
}
