//! What the server needs of the system: threads, locks, a semaphore, sockets.

pub mod connection_id;
pub mod lock;
pub mod semaphore;
pub mod socket;
pub mod threads;

pub use connection_id::ConnectionId;
