//! The little of HTTP/1.1 that a WebSocket server needs: one request head comes in, one answer goes out.
//!
//! | file | what it does |
//! |---|---|
//! | [`head_reader`] | reads the head of a request from a socket |
//! | [`request`] | parses the head of a request |
//! | [`handshake`] | examines an opening handshake, and makes the answer 101 |
//! | [`origin`] | the rules on `Origin` and `Host` |
//! | [`refusal`] | every reason to refuse a request: its status, sentence, and section of the RFC |
//! | [`response`] | the bytes of every other answer |
//!
//! [`connection::routes`](crate::connection::routes) decides which of these a request gets.

pub mod handshake;
pub mod head_reader;
pub mod origin;
pub mod refusal;
pub mod request;
pub mod response;
