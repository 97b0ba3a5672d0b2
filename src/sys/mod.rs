//! The operating system's part: its limits, threads, locks, a semaphore, sockets, memory and randomness; and
//! what all rooms need to speak of a connection: its number, and the secret that tells whose it is.

pub mod capacity;
pub mod cgroup;
pub mod connection_id;
pub mod lock;
pub mod message_memory;
pub mod secret;
pub mod semaphore;
pub mod socket;
pub(crate) mod sync;
pub mod threads;

pub use connection_id::ConnectionId;
pub use secret::{Asker, Secret};
