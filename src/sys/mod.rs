//! The operating system's part: threads, locks, a semaphore and sockets; and the number by which all
//! rooms name a connection.

pub mod connection_id;
pub mod lock;
pub mod semaphore;
pub mod socket;
pub mod threads;

pub use connection_id::ConnectionId;
