//! The server: one listening socket, one thread for each connection, and an orderly end.
//!
//! | file | what it does |
//! |---|---|
//! | `acceptor` | accepts connections, and gives each a thread |
//! | `addresses` | limits the connections of each address |
//! | `refuser` | answers 503 when the server is full, and 429 when an address is too fast |
//! | `sizing` | lowers the limits on connections to what the system allows |
//! | [`stopper`] | ends a running server from any thread |

mod acceptor;
mod addresses;
mod refuser;
mod sizing;
pub mod stopper;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime};

use crossbeam_channel::{Receiver, bounded};

use self::acceptor::Acceptor;
use self::addresses::Addresses;
use self::refuser::refuse_all;
use self::stopper::{Stop, Stopper};
use crate::config::{
    CLIENT_STACK, Config, DRAIN_STACK, EVENTS_WAITING, MESSAGE_MEMORY, REFUSALS_WAITING,
};
use crate::connection::access::Access;
use crate::connection::shared::Shared;
use crate::dispatcher::Dispatcher;
use crate::dispatcher::event::Event;
use crate::http::origin::Origins;
use crate::outbox::drainer::{DrainLoop, Drainer};
use crate::sys::Asker;
use crate::sys::capacity::Capacity;
use crate::sys::message_memory::MessageMemory;
use crate::sys::semaphore::Semaphore;
use crate::sys::socket::reachable;
use crate::sys::threads::Threads;
use crate::tap::Tap;
use crate::tap::crossing::TimedCrossing;
use crate::wire::Credentials;
use crate::wire::watch::{self, Subscription, WatchList, WatchRequest};

/// A listening socket that becomes a WebSocket server with [`run`](Server::run).
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
    drain_loop: DrainLoop,
    crossings: Receiver<TimedCrossing>,
    watch_requests: Receiver<WatchRequest>,
    stop: Arc<Stop>,
}

/// The current time, in a form that fits into a URL.
fn run_id() -> String {
    let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("{:x}", time.as_millis())
}

/// A quarter of the memory that the system has for this program, in bytes.
fn quarter_of_memory(capacity: &Capacity) -> usize {
    let space = capacity.address_space.map(|bytes| bytes.saturating_sub(capacity.allocator_space));
    let memory = [capacity.memory, space].into_iter().flatten().min();
    memory.map_or(MESSAGE_MEMORY, |bytes| bytes / 4)
}

/// Makes the body of a thread that all clients need: when it fails or panics, the server ends, because
/// it would leave its clients waiting.
fn vital(
    what: &'static str,
    stopper: Stopper,
    body: impl FnOnce() -> io::Result<()>,
) -> impl FnOnce() {
    move || {
        let failed = match catch_unwind(AssertUnwindSafe(body)) {
            Ok(result) => result.err().map(|error| error.to_string()),
            Err(_) => Some("it panicked".to_owned()),
        };
        if let Some(why) = failed {
            log::error!("internal error: {what} failed, so the server ends: {why}");
            stopper.stop();
        }
    }
}

impl Server {
    /// Listens at `listen`, which is `HOST:PORT`. Port 0 picks a free port.
    ///
    /// When the system has no room for as many connections as `config` allows, this lowers the limits
    /// and says so in the log. It raises the process's own limit on descriptors as far as it needs them.
    ///
    /// # Errors
    /// When `listen` is not an address of this machine, or when it is in use; when
    /// [`Config::check`] finds a mistake; and when the system does not give randomness for the
    /// teacher's link.
    pub fn bind(listen: &str, mut config: Config) -> io::Result<Server> {
        config.check().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let listener = TcpListener::bind(listen)?;
        #[cfg(unix)]
        rustix::net::listen(&listener, crate::config::ACCEPT_QUEUE)?;
        let address = listener.local_addr()?;
        let capacity = Capacity::read(sizing::wanted_descriptors(&config));
        if let Some(line) = sizing::fit(&mut config, &capacity) {
            log::warn!("{line}");
        }
        let max_memory = config
            .max_memory
            .unwrap_or_else(|| quarter_of_memory(&capacity).max(config.max_message));
        let (sender, events) = bounded(EVENTS_WAITING);
        let (tap, crossings) = Tap::new();
        let (watch_list, watch_requests) = WatchList::new();
        let threads = Arc::new(Threads::new(sizing::max_threads(&capacity)));
        let (drainer, drain_loop) = Drainer::new(Arc::clone(&threads))?;
        let shared = Shared {
            origins: Origins::new(listen, &config.allow_origin),
            access: Access::new(config.wire_for, address.ip())?,
            address: reachable(address),
            threads,
            drainer,
            memory: MessageMemory::new(max_memory),
            clients: Semaphore::new(config.max_clients),
            watchers: Arc::default(),
            tap,
            watch_list,
            run: run_id(),
            events: sender,
            config,
        };
        let spare = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).ok();
        let stop = Stop { requested: AtomicBool::new(false), spare: Mutex::new(spare) };
        let stop = Arc::new(stop);
        Ok(Server {
            listener,
            address,
            shared,
            events,
            drain_loop,
            crossings,
            watch_requests,
            stop,
        })
    }

    /// The address at which the server listens, with the port that was picked.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The address of the lab page for the teacher, who sees all connections on it. `None` unless
    /// [`Config::wire_for`] is [`WireFor::Teacher`](crate::WireFor::Teacher).
    pub fn teacher_link(&self) -> Option<String> {
        let secret = self.shared.access.teacher?.reveal();
        Some(format!("http://{}/?teacher={secret}", self.shared.address))
    }

    /// A handle that ends the server once it runs.
    pub fn stopper(&self) -> Stopper {
        Stopper { stop: Arc::clone(&self.stop), address: reachable(self.address) }
    }

    /// Subscribes to everything that crosses the wire once the server runs, on the connections of all
    /// people, but with hidden credentials unless [`Config::show_credentials`] is set. What waits for
    /// the subscriber is bounded: a reader that is too slow misses events, and learns how many. The
    /// subscription ends with the server.
    pub fn watch(&self) -> Subscription {
        // At once, and not only when the watch thread runs, so that no event is missed.
        self.shared.tap.set_watching(true);
        self.shared.watch_list.add(Asker::OPERATOR)
    }

    /// Serves until it is stopped. When this returns, every thread of the server has ended.
    ///
    /// # Errors
    /// When the system cannot start the server's own threads.
    pub fn run(self) -> io::Result<()> {
        let threads = Arc::clone(&self.shared.threads);
        let dispatcher = Dispatcher::new(
            &self.shared.config,
            Arc::clone(&threads),
            Arc::clone(&self.shared.memory),
        );
        let events = self.events;
        let stopper = Stopper { stop: Arc::clone(&self.stop), address: reachable(self.address) };
        let dispatch = vital("the dispatcher", stopper.clone(), move || {
            dispatcher.run(&events);
            Ok(())
        });
        threads.spawn("dispatcher".to_owned(), CLIENT_STACK, dispatch)?;
        let drain_loop = self.drain_loop;
        let drain = vital("the drain thread", stopper, move || drain_loop.run());
        threads.spawn("drain".to_owned(), DRAIN_STACK, drain)?;
        let tap = Arc::downgrade(&self.shared.tap);
        let (crossings, requests) = (self.crossings, self.watch_requests);
        let began = Instant::now();
        let show = self.shared.config.show_credentials;
        let credentials = if show { Credentials::Shown } else { Credentials::Hidden };
        let watch = move || watch::run(tap, &crossings, requests, began, credentials);
        threads.spawn("watch".to_owned(), CLIENT_STACK, watch)?;
        let (refused, to_refuse) = bounded(REFUSALS_WAITING);
        threads.spawn("refuser".to_owned(), CLIENT_STACK, move || refuse_all(&to_refuse))?;

        let acceptor = Acceptor {
            handshakes: Semaphore::new(self.shared.config.max_handshakes),
            registry: Arc::default(),
            addresses: Addresses::new(&self.shared.config),
            shared: Arc::new(self.shared),
            refused,
            stack: CLIENT_STACK,
        };
        acceptor.accept_all(&self.listener, &self.stop.requested);
        drop(self.listener);
        acceptor.end_all();
        // The clients have gone, so the acceptor holds the last sender of events. Without it the
        // dispatcher ends as well.
        drop(acceptor);
        threads.wait_for_all();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    /// Whether the server is asked to stop after a thread that all clients need has run `body`.
    fn stops_after(body: fn() -> io::Result<()>) -> bool {
        let server = Server::bind("127.0.0.1:0", Config::default()).unwrap();
        let threads = Arc::clone(&server.shared.threads);
        let body = vital("a thread of this test", server.stopper(), body);
        threads.spawn("vital".to_owned(), CLIENT_STACK, body).unwrap();
        threads.wait_for_all();
        server.stop.requested.load(Ordering::SeqCst)
    }

    #[test]
    fn the_server_ends_when_a_thread_that_all_clients_need_fails_or_panics() {
        assert!(stops_after(|| panic!("on purpose")));
        assert!(stops_after(|| Err(io::ErrorKind::OutOfMemory.into())));
        assert!(!stops_after(|| Ok(())));
    }
}
