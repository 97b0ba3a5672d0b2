//! Where clients come in: one socket that listens, and a thread for each connection.

use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::client::{self, Connection, Shared};
use crate::config::{CLIENT_STACK, Config, EVENTS_WAITING, HANDSHAKE_STACK, MAX_WATCHERS};
use crate::connections::Connections;
use crate::dispatcher::Dispatcher;
use crate::event::Event;
use crate::gate::Gate;
use crate::origin::Origins;
use crate::stream::read_uninterrupted;
use crate::tap::{Raw, Tap};
use crate::threads::lock;
use crate::transport::Transport;
use crate::watch::{self, Watcher};
use crate::{upgrade, wire};

/// A server that listens, and serves once it is [`run`](Server::run).
///
/// ```
/// use chalkwire::{Config, Server};
///
/// let server = Server::bind("127.0.0.1:0", Config::default())?;
/// println!("ws://{}/echo", server.local_addr());
/// let stopper = server.stopper();
/// let thread = std::thread::spawn(move || server.run());
/// stopper.stop();
/// thread.join().expect("no panic")?;
/// # std::io::Result::Ok(())
/// ```
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    shared: Shared,
    events: Receiver<Event>,
    crossings: Receiver<Raw>,
    stop: Arc<Stop>,
}

/// Ends a running server, from any thread.
#[derive(Clone)]
pub struct Stopper {
    stop: Arc<Stop>,
    /// Where the server can be reached from this machine.
    address: SocketAddr,
}

struct Stop {
    requested: AtomicBool,
    /// A descriptor held back for the connection that wakes `accept`, which is needed also when
    /// there are no others left.
    spare: Mutex<Option<UdpSocket>>,
}

impl Stopper {
    /// Asks the server to end: it accepts nobody any more, sends everyone Close 1001, and ends
    /// within [`Config::close_timeout`]. Returns at once.
    pub fn stop(&self) {
        if !self.stop.requested.swap(true, Ordering::SeqCst) {
            drop(lock(&self.stop.spare).take());
            // `accept` has no deadline; a connection wakes it. It fails when the server has
            // ended by itself.
            let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
        }
    }
}

/// When it is now, in a form that fits into an address.
fn run_id() -> String {
    let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("{:x}", time.as_millis())
}

impl Server {
    /// Listens at `listen`, `HOST:PORT`. Port 0 picks a free one.
    ///
    /// # Errors
    /// When the address is none, or is in use.
    pub fn bind(listen: &str, config: Config) -> io::Result<Server> {
        let listener = TcpListener::bind(listen)?;
        #[cfg(unix)]
        rustix::net::listen(&listener, crate::config::ACCEPT_QUEUE)?;
        let address = listener.local_addr()?;
        let (sender, events) = bounded(EVENTS_WAITING);
        let (tap, crossings) = Tap::new();
        let shared = Shared {
            origins: Origins::new(listen, &config.allow_origin),
            address: reachable(address),
            threads: Arc::default(),
            clients: Gate::new(config.max_clients),
            watchers: Gate::new(MAX_WATCHERS),
            tap,
            run: run_id(),
            events: sender,
            config,
        };
        let spare = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).ok();
        let stop = Stop { requested: AtomicBool::new(false), spare: Mutex::new(spare) };
        Ok(Server { listener, address, shared, events, crossings, stop: Arc::new(stop) })
    }

    /// The address it listens at, with the port that was picked.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// A way to end it once it runs.
    pub fn stopper(&self) -> Stopper {
        Stopper { stop: Arc::clone(&self.stop), address: reachable(self.address) }
    }

    /// What crosses the wire once it runs, live. The channel is bounded: who reads too slowly misses
    /// events, and is told how many. It closes when the server ends.
    pub fn watch(&self) -> Receiver<Arc<wire::Event>> {
        let (watcher, events) = Watcher::new();
        // At once, not only when the watch thread runs: nothing is to be missed.
        self.shared.tap.set_watching(true);
        self.shared.tap.watch(watcher);
        events
    }

    /// Serves until it is stopped. When this returns, every thread has ended.
    ///
    /// # Errors
    /// When there is no room for its first threads.
    pub fn run(self) -> io::Result<()> {
        let threads = Arc::clone(&self.shared.threads);
        let dispatcher = Dispatcher::new(&self.shared.config, Arc::clone(&threads));
        let events = self.events;
        let stopper = Stopper { stop: Arc::clone(&self.stop), address: reachable(self.address) };
        threads.spawn("dispatcher".to_owned(), CLIENT_STACK, move || {
            let run = AssertUnwindSafe(|| dispatcher.run(&events));
            if catch_unwind(run).is_err() {
                log::error!("a fault in the server: its dispatcher panicked, so it ends");
                stopper.stop();
            }
        })?;
        let (tap, crossings) = (Arc::downgrade(&self.shared.tap), self.crossings);
        let began = Instant::now();
        let watch = move || watch::run(tap, &crossings, began);
        threads.spawn("watch".to_owned(), CLIENT_STACK, watch)?;
        let (refused, to_refuse) = bounded(REFUSALS_WAITING);
        threads.spawn("refuser".to_owned(), CLIENT_STACK, move || refuse_all(&to_refuse))?;

        let acceptor = Acceptor {
            handshakes: Gate::new(self.shared.config.max_handshakes),
            connections: Arc::default(),
            shared: Arc::new(self.shared),
            refused,
            stack: HANDSHAKE_STACK,
        };
        acceptor.accept_all(&self.listener, &self.stop.requested);
        drop(self.listener);
        acceptor.end_all();
        // The last sender of events goes with the acceptor and the last client, then the
        // dispatcher ends too.
        drop(acceptor);
        threads.join_all();
        Ok(())
    }
}

/// The address under which a server that listens at `address` is reached from this machine:
/// nobody can connect to "all addresses".
pub fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Connections that are to be told that there is no room, and have not been yet. One more is
/// dropped without a word.
const REFUSALS_WAITING: usize = 64;

/// How long each of them is given to take the answer.
const REFUSAL_TIME: Duration = Duration::from_millis(250);

struct Acceptor {
    shared: Arc<Shared>,
    handshakes: Arc<Gate>,
    connections: Arc<Connections>,
    refused: Sender<Arc<TcpStream>>,
    /// Of the thread that a connection gets first, in bytes.
    stack: usize,
}

impl Acceptor {
    /// Accepts connections until a stop is requested. Lack of descriptors or memory is waited
    /// out: clients that leave give theirs back.
    fn accept_all(&self, listener: &TcpListener, stop_requested: &AtomicBool) {
        const SHORTEST: Duration = Duration::from_millis(10);
        const LONGEST: Duration = Duration::from_millis(500);
        let mut pause = SHORTEST;
        let mut next = 1;
        while !stop_requested.load(Ordering::SeqCst) {
            match listener.accept() {
                Ok(_) if stop_requested.load(Ordering::SeqCst) => return,
                Ok((socket, peer)) => {
                    pause = SHORTEST;
                    self.admit(next, socket, peer);
                    next += 1;
                }
                // The peer was gone before we looked, or a signal came.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted
                    ) => {}
                Err(error) => {
                    if pause == SHORTEST {
                        log::warn!("cannot accept connections for now: {error}");
                    }
                    thread::sleep(pause);
                    pause = (pause * 2).min(LONGEST);
                }
            }
        }
    }

    /// Gives a connection its thread, or turns it away. Costs the others nothing either way.
    fn admit(&self, client: u64, socket: TcpStream, peer: SocketAddr) {
        // Otherwise a small frame may wait for the acknowledgement of the one before it
        // (Nagle's algorithm).
        let _ = socket.set_nodelay(true);
        let socket = Arc::new(socket);
        let Some(handshake) = self.handshakes.enter() else {
            let limit = self.shared.config.max_handshakes;
            log::info!("client {client} {peer} -> 503: {limit} handshakes under way");
            return self.refuse(socket);
        };
        let entry = self.connections.enter(client, &socket);
        let connection = Connection { client, peer, socket: Arc::clone(&socket), handshake, entry };
        let shared = Arc::clone(&self.shared);
        let name = format!("handshake {client}");
        let started =
            self.shared.threads.spawn(name, self.stack, move || client::serve(connection, shared));
        if let Err(error) = started {
            log::warn!("client {client} {peer} -> 503: no thread for it: {error}");
            self.refuse(socket);
        }
    }

    fn refuse(&self, socket: Arc<TcpStream>) {
        // Full: the connection is dropped.
        let _ = self.refused.try_send(socket);
    }

    /// Says goodbye to everyone and sees them off, at most for the close timeout.
    fn end_all(&self) {
        let _ = self.shared.events.send(Event::Shutdown);
        self.shared.tap.stop();
        // A tenth of the time is for the threads to end in.
        let deadline = Instant::now() + self.shared.config.close_timeout.mul_f32(0.9);
        self.connections.end_handshakes();
        self.connections.wait_until_none(deadline);
        self.connections.cut_all();
    }
}

/// The refuser's thread: tells connections without a thread of their own that there is no room.
fn refuse_all(to_refuse: &Receiver<Arc<TcpStream>>) {
    let answer = upgrade::no_room("this server has no room for more connections");
    let pieces: Vec<_> = answer.iter().map(|piece| IoSlice::new(piece)).collect();
    let mut scratch = [0; 1024];
    for first in to_refuse {
        // All that wait are answered at once, and then have the same time to take it.
        let mut sockets = vec![first];
        sockets.extend(to_refuse.try_iter());
        // A few hundred bytes fit a fresh socket, so this does not wait.
        sockets.retain(|socket| socket.send_waiting(&pieces).is_ok());
        let deadline = Instant::now() + REFUSAL_TIME;
        for socket in sockets {
            socket.end_output();
            // Reading on keeps the system from sending a reset over the unread request, which
            // would destroy the answer.
            while let Some(left) = deadline.checked_duration_since(Instant::now())
                && !left.is_zero()
                && socket.set_read_timeout(Some(left)).is_ok()
                && read_uninterrupted(&socket, &mut scratch).is_ok_and(|count| count > 0)
            {
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    /// What a client is told that the acceptor admits.
    fn told(acceptor: &Acceptor, listener: &TcpListener) -> String {
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let (socket, peer) = listener.accept().unwrap();
        acceptor.admit(1, socket, peer);
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn a_client_for_whom_no_thread_can_be_had_gets_503_and_the_next_is_served() {
        let server = Server::bind("127.0.0.1:0", Config::default()).unwrap();
        let threads = Arc::clone(&server.shared.threads);
        let (refused, to_refuse) = bounded(REFUSALS_WAITING);
        threads.spawn("refuser".to_owned(), CLIENT_STACK, move || refuse_all(&to_refuse)).unwrap();
        let mut acceptor = Acceptor {
            shared: Arc::new(server.shared),
            handshakes: Gate::new(1),
            connections: Arc::default(),
            refused,
            // 64 TiB: no system gives a thread that.
            stack: 1 << 46,
        };
        let answer = told(&acceptor, &server.listener);
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(answer.ends_with("no room for more connections\n"), "{answer}");
        acceptor.stack = CLIENT_STACK;
        assert!(told(&acceptor, &server.listener).starts_with("HTTP/1.1 200 "));
        drop(acceptor);
        threads.join_all();
    }
}
