//! The server: one listening socket, one thread for each connection, and an orderly end.
//!
//! | file | what it does |
//! |---|---|
//! | `acceptor` | accepts connections, and gives each a thread |
//! | `refuser` | answers 503 when the server is full |
//! | [`stopper`] | ends a running server from any thread |

mod acceptor;
mod refuser;
pub mod stopper;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime};

use crossbeam_channel::{Receiver, bounded};

use self::acceptor::Acceptor;
use self::refuser::refuse_all;
use self::stopper::{Stop, Stopper};
use crate::config::{CLIENT_STACK, Config, EVENTS_WAITING, REFUSALS_WAITING};
use crate::connection::access::Access;
use crate::connection::shared::Shared;
use crate::dispatcher::Dispatcher;
use crate::dispatcher::event::Event;
use crate::http::origin::Origins;
use crate::sys::Asker;
use crate::sys::semaphore::Semaphore;
use crate::sys::socket::reachable;
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
    crossings: Receiver<TimedCrossing>,
    watch_requests: Receiver<WatchRequest>,
    stop: Arc<Stop>,
}

/// The current time, in a form that fits into a URL.
fn run_id() -> String {
    let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("{:x}", time.as_millis())
}

impl Server {
    /// Listens at `listen`, which is `HOST:PORT`. Port 0 picks a free port.
    ///
    /// # Errors
    /// When `listen` is not an address of this machine, when it is in use, or when the system does not give
    /// randomness for the teacher's link.
    pub fn bind(listen: &str, config: Config) -> io::Result<Server> {
        let listener = TcpListener::bind(listen)?;
        #[cfg(unix)]
        rustix::net::listen(&listener, crate::config::ACCEPT_QUEUE)?;
        let address = listener.local_addr()?;
        let (sender, events) = bounded(EVENTS_WAITING);
        let (tap, crossings) = Tap::new();
        let (watch_list, watch_requests) = WatchList::new();
        let shared = Shared {
            origins: Origins::new(listen, &config.allow_origin),
            access: Access::new(config.wire_for, address.ip())?,
            address: reachable(address),
            threads: Arc::default(),
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
        Ok(Server { listener, address, shared, events, crossings, watch_requests, stop })
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
        let dispatcher = Dispatcher::new(&self.shared.config, Arc::clone(&threads));
        let events = self.events;
        let stopper = Stopper { stop: Arc::clone(&self.stop), address: reachable(self.address) };
        threads.spawn("dispatcher".to_owned(), CLIENT_STACK, move || {
            let run = AssertUnwindSafe(|| dispatcher.run(&events));
            if catch_unwind(run).is_err() {
                log::error!("internal error: the dispatcher panicked, so the server ends");
                stopper.stop();
            }
        })?;
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
