//! The number of a connection.

use std::fmt;

use serde::Serialize;

/// The number of a TCP connection, from `accept` to its end. The first that the server accepts is 1.
///
/// The log, the wire view and `/stats` all call a connection by this number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ConnectionId(pub u64);

impl ConnectionId {
    /// Stands for bytes that did not come over a connection, such as those that somebody types.
    pub const NONE: ConnectionId = ConnectionId(0);
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "conn {}", self.0)
    }
}
