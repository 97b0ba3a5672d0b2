//! The two sides of a connection.

/// The side that a frame comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// From the client to the server.
    Client,
    /// From the server to the client.
    Server,
}
