//! The stopper.

use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::config::WAKE_TIMEOUT;
use crate::sys::lock::lock;

/// Ends a running server, from any thread.
#[derive(Clone)]
pub struct Stopper {
    pub(super) stop: Arc<Stop>,
    /// Where the server can be reached from this machine.
    pub(super) address: SocketAddr,
}

pub(super) struct Stop {
    pub(super) requested: AtomicBool,
    /// A descriptor held back for the connection that wakes `accept`, which is needed also when
    /// there are no others left.
    pub(super) spare: Mutex<Option<UdpSocket>>,
}

impl Stopper {
    /// Asks the server to end: it accepts nobody any more, sends everyone Close 1001, and ends
    /// within [`Config::close_timeout`](crate::Config::close_timeout). Returns at once.
    pub fn stop(&self) {
        if !self.stop.requested.swap(true, Ordering::SeqCst) {
            drop(lock(&self.stop.spare).take());
            // `accept` has no deadline; a connection wakes it. It fails when the server has
            // ended by itself.
            let _ = TcpStream::connect_timeout(&self.address, WAKE_TIMEOUT);
        }
    }
}
