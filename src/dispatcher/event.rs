//! Everything the dispatcher is ever told.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use bytes::Bytes;
use crossbeam_channel::Sender;

use crate::dispatcher::classroom;
use crate::dispatcher::group::Service;
use crate::dispatcher::stats::Snapshot;
use crate::outbox::Outbox;
use crate::protocol::CloseCode;
use crate::protocol::Opcode;
use crate::sys::ConnectionId;

/// What clients' threads and the server tell the dispatcher. A client's events come in the order
/// in which it caused them, but for a Pong, which does not wait for the messages before it.
pub enum Event {
    /// A handshake is good: the client is to get its answer, and then all that concerns it.
    Joined(Box<Joined>),
    /// A client has sent messages.
    Received {
        /// Its number.
        client: ConnectionId,
        /// The messages, in order.
        messages: Vec<Received>,
        /// What they count as until they have been dealt with, in bytes.
        cost: usize,
    },
    /// A client has sent a Pong.
    Pong {
        /// Its number.
        client: ConnectionId,
        /// What the Pong carries: what the Ping carried that it answers.
        payload: Bytes,
        /// When it was read.
        at: Instant,
    },
    /// A client has no more to say: it has sent a Close, broken a rule, or gone.
    Left {
        /// Its number.
        client: ConnectionId,
    },
    /// Someone asks that this client be sent something.
    Demo {
        /// Its number.
        client: ConnectionId,
        /// Who asks.
        asker: IpAddr,
        /// What.
        what: DemoAction,
        /// Done, or why not.
        reply: Sender<Result<(), &'static str>>,
    },
    /// Someone asks for the statistics.
    Stats(Sender<Arc<Snapshot>>),
    /// The server ends: say so to everyone.
    Shutdown,
}

/// What the lab page can ask the server to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DemoAction {
    /// A Ping.
    Ping,
    /// A text in three fragments, with a Ping between them.
    Fragments,
    /// A binary message of so many bytes.
    Bytes(usize),
    /// A Close with this code.
    Close(CloseCode),
}

/// A new client.
pub struct Joined {
    /// Its number: the first connection to the server is 1.
    pub client: ConnectionId,
    /// Where it connects from.
    pub peer: SocketAddr,
    /// What it is connected to.
    pub service: Service,
    /// The way out to it.
    pub outbox: Arc<Outbox>,
    /// Bytes its thread has read: a sign of liveness that costs no clock.
    pub bytes_in: Arc<AtomicU64>,
}

/// One message from a client, in the form its service works with.
pub enum Received {
    /// Text or binary, to be passed on as it came.
    Message(Opcode, Bytes),
    /// A `classroom.v1` request, or why it is none. Read in the client's own thread: whoever
    /// sends the dispatcher a puzzle solves it first.
    Classroom(Result<classroom::Request, String>),
}
