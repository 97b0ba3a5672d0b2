//! Waits for the sockets of all slow clients at once: epoll on Linux, kqueue on macOS and the BSDs.
//!
//! The system reports a socket only when it *becomes* writable (edge-triggered). So a socket that has
//! been reported stays in the list of ready ones until it takes less than it is offered: then it is full,
//! and the system will report it again.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token, Waker};

use super::backlog::Backlogged;
use crate::config::DRAIN_EVENTS;
use crate::sys::ConnectionId;
use crate::sys::lock::lock;

/// The clients whose sockets are full.
///
/// The outboxes share it, and each holds its own lock when it calls. When the last of them is gone, the
/// drain thread ends.
pub(super) struct Poller {
    registry: Registry,
    waker: Arc<Waker>,
    clients: Mutex<HashMap<Token, Arc<dyn Backlogged>>>,
}

/// The token of the waker. The first connection is number 1.
const WAKER: Token = Token(0);

/// The part of a [`Poller`] that its thread owns.
pub(super) struct PollLoop {
    poll: Poll,
    poller: Weak<Poller>,
    /// Must outlive the poller, because a waker that is dropped takes its event along.
    _waker: Arc<Waker>,
}

impl Poller {
    pub(super) fn new() -> io::Result<(Arc<Poller>, PollLoop)> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let registry = poll.registry().try_clone()?;
        let poller =
            Arc::new(Poller { registry, waker: Arc::clone(&waker), clients: Mutex::default() });
        let poll_loop = PollLoop { poll, poller: Arc::downgrade(&poller), _waker: waker };
        Ok((poller, poll_loop))
    }

    /// Lets the drain thread write to `client` whenever `socket`, which is that client's, takes bytes.
    /// If it takes bytes now, the system reports that at once.
    ///
    /// # Errors
    /// When the system cannot wait for another socket.
    pub(super) fn add(
        &self,
        id: ConnectionId,
        socket: &TcpStream,
        client: Arc<dyn Backlogged>,
    ) -> io::Result<()> {
        // In the list first, because the drain thread looks there when the system reports the socket.
        lock(&self.clients).insert(token(id), client);
        let descriptor = socket.as_raw_fd();
        let added =
            self.registry.register(&mut SourceFd(&descriptor), token(id), Interest::WRITABLE);
        if added.is_err() {
            lock(&self.clients).remove(&token(id));
        }
        added
    }

    /// Takes a client back that was [added](Self::add).
    pub(super) fn remove(&self, id: ConnectionId, socket: &TcpStream) {
        // The system knows the socket as long as it is open, and the client holds it open.
        let _ = self.registry.deregister(&mut SourceFd(&socket.as_raw_fd()));
        lock(&self.clients).remove(&token(id));
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        // The drain thread then finds that the poller is gone, and ends. This can only fail when the
        // system has no memory for eight bytes.
        let _ = self.waker.wake();
    }
}

fn token(id: ConnectionId) -> Token {
    Token(id.0 as usize)
}

impl PollLoop {
    /// The body of the drain thread. It ends when the last outbox is gone.
    ///
    /// In each turn every ready client gets one write, so that one that reads fast cannot keep the
    /// others waiting.
    ///
    /// # Errors
    /// When the system can no longer wait for sockets.
    pub(super) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(DRAIN_EVENTS);
        let mut ready: BTreeMap<Token, Arc<dyn Backlogged>> = BTreeMap::new();
        loop {
            // While clients are ready, the thread only looks for more of them and does not sleep.
            let patience = (!ready.is_empty()).then_some(Duration::ZERO);
            match self.poll.poll(&mut events, patience) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result?,
            }
            let Some(poller) = self.poller.upgrade() else { return Ok(()) };
            {
                let clients = lock(&poller.clients);
                for event in &events {
                    // A client that is no longer in the list has been taken back meanwhile.
                    if let Some(client) = clients.get(&event.token()) {
                        ready.insert(event.token(), Arc::clone(client));
                    }
                }
            }
            drop(poller);
            ready.retain(|_, client| client.write_some());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;
    use std::time::Instant;

    use bytes::Bytes;

    use super::*;
    use crate::outbox::drainer::{DrainLoop, Drainer};
    use crate::outbox::memory::DEADLINE;
    use crate::outbox::transport::Transport;
    use crate::outbox::{AbortReason, Cause, Outbox, SendOutcome};
    use crate::protocol::CloseCode;
    use crate::sys::threads::Threads;

    /// A connection whose server side takes few bytes before it is full: server, client.
    fn connection() -> (Arc<TcpStream>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.set_read_timeout(Some(DEADLINE)).unwrap();
        let (server, _) = listener.accept().unwrap();
        rustix::net::sockopt::set_socket_send_buffer_size(&server, 64 * 1024).unwrap();
        (Arc::new(server), client)
    }

    struct Fixture {
        threads: Arc<Threads>,
        drainer: Arc<Drainer>,
    }

    fn drainer() -> (Fixture, DrainLoop) {
        let threads = Arc::new(Threads::default());
        let (drainer, drain_loop) = Drainer::new(Arc::clone(&threads)).unwrap();
        (Fixture { threads, drainer }, drain_loop)
    }

    impl Fixture {
        fn run(&self, drain_loop: DrainLoop) {
            let body = move || drain_loop.run().unwrap();
            self.threads.spawn("drain".to_owned(), 64 * 1024, body).unwrap();
        }

        fn outbox(&self, id: u64, socket: &Arc<TcpStream>) -> Arc<Outbox> {
            let drainer = Arc::clone(&self.drainer);
            Outbox::new(
                Arc::clone(socket) as _,
                drainer,
                Arc::default(),
                ConnectionId(id),
                usize::MAX,
            )
        }

        /// Expects that the drain thread ends once the outboxes have gone.
        fn end(self) {
            drop(self.drainer);
            let deadline = Instant::now() + DEADLINE;
            while self.threads.live() > 0 {
                assert!(Instant::now() < deadline, "the drain thread does not end");
                thread::yield_now();
            }
        }
    }

    /// A client whose socket takes `left` writes.
    struct Eager {
        id: u64,
        socket: Arc<TcpStream>,
        left: AtomicUsize,
        order: Arc<Mutex<Vec<u64>>>,
    }

    impl Backlogged for Eager {
        fn transport(&self) -> &dyn Transport {
            &*self.socket
        }

        fn write_some(&self) -> bool {
            lock(&self.order).push(self.id);
            self.left.fetch_sub(1, Ordering::Relaxed) > 1
        }

        fn write_all(&self) {
            panic!("a client with a socket has no thread of its own");
        }
    }

    #[test]
    fn slow_clients_take_turns_of_one_write_each() {
        let (fixture, drain_loop) = drainer();
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut clients = Vec::new();
        for (id, left) in [(1, 50), (2, 50), (3, 2)] {
            let (socket, client) = connection();
            clients.push(client);
            let (left, order) = (AtomicUsize::new(left), Arc::clone(&order));
            let eager = Arc::new(Eager { id, socket, left, order });
            fixture.drainer.add(ConnectionId(id), eager).unwrap();
        }
        // All three sockets are writable before the loop looks for the first time.
        fixture.run(drain_loop);
        let deadline = Instant::now() + DEADLINE;
        while lock(&order).len() < 102 {
            assert!(Instant::now() < deadline, "{:?}", lock(&order));
            thread::yield_now();
        }
        fixture.end();
        let expected = [1, 2, 3].repeat(2).into_iter().chain([1, 2].repeat(48));
        assert_eq!(*lock(&order), expected.collect::<Vec<u64>>());
    }

    #[test]
    fn a_hundred_slow_clients_get_all_their_bytes_and_then_the_end_from_one_thread() {
        const LENGTH: usize = 500_000;
        let (fixture, drain_loop) = drainer();
        fixture.run(drain_loop);
        let mut clients = Vec::new();
        for id in 1..=100 {
            let (socket, client) = connection();
            let outbox = fixture.outbox(id, &socket);
            let bytes: Vec<u8> = (0..LENGTH as u64).map(|n| (n * id / 7) as u8).collect();
            outbox.send(&[Bytes::from(bytes.clone())], Cause::Others);
            assert!(outbox.has_backlog());
            outbox.close(CloseCode::GOING_AWAY, "");
            clients.push((client, outbox, bytes));
        }
        assert_eq!(fixture.threads.live(), 1, "one thread for all of them");
        for (mut client, outbox, mut bytes) in clients {
            assert!(!outbox.wait_until_over(Instant::now()));
            let mut received = Vec::new();
            client.read_to_end(&mut received).unwrap();
            bytes.extend_from_slice(&[0x88, 2, 0x03, 0xe9]);
            assert!(received == bytes, "{} bytes of {}", received.len(), bytes.len());
            assert!(outbox.wait_until_over(Instant::now() + DEADLINE));
            assert_eq!(outbox.bytes_out(), bytes.len() as u64);
        }
        fixture.end();
    }

    #[test]
    fn an_abort_ends_the_wait_for_a_socket() {
        let (fixture, drain_loop) = drainer();
        let (socket, _silent) = connection();
        let outbox = fixture.outbox(1, &socket);
        outbox.send(&[Bytes::from(vec![1; 4 << 20])], Cause::Others);
        assert_eq!(Arc::strong_count(&outbox), 2, "the drainer has it too");
        outbox.abort(AbortReason::TooSlow);
        // At once, and not only when the drain thread notices the end of the connection.
        assert_eq!(Arc::strong_count(&outbox), 1);
        drop(outbox);
        fixture.run(drain_loop);
        fixture.end();
        assert_eq!(Arc::strong_count(&socket), 1, "nobody else holds the socket");
    }

    #[test]
    fn a_peer_that_resets_the_connection_ends_the_wait_for_its_socket() {
        let (fixture, drain_loop) = drainer();
        fixture.run(drain_loop);
        let (socket, client) = connection();
        let outbox = fixture.outbox(1, &socket);
        outbox.send(&[Bytes::from(vec![1; 4 << 20])], Cause::Others);
        client.abort();
        drop(client);
        let deadline = Instant::now() + DEADLINE;
        while outbox.close_info().1 != Some(AbortReason::Lost) {
            assert!(Instant::now() < deadline, "the drain thread has not noticed the reset");
            thread::yield_now();
        }
        drop(outbox);
        fixture.end();
    }

    #[test]
    fn a_backlog_that_empties_and_fills_again_without_a_pause_loses_nothing() {
        const ROUNDS: u32 = 20_000;
        let (fixture, drain_loop) = drainer();
        fixture.run(drain_loop);
        let (socket, mut client) = connection();
        let outbox = fixture.outbox(1, &socket);
        let sender = Arc::clone(&outbox);
        let sending = thread::spawn(move || {
            let mut backlogs = 0;
            for round in 0..ROUNDS {
                let piece = Bytes::from(round.to_be_bytes().repeat(500 + round as usize % 3000));
                // Most of the time the drain thread is just taking the socket back.
                while sender.has_backlog() {
                    thread::yield_now();
                }
                assert_eq!(sender.send(&[piece], Cause::Others), SendOutcome::Accepted);
                backlogs += u32::from(sender.has_backlog());
            }
            sender.send_final(&[]);
            backlogs
        });
        let mut reader = io::BufReader::new(&mut client);
        for round in 0..ROUNDS {
            let mut piece = vec![0; 4 * (500 + round as usize % 3000)];
            reader.read_exact(&mut piece).expect("the next piece in time");
            assert!(piece.chunks(4).all(|part| part == round.to_be_bytes()), "piece {round}");
        }
        assert_eq!(reader.read(&mut [0]).unwrap(), 0);
        let backlogs = sending.join().unwrap();
        assert!(backlogs > ROUNDS / 100, "the socket was full only {backlogs} times");
        drop(outbox);
        fixture.end();
    }

    #[test]
    fn a_client_whose_socket_the_system_cannot_wait_for_is_dropped_with_that_reason() {
        let (fixture, drain_loop) = drainer();
        fixture.run(drain_loop);
        let (socket, _client) = connection();
        let first = fixture.outbox(1, &socket);
        first.send(&[Bytes::from(vec![1; 4 << 20])], Cause::Others);
        // The system refuses to wait for one socket twice.
        let second = fixture.outbox(2, &socket);
        second.send(&[Bytes::from(vec![2; 4 << 20])], Cause::Others);
        assert_eq!(second.close_info().1, Some(AbortReason::CannotDrain));
        assert!(!second.has_backlog());
        first.abort(AbortReason::TooSlow);
        drop((first, second));
        fixture.end();
    }
}
