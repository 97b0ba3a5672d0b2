//! The little of HTTP/1.1 that a WebSocket server needs: one request head comes in, one answer goes out.
//!
//! | file | what it does |
//! |---|---|
//! | [`request`] | reads and parses the head of a request |
//! | [`handshake`] | checks an opening handshake, and makes the answer 101 |
//! | [`origin`] | the rules on `Origin` and `Host` |
//! | [`refusal`] | why a request is refused: status, sentence, section of the RFC |
//! | [`response`] | the bytes of every other answer |

pub mod handshake;
pub mod origin;
pub mod refusal;
pub mod request;
pub mod response;
