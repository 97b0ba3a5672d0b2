//! The registry of all connections, so that a shutdown reaches every thread wherever it waits.

use std::collections::HashMap;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

use crate::outbox::transport::Transport;
use crate::outbox::{AbortReason, Outbox};
use crate::sys::ConnectionId;
use crate::sys::lock::lock;

/// All connections that have a thread.
#[derive(Default)]
pub struct Registry {
    state: Mutex<State>,
    none_left: Condvar,
}

#[derive(Default)]
struct State {
    open: HashMap<ConnectionId, Open>,
    /// The server is shutting down, so no handshake may begin.
    shutting_down: bool,
}

struct Open {
    socket: Arc<TcpStream>,
    /// Set when the handshake is done. A thread that waits at its outbox is reached through it.
    outbox: Option<Arc<Outbox>>,
}

/// The entry of one connection. It is removed when the thread ends, also when it ends in a panic.
pub struct Registration {
    id: ConnectionId,
    registry: Arc<Registry>,
}

impl Registry {
    /// Adds a connection whose handshake has not begun.
    pub fn register(self: &Arc<Self>, id: ConnectionId, socket: &Arc<TcpStream>) -> Registration {
        let open = Open { socket: Arc::clone(socket), outbox: None };
        lock(&self.state).open.insert(id, open);
        Registration { id, registry: Arc::clone(self) }
    }

    /// Refuses further handshakes, and ends the connections that have not sent their request. An
    /// answer that is on its way still leaves.
    pub fn end_handshakes(&self) {
        let mut state = lock(&self.state);
        state.shutting_down = true;
        for open in state.open.values().filter(|open| open.outbox.is_none()) {
            let _ = open.socket.shutdown(Shutdown::Read);
        }
    }

    /// Waits until all connections have ended, or until `deadline`.
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

    /// Ends all connections that are left, at once.
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
    /// Marks the handshake as done: from now on the dispatcher decides when this connection closes.
    /// Returns false when the server is shutting down and no WebSocket may begin.
    pub fn handshake_done(&self, outbox: &Arc<Outbox>) -> bool {
        let mut state = lock(&self.registry.state);
        let may_begin = !state.shutting_down;
        if let Some(open) = state.open.get_mut(&self.id).filter(|_| may_begin) {
            open.outbox = Some(Arc::clone(outbox));
        }
        may_begin
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut state = lock(&self.registry.state);
        state.open.remove(&self.id);
        if state.open.is_empty() {
            self.registry.none_left.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::outbox::memory::{Memory, drainer};

    /// A connected pair of sockets: the server's end and the client's.
    fn pair() -> (Arc<TcpStream>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (Arc::new(listener.accept().unwrap().0), client)
    }

    fn outbox() -> Arc<Outbox> {
        Outbox::new(
            Memory::unlimited() as _,
            drainer(&Arc::default()),
            Arc::default(),
            ConnectionId(1),
            100,
        )
    }

    #[test]
    fn a_shutdown_ends_only_the_connections_without_a_request() {
        let registry = Arc::new(Registry::default());
        let (waiting, _waiting_client) = pair();
        let (open, open_client) = pair();
        let waiting_entry = registry.register(ConnectionId(1), &waiting);
        let open_entry = registry.register(ConnectionId(2), &open);
        assert!(open_entry.handshake_done(&outbox()));
        registry.end_handshakes();
        assert_eq!((&*waiting).read(&mut [0]).unwrap(), 0, "its reader wakes up");
        open.set_nonblocking(true).unwrap();
        assert!((&*open).read(&mut [0]).is_err(), "its reader still waits");
        assert!(!waiting_entry.handshake_done(&outbox()), "nothing begins any more");
        drop(open_client);
    }

    #[test]
    fn waiting_ends_when_the_last_entry_is_dropped_or_at_the_deadline() {
        let registry = Arc::new(Registry::default());
        let (socket, _client) = pair();
        let entry = registry.register(ConnectionId(1), &socket);
        registry.wait_until_none(Instant::now());
        assert!(!lock(&registry.state).open.is_empty(), "the deadline had passed");
        let waiter = Arc::clone(&registry);
        let waiting = thread::spawn(move || {
            waiter.wait_until_none(Instant::now() + Duration::from_secs(60));
            lock(&waiter.state).open.is_empty()
        });
        drop(entry);
        assert!(waiting.join().unwrap());
    }

    #[test]
    fn what_is_left_at_the_end_is_aborted() {
        let registry = Arc::new(Registry::default());
        let (before, _a) = pair();
        let (after, _b) = pair();
        let _before = registry.register(ConnectionId(1), &before);
        let entry = registry.register(ConnectionId(2), &after);
        let outbox = outbox();
        assert!(entry.handshake_done(&outbox));
        registry.abort_all();
        assert_eq!(outbox.close_info().1, Some(AbortReason::CloseTimeout));
        assert!(matches!((&*before).read(&mut [0]), Ok(0) | Err(_)));
    }
}
