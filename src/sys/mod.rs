//! The operating system's part: threads, locks, a semaphore, sockets and randomness; and what all rooms need
//! to speak of a connection: its number, and the secret that tells whose it is.

pub mod connection_id;
pub mod lock;
pub mod secret;
pub mod semaphore;
pub mod socket;
pub mod threads;

pub use connection_id::ConnectionId;
pub use secret::{Asker, Secret};
