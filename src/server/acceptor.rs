//! The acceptor: takes connections from the listening socket and gives each its own thread.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use super::addresses::Addresses;
use super::refuser::Refused;
use crate::config::{ACCEPT_PAUSE_MAX, ACCEPT_PAUSE_MIN, TIME_TO_END};
use crate::connection::registry::{Evicted, Registry};
use crate::connection::shared::Shared;
use crate::connection::{self, Accepted};
use crate::dispatcher::event::Event;
use crate::http::refusal::Refusal;
use crate::sys::ConnectionId;
use crate::sys::semaphore::{Permit, Semaphore};

/// Accepts connections, and ends them all at a shutdown.
pub(super) struct Acceptor {
    pub(super) shared: Arc<Shared>,
    /// Places for connections that have not finished a handshake.
    pub(super) handshakes: Arc<Semaphore>,
    pub(super) registry: Arc<Registry>,
    pub(super) addresses: Arc<Addresses>,
    /// To the refuser's thread.
    pub(super) refused: Sender<Refused>,
    /// The stack of a connection's thread, in bytes.
    pub(super) stack: usize,
}

impl Acceptor {
    /// Accepts connections until a stop is requested. When the system runs out of descriptors or
    /// memory, the acceptor waits and tries again, because clients that leave give theirs back.
    pub(super) fn accept_all(&self, listener: &TcpListener, stop_requested: &AtomicBool) {
        let mut pause = ACCEPT_PAUSE_MIN;
        let mut next = 1;
        while !stop_requested.load(Ordering::SeqCst) {
            match listener.accept() {
                Ok(_) if stop_requested.load(Ordering::SeqCst) => return,
                Ok((socket, peer)) => {
                    pause = ACCEPT_PAUSE_MIN;
                    self.admit(ConnectionId(next), socket, peer);
                    next += 1;
                }
                // The peer left before we accepted it, or a signal came.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted
                    ) => {}
                Err(error) => {
                    if pause == ACCEPT_PAUSE_MIN {
                        log::warn!("cannot accept connections for now: {error}");
                    }
                    thread::sleep(pause);
                    pause = (pause * 2).min(ACCEPT_PAUSE_MAX);
                }
            }
        }
    }

    /// Gives a connection its thread, or has it refused. Neither delays the other clients.
    fn admit(&self, id: ConnectionId, socket: TcpStream, peer: SocketAddr) {
        // Nagle's algorithm would keep a small frame back until the frame before it is acknowledged.
        let _ = socket.set_nodelay(true);
        let socket = Arc::new(socket);
        let permit = match self.addresses.admit(peer.ip(), Instant::now()) {
            Ok(permit) => permit,
            Err(refusal) => {
                log::info!("{id} {peer} -> {}", refusal.response().line());
                return self.refuse(socket, refusal);
            }
        };
        let Some(place) = self.handshakes.try_acquire().or_else(|| self.make_room()) else {
            let limit = self.shared.config.max_handshakes;
            log::info!("{id} {peer} -> 503: {limit} handshakes are under way");
            return self.refuse(socket, Refusal::TooManyHandshakes);
        };
        let registration = self.registry.register(id, &socket, peer.ip(), place);
        let accepted = Accepted { id, peer, socket: Arc::clone(&socket), registration };
        let shared = Arc::clone(&self.shared);
        let serve = move || {
            connection::serve(accepted, shared);
            drop(permit);
        };
        if let Err(error) = self.shared.threads.spawn(id.to_string(), self.stack, serve) {
            log::warn!("{id} {peer} -> 503: the system has no thread for it: {error}");
            self.refuse(socket, Refusal::TooManyHandshakes);
        }
    }

    /// Ends a connection that keeps a place without a request, or after its answer. Such connections cost a
    /// client nothing, so otherwise a few clients could keep all others out.
    fn make_room(&self) -> Option<Permit> {
        let Evicted { id, place, without_answer } = self.registry.evict_one()?;
        if let Some(socket) = without_answer {
            log::info!("{id} -> 503: another connection needs its place");
            self.refuse(socket, Refusal::PlaceNeeded);
        }
        Some(place)
    }

    fn refuse(&self, socket: Arc<TcpStream>, refusal: Refusal) {
        // When the queue is full, the connection is dropped without an answer.
        let _ = self.refused.try_send(Refused { socket, refusal });
    }

    /// Sends every client a Close, and waits at most for the close timeout until all have left.
    pub(super) fn end_all(&self) {
        let _ = self.shared.events.send(Event::Shutdown);
        self.shared.watch_list.stop();
        self.registry.end_handshakes();
        let close_timeout = self.shared.config.close_timeout;
        let deadline = Instant::now() + time_for_clients(close_timeout, self.registry.open());
        self.registry.wait_until_none(deadline);
        self.registry.abort_all();
    }
}

/// The part of the close timeout that clients have to answer their Close. The rest is for the threads of
/// `connections` to end: a tenth of the time at least, and three fifths at most.
fn time_for_clients(close_timeout: Duration, connections: usize) -> Duration {
    let to_end = TIME_TO_END.saturating_mul(u32::try_from(connections).unwrap_or(u32::MAX));
    close_timeout - to_end.clamp(close_timeout / 10, close_timeout * 3 / 5)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::time::Duration;

    use crossbeam_channel::{Receiver, bounded};

    use super::*;
    use crate::config::{CLIENT_STACK, Config, REFUSALS_WAITING};
    use crate::server::Server;
    use crate::server::refuser::refuse_all;

    /// Has the acceptor admit a client, and returns the answer that the client gets.
    fn answer_to_client(acceptor: &Acceptor, listener: &TcpListener) -> String {
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let (socket, peer) = listener.accept().unwrap();
        acceptor.admit(ConnectionId(1), socket, peer);
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        answer
    }

    /// The acceptor of a server that is about to run, and the refusals that it sends.
    fn acceptor(shared: Shared, places: usize, refusals: usize) -> (Acceptor, Receiver<Refused>) {
        let (refused, to_refuse) = bounded(refusals);
        let acceptor = Acceptor {
            addresses: Addresses::new(&shared.config),
            shared: Arc::new(shared),
            handshakes: Semaphore::new(places),
            registry: Arc::default(),
            refused,
            stack: CLIENT_STACK,
        };
        (acceptor, to_refuse)
    }

    #[test]
    fn the_more_connections_there_are_the_earlier_their_threads_begin_to_end() {
        let times = [0, 1_000, 5_000, 100_000]
            .map(|connections| time_for_clients(Duration::from_secs(5), connections));
        assert_eq!(times, [4_500, 4_500, 3_000, 2_000].map(Duration::from_millis));
    }

    #[test]
    fn a_client_gets_503_when_the_system_has_no_thread_and_the_next_one_is_served() {
        let server = Server::bind("127.0.0.1:0", Config::default()).unwrap();
        let threads = Arc::clone(&server.shared.threads);
        let (mut acceptor, to_refuse) = acceptor(server.shared, 1, REFUSALS_WAITING);
        threads.spawn("refuser".to_owned(), CLIENT_STACK, move || refuse_all(&to_refuse)).unwrap();
        // 64 TiB: no system gives a thread that.
        acceptor.stack = 1 << 46;
        let answer = answer_to_client(&acceptor, &server.listener);
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(answer.ends_with("no room for more connections\n"), "{answer}");
        acceptor.stack = CLIENT_STACK;
        assert!(answer_to_client(&acceptor, &server.listener).starts_with("HTTP/1.1 200 "));
        drop(acceptor);
        threads.wait_for_all();
    }

    #[test]
    fn a_connection_gets_503_while_the_server_works_for_all_places() {
        let server = Server::bind("127.0.0.1:0", Config::default()).unwrap();
        let threads = Arc::clone(&server.shared.threads);
        // The places are none, so no other connection can give its place away.
        let (acceptor, to_refuse) = acceptor(server.shared, 0, REFUSALS_WAITING);
        threads.spawn("refuser".to_owned(), CLIENT_STACK, move || refuse_all(&to_refuse)).unwrap();
        let answer = answer_to_client(&acceptor, &server.listener);
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        drop(acceptor);
        threads.wait_for_all();
    }

    #[test]
    fn a_flood_beyond_the_queue_of_refusals_is_dropped_without_an_answer() {
        let server = Server::bind("127.0.0.1:0", Config::default()).unwrap();
        let (acceptor, to_refuse) = acceptor(server.shared, 0, 1);
        let mut clients: Vec<_> = (0..3)
            .map(|_| {
                let client = TcpStream::connect(server.address).unwrap();
                client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                let (socket, peer) = server.listener.accept().unwrap();
                acceptor.admit(ConnectionId(1), socket, peer);
                client
            })
            .collect();
        // Nobody refuses yet, so the first waits in the queue, and the others do not.
        for client in &mut clients[1..] {
            assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
        }
        drop(acceptor);
        refuse_all(&to_refuse);
        let mut answer = String::new();
        clients[0].read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    }
}
