//! All sockets that have a thread, so that the end of the server reaches them wherever their
//! threads wait.

use std::collections::HashMap;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

use crate::outbox::Transport;
use crate::threads::lock;

/// The sockets, by the number of their client.
#[derive(Default)]
pub struct Connections {
    sockets: Mutex<HashMap<u64, Socket>>,
    none_left: Condvar,
}

struct Socket {
    socket: Arc<TcpStream>,
    shakes_hands: bool,
}

/// A connection's entry. Dropped when its thread ends, however it ends.
pub struct Entry {
    client: u64,
    connections: Arc<Connections>,
}

impl Connections {
    /// Adds a socket whose client has yet to shake hands.
    pub fn enter(self: &Arc<Self>, client: u64, socket: &Arc<TcpStream>) -> Entry {
        let entry = Socket { socket: Arc::clone(socket), shakes_hands: true };
        lock(&self.sockets).insert(client, entry);
        Entry { client, connections: Arc::clone(self) }
    }

    /// Whoever has not sent its request yet need not any more. An answer under way still leaves.
    pub fn end_handshakes(&self) {
        for socket in lock(&self.sockets).values().filter(|socket| socket.shakes_hands) {
            let _ = socket.socket.shutdown(Shutdown::Read);
        }
    }

    /// Waits until all threads have ended, or until `deadline`.
    pub fn wait_until_none(&self, deadline: Instant) {
        let mut sockets = lock(&self.sockets);
        while !sockets.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let woken = self.none_left.wait_timeout(sockets, left);
            sockets = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Ends all that are left, at once.
    pub fn cut_all(&self) {
        for socket in lock(&self.sockets).values() {
            socket.socket.cut();
        }
    }
}

impl Entry {
    /// The handshake is over; how this connection ends is now between the dispatcher and it.
    pub fn handshake_done(&self) {
        if let Some(socket) = lock(&self.connections.sockets).get_mut(&self.client) {
            socket.shakes_hands = false;
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut sockets = lock(&self.connections.sockets);
        sockets.remove(&self.client);
        if sockets.is_empty() {
            self.connections.none_left.notify_all();
        }
    }
}
