//! The stopper: ends a running server from any thread.

use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::config::WAKE_TIMEOUT;
use crate::sys::lock::lock;

/// Ends a running [`Server`](super::Server), from any thread.
#[derive(Clone)]
pub struct Stopper {
    pub(super) stop: Arc<Stop>,
    /// The address at which this machine reaches the server.
    pub(super) address: SocketAddr,
}

/// The state that a server and its stoppers share.
pub(super) struct Stop {
    pub(super) requested: AtomicBool,
    /// Keeps a file descriptor free for the connection that wakes `accept`, which must work even when
    /// clients have taken all others.
    pub(super) spare: Mutex<Option<UdpSocket>>,
}

impl Stopper {
    /// Asks the server to shut down, and returns at once. The server accepts no more connections,
    /// sends every client Close 1001, and ends within
    /// [`Config::close_timeout`](crate::Config::close_timeout).
    pub fn stop(&self) {
        if !self.stop.requested.swap(true, Ordering::SeqCst) {
            drop(lock(&self.stop.spare).take());
            // `accept` has no deadline, so a connection wakes it. Connecting fails when the server has
            // ended by itself.
            let _ = TcpStream::connect_timeout(&self.address, WAKE_TIMEOUT);
        }
    }
}
