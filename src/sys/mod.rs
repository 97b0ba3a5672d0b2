//! The operating system's part: its limits, threads, locks, a semaphore, sockets and memory; and the number
//! by which all rooms name a connection.

pub mod capacity;
pub mod cgroup;
pub mod connection_id;
pub mod lock;
pub mod message_memory;
pub mod semaphore;
pub mod socket;
pub(crate) mod sync;
pub mod threads;

pub use connection_id::ConnectionId;
