//! All sockets that have a thread, so that the end of the server reaches them wherever their
//! threads wait.

use std::collections::HashMap;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

use crate::outbox::transport::Transport;
use crate::outbox::{AbortReason, Outbox};
use crate::sys::ConnectionId;
use crate::sys::lock::lock;

/// The sockets, by the number of their client.
#[derive(Default)]
pub struct Registry {
    state: Mutex<State>,
    none_left: Condvar,
}

#[derive(Default)]
struct State {
    open: HashMap<ConnectionId, Open>,
    /// The server ends: nobody shakes hands any more.
    ending: bool,
}

struct Open {
    socket: Arc<TcpStream>,
    /// Once the handshake is over. Who waits at the outbox is reached through it.
    outbox: Option<Arc<Outbox>>,
}

/// A connection's entry. Dropped when its thread ends, however it ends.
pub struct Registration {
    client: ConnectionId,
    connections: Arc<Registry>,
}

impl Registry {
    /// Adds a socket whose client has yet to shake hands.
    pub fn register(
        self: &Arc<Self>,
        client: ConnectionId,
        socket: &Arc<TcpStream>,
    ) -> Registration {
        let open = Open { socket: Arc::clone(socket), outbox: None };
        lock(&self.state).open.insert(client, open);
        Registration { client, connections: Arc::clone(self) }
    }

    /// Whoever has not sent its request yet need not any more. An answer under way still leaves.
    pub fn end_handshakes(&self) {
        let mut state = lock(&self.state);
        state.ending = true;
        for open in state.open.values().filter(|open| open.outbox.is_none()) {
            let _ = open.socket.shutdown(Shutdown::Read);
        }
    }

    /// Waits until all threads have ended, or until `deadline`.
    pub fn wait_until_none(&self, deadline: Instant) {
        let mut state = lock(&self.state);
        while !state.open.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let woken = self.none_left.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Ends all that are left, at once.
    pub fn abort_all(&self) {
        for open in lock(&self.state).open.values() {
            match &open.outbox {
                Some(outbox) => outbox.abort(AbortReason::CloseTimeout),
                None => open.socket.abort(),
            }
        }
    }
}

impl Registration {
    /// The request is good; how this connection ends is from now on between the dispatcher and it.
    /// False when the server ends, and nothing is to begin any more.
    pub fn handshake_done(&self, outbox: &Arc<Outbox>) -> bool {
        let mut state = lock(&self.connections.state);
        let may_begin = !state.ending;
        if let Some(open) = state.open.get_mut(&self.client).filter(|_| may_begin) {
            open.outbox = Some(Arc::clone(outbox));
        }
        may_begin
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut state = lock(&self.connections.state);
        state.open.remove(&self.client);
        if state.open.is_empty() {
            self.connections.none_left.notify_all();
        }
    }
}
