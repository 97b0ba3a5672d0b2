//! What `/stats` shows.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::sys::ConnectionId;

/// The server at one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Snapshot {
    /// Seconds since the server began.
    pub uptime_seconds: f64,
    /// WebSockets now open.
    pub clients: usize,
    /// WebSockets opened since the server began.
    pub clients_total: u64,
    /// Threads of the server now alive.
    pub threads: usize,
    /// Messages from clients.
    pub messages_in: u64,
    /// Messages to clients; one that goes to ten counts ten times.
    pub messages_out: u64,
    /// Bytes of frames from clients, headers included.
    pub bytes_in: u64,
    /// Bytes that have left for clients, the answer to the handshake included.
    pub bytes_out: u64,
    /// Clients dropped because they were too slow or did not answer a Ping.
    pub dropped: u64,
    /// The same by path; all rooms count as `/room`.
    pub paths: BTreeMap<&'static str, PathCounts>,
    /// The clients now connected, in the order in which they came.
    pub connected: Vec<ClientRow>,
}

/// What one path has seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct PathCounts {
    /// WebSockets now open.
    pub clients: usize,
    /// WebSockets opened since the server began.
    pub clients_total: u64,
    /// Messages from clients.
    pub messages_in: u64,
    /// Messages to clients.
    pub messages_out: u64,
    /// Bytes of frames from clients.
    pub bytes_in: u64,
    /// Bytes that have left for clients.
    pub bytes_out: u64,
    /// Clients dropped.
    pub dropped: u64,
}

/// One client.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClientRow {
    /// Its number.
    pub client: ConnectionId,
    /// Its address and port.
    pub peer: String,
    /// Its path; behind the name of a room, the subprotocol.
    pub path: String,
    /// Seconds since its handshake.
    pub open_seconds: f64,
    /// Messages from it.
    pub messages_in: u64,
    /// Bytes of frames from it.
    pub bytes_in: u64,
    /// Bytes that have left for it.
    pub bytes_out: u64,
    /// Milliseconds from the last answered Ping to its Pong.
    pub round_trip_ms: Option<f64>,
}
