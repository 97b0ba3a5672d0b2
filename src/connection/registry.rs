//! The registry of all connections, so that a shutdown reaches every thread wherever it waits, and so that a
//! connection that is slow with its request can make room for another.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

use crate::outbox::transport::Transport;
use crate::outbox::{AbortReason, Outbox};
use crate::sys::ConnectionId;
use crate::sys::lock::lock;
use crate::sys::semaphore::Permit;
use crate::sys::socket::network_of;

/// All connections that have a thread.
#[derive(Default)]
pub struct Registry {
    state: Mutex<State>,
    none_left: Condvar,
}

#[derive(Default)]
struct State {
    open: HashMap<ConnectionId, Open>,
    /// The connections that have a place among the handshakes, the oldest first.
    handshakes: BTreeMap<ConnectionId, UnderWay>,
    /// The server is shutting down, so no handshake may begin.
    shutting_down: bool,
}

struct Open {
    socket: Arc<TcpStream>,
    /// Set when the handshake is done. A thread that waits at its outbox is reached through it.
    outbox: Option<Arc<Outbox>>,
}

/// A connection that is not a WebSocket, or not yet.
struct UnderWay {
    /// The address of the client, or its network.
    network: IpAddr,
    place: Permit,
    progress: Progress,
}

/// How far the exchange of a request and its answer has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// The request has not come, or only a part of it.
    Reading,
    /// The server works on the answer, or sends it.
    Answering,
    /// The system has the whole answer, and the server waits until the client closes.
    Answered,
}

/// A connection that gave its place to another.
pub struct Evicted {
    /// The number of the connection.
    pub id: ConnectionId,
    /// The place, for the other connection.
    pub place: Permit,
    /// The socket, if the client has not got an answer yet.
    pub without_answer: Option<Arc<TcpStream>>,
}

/// The entry of one connection. It is removed when the thread ends, also when it ends in a panic.
pub struct Registration {
    id: ConnectionId,
    registry: Arc<Registry>,
}

impl Registry {
    /// Adds a connection whose handshake has not begun. It has its `place` until it is a WebSocket or has ended.
    pub fn register(
        self: &Arc<Self>,
        id: ConnectionId,
        socket: &Arc<TcpStream>,
        client: IpAddr,
        place: Permit,
    ) -> Registration {
        let open = Open { socket: Arc::clone(socket), outbox: None };
        let network = network_of(client);
        let under_way = UnderWay { network, place, progress: Progress::Reading };
        let mut state = lock(&self.state);
        state.open.insert(id, open);
        state.handshakes.insert(id, under_way);
        Registration { id, registry: Arc::clone(self) }
    }

    /// Takes the place of a connection that only waits for its client: for the rest of a request, or for the end
    /// after the answer. It is the oldest of the network that has most of them, so that a client with a thousand
    /// connections cannot take the place of another client.
    ///
    /// Returns `None` when the server works for all of them.
    pub fn evict_one(&self) -> Option<Evicted> {
        let mut state = lock(&self.state);
        let waiting = || {
            state
                .handshakes
                .iter()
                .filter(|(_, under_way)| under_way.progress != Progress::Answering)
        };
        let mut counts = HashMap::new();
        for (_, under_way) in waiting() {
            *counts.entry(under_way.network).or_insert(0) += 1;
        }
        let most = counts.values().copied().max()?;
        let (id, _) = waiting().find(|(_, under_way)| counts[&under_way.network] == most)?;
        let id = *id;
        let under_way = state.handshakes.remove(&id)?;
        let socket = &state.open.get(&id)?.socket;
        // Its thread wakes up, and ends.
        let _ = socket.shutdown(Shutdown::Read);
        let has_answer = under_way.progress == Progress::Answered;
        let without_answer = (!has_answer).then(|| Arc::clone(socket));
        Some(Evicted { id, place: under_way.place, without_answer })
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

    /// The number of connections.
    pub fn open(&self) -> usize {
        lock(&self.state).open.len()
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
    /// Notes that the request has come, so that the connection keeps its place until it has the answer. Returns
    /// false when the connection has lost its place, and so needs no answer.
    pub fn request_came(&self) -> bool {
        self.advance(Progress::Answering)
    }

    /// Notes that the system has the whole answer.
    pub fn answered(&self) {
        self.advance(Progress::Answered);
    }

    fn advance(&self, progress: Progress) -> bool {
        let mut state = lock(&self.registry.state);
        let under_way = state.handshakes.get_mut(&self.id);
        under_way.map(|under_way| under_way.progress = progress).is_some()
    }

    /// Marks the handshake as done: from now on the dispatcher decides when this connection closes, and its
    /// place is free for another handshake.
    /// Returns false when the server is shutting down and no WebSocket may begin.
    pub fn handshake_done(&self, outbox: &Arc<Outbox>) -> bool {
        let mut state = lock(&self.registry.state);
        let may_begin = !state.shutting_down;
        if let Some(open) = state.open.get_mut(&self.id).filter(|_| may_begin) {
            open.outbox = Some(Arc::clone(outbox));
            state.handshakes.remove(&self.id);
        }
        may_begin
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut state = lock(&self.registry.state);
        state.open.remove(&self.id);
        state.handshakes.remove(&self.id);
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
    use crate::sys::semaphore::Semaphore;

    /// A connected pair of sockets: the server's end and the client's.
    fn pair() -> (Arc<TcpStream>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (Arc::new(listener.accept().unwrap().0), client)
    }

    impl Registry {
        /// Registers a connection of the client at `address`.
        fn add(
            self: &Arc<Self>,
            id: u64,
            socket: &Arc<TcpStream>,
            address: &str,
            places: &Arc<Semaphore>,
        ) -> Registration {
            let place = places.try_acquire().expect("a place");
            self.register(ConnectionId(id), socket, address.parse().unwrap(), place)
        }
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
        let (registry, places) = (Arc::new(Registry::default()), Semaphore::new(2));
        let (waiting, _waiting_client) = pair();
        let (open, open_client) = pair();
        let waiting_entry = registry.add(1, &waiting, "::1", &places);
        let open_entry = registry.add(2, &open, "::1", &places);
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
        let entry = registry.add(1, &socket, "::1", &Semaphore::new(1));
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
        let (registry, places) = (Arc::new(Registry::default()), Semaphore::new(2));
        let (before, _a) = pair();
        let (after, _b) = pair();
        let _before = registry.add(1, &before, "::1", &places);
        let entry = registry.add(2, &after, "::1", &places);
        let outbox = outbox();
        assert!(entry.handshake_done(&outbox));
        registry.abort_all();
        assert_eq!(outbox.close_info().1, Some(AbortReason::CloseTimeout));
        assert!(matches!((&*before).read(&mut [0]), Ok(0) | Err(_)));
    }

    #[test]
    fn the_network_with_most_waiting_connections_loses_its_oldest_place() {
        let (registry, places) = (Arc::new(Registry::default()), Semaphore::new(6));
        let (socket, _client) = pair();
        let addresses =
            ["10.0.0.1", "2001:db8::1", "2001:db8::2", "10.0.0.2", "2001:db8:0:1::1", "10.0.0.2"];
        let entries: Vec<_> = (1..)
            .zip(addresses)
            .map(|(id, address)| registry.add(id, &socket, address, &places))
            .collect();
        let evicted = || registry.evict_one().map(|evicted| evicted.id.0);
        // 2 and 3 are in one network, because they have the first 64 bits in common; 4 and 6 have one address.
        assert_eq!([evicted(), evicted()], [Some(2), Some(4)]);
        // Each network has one connection now. The request of the oldest has come.
        assert!(entries[0].request_came());
        assert!(!entries[1].request_came(), "it has lost its place");
        assert_eq!([evicted(), evicted(), evicted(), evicted()], [Some(3), Some(5), Some(6), None]);
        drop(entries);
    }

    #[test]
    fn a_connection_gives_its_place_away_before_its_request_or_after_its_answer() {
        let (registry, places) = (Arc::new(Registry::default()), Semaphore::new(1));
        let (socket, _client) = pair();
        let entry = registry.add(1, &socket, "::1", &places);
        let evicted = registry.evict_one().expect("it has not sent a request");
        assert!(evicted.without_answer.is_some() && places.try_acquire().is_none());
        assert_eq!((&*socket).read(&mut [0]).unwrap(), 0, "its reader wakes up");
        drop((evicted, entry));
        let entry = registry.add(1, &socket, "::1", &places);
        assert!(entry.request_came());
        assert!(registry.evict_one().is_none(), "the server works on its answer");
        entry.answered();
        let evicted = registry.evict_one().expect("it has its answer");
        assert!(evicted.without_answer.is_none());
    }

    #[test]
    fn a_place_is_free_when_the_handshake_is_done_or_the_connection_ends() {
        let (registry, places) = (Arc::new(Registry::default()), Semaphore::new(1));
        let (socket, _client) = pair();
        let entry = registry.add(1, &socket, "::1", &places);
        assert!(entry.handshake_done(&outbox()));
        let other = registry.add(2, &socket, "::1", &places);
        drop(other);
        assert!(places.try_acquire().is_some());
    }
}
