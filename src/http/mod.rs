//! The little of HTTP/1.1 that a WebSocket server needs: one request head in, one answer out.

pub mod handshake;
pub mod origin;
pub mod request;
pub mod response;
