//! A connection's first thread: it reads the request, and answers it or shakes hands.
//!
//! A WebSocket is then served by a thread of its own, with a fresh stack. What the
//! handshake has touched of its own, 16 KiB more, would stay for as long as the client does.

mod event_stream;
mod linger;
pub mod registry;
pub mod routes;
mod session;
pub(crate) mod shared;
pub mod stream;

use std::fmt;
use std::net::{SocketAddr, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use crossbeam_channel::bounded;

use self::shared::Shared;
use crate::config::ANSWER_TIMEOUT;
use crate::config::{CLIENT_STACK, MAX_WATCHERS};
use crate::connection::linger::linger;
use crate::connection::registry::Registration;
use crate::connection::session::Session;
use crate::connection::stream::ClientStream;
use crate::dispatcher::event::Event;
use crate::http::handshake;
use crate::http::handshake::{Decision, Upgrade};
use crate::http::request::{HeadResult, read_head};
use crate::http::response::Response;
use crate::lab::api;
use crate::outbox::Outbox;
use crate::protocol::{CloseCode, Fault};
use crate::sys::ConnectionId;
use crate::sys::semaphore::Permit;
use crate::tap::ConnectionTap;

/// Why nothing begins any more.
const THE_END: &str = "the server ends";

/// A connection that has just been accepted.
pub(crate) struct Accepted {
    /// The first connection to the server is 1.
    pub(crate) client: ConnectionId,
    pub(crate) peer: SocketAddr,
    pub(crate) socket: Arc<TcpStream>,
    /// Its place among those that have not shaken hands yet.
    pub(crate) handshake: Permit,
    /// Its entry among all connections.
    pub(crate) entry: Registration,
}

/// The body of a connection's first thread.
pub(crate) fn serve(connection: Accepted, shared: Arc<Shared>) {
    let Accepted { client, peer, socket, handshake, entry } = connection;
    let outbox = Outbox::new(
        Arc::clone(&socket) as _,
        Arc::clone(&shared.threads),
        client,
        shared.config.max_backlog,
    );
    let tap = Arc::new(shared.tap.connection(client));
    let connection = Arc::new(Connection { client, peer, socket, outbox, tap, shared, entry });
    connection.catch_panic(|| {
        if let Some(session) = Connection::handle_request(&connection, handshake) {
            connection.serve_in_a_thread(session);
        }
    });
}

/// One connection, with all that its threads need.
pub(crate) struct Connection {
    pub(crate) client: ConnectionId,
    pub(crate) peer: SocketAddr,
    pub(crate) socket: Arc<TcpStream>,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) tap: Arc<ConnectionTap>,
    pub(crate) shared: Arc<Shared>,
    entry: Registration,
}

impl Connection {
    /// A panic is a fault of ours: its client is told, and everyone else goes on.
    fn catch_panic(&self, body: impl FnOnce()) {
        if catch_unwind(AssertUnwindSafe(body)).is_err() {
            log::error!("{self}: a fault in the server, its thread panicked");
            self.shared.events.send(Event::Left { client: self.client }).ok();
            self.outbox.close(CloseCode::INTERNAL_ERROR, &Fault::ServerFault.to_string());
            self.linger(self.shared.config.close_timeout);
            self.tap.end("a fault in the server");
        }
    }

    /// From the first byte to the answer; or to a WebSocket, which is then to be served.
    fn handle_request(self: &Arc<Self>, handshake: Permit) -> Option<Box<Session>> {
        let config = &self.shared.config;
        let deadline = Instant::now() + config.handshake_timeout;
        let (result, bytes) = read_head(&self.socket, config.max_head, deadline);
        let (head, leftover) = match result {
            HeadResult::Head(head, leftover) => (head, leftover),
            HeadResult::Refused(response) => {
                self.refuse(bytes, "", &response);
                return None;
            }
            HeadResult::Gone => {
                log::debug!("{self} went away before asking");
                return None;
            }
        };
        let asked = format!("{} {:?} ", head.method, head.path);
        match handshake::decide(&head, config, &self.shared.origins) {
            // The page and what it asks for are not shown: the view would show itself.
            Decision::Answer(response) if response.status == 200 => {
                log::debug!("{self} {asked}-> 200");
                self.answer(&response);
            }
            Decision::Answer(response) => self.refuse(bytes, &asked, &response),
            Decision::Stats => self.answer(&self.stats()),
            Decision::Workbench => {
                let (address, events) = (self.shared.address, &self.shared.events);
                self.answer(&api::answer(&head, self.peer.ip(), address, events));
            }
            Decision::Watch => match self.shared.watchers.try_acquire() {
                Some(_place) if self.entry.handshake_done(&self.outbox) => {
                    drop(handshake);
                    self.show_events();
                }
                Some(_) => self.answer(&Response::new(503, THE_END)),
                None => {
                    let why = format!("{MAX_WATCHERS} watch already");
                    self.answer(&Response::new(503, &why));
                }
            },
            Decision::Upgrade(upgrade) => match self.shared.clients.try_acquire() {
                Some(place) if self.entry.handshake_done(&self.outbox) => {
                    drop(handshake);
                    self.tap.request(bytes);
                    return self.shake_hands(upgrade, leftover, place);
                }
                Some(_) => self.refuse(bytes, &asked, &Response::new(503, THE_END)),
                None => {
                    let limit = config.max_clients;
                    let why = format!("this server has room for {limit} WebSockets");
                    self.refuse(bytes, &asked, &Response::new(503, &why));
                }
            },
        }
        None
    }

    /// Answers a request, or what came in its place, with a refusal.
    fn refuse(&self, request: Bytes, asked: &str, response: &Response) {
        log::info!("{self} {asked}-> {}", response.line());
        self.tap.request(request);
        self.tap.response(response.encode().swap_remove(0), None);
        self.answer(response);
        self.tap.end(&format!("refused: {}", response.line()));
    }

    /// Sends an answer and sees it off.
    fn answer(&self, response: &Response) {
        self.outbox.send_final(&response.encode());
        self.linger(ANSWER_TIMEOUT);
    }

    /// Shows what crosses the wire until the page or the server goes away.
    fn show_events(&self) {
        let Shared { watch_list, run, .. } = &*self.shared;
        if event_stream::send_events(&self.outbox, watch_list, run) {
            self.outbox.send_final(&[]);
            self.linger(ANSWER_TIMEOUT);
        }
    }

    fn stats(&self) -> Response {
        let (reply, snapshot) = bounded(1);
        self.shared.events.send(Event::Stats(reply)).ok();
        match snapshot.recv_timeout(ANSWER_TIMEOUT).map(|stats| serde_json::to_vec(&*stats)) {
            Ok(Ok(json)) => Response::with_body(200, "application/json", json.into()),
            _ => Response::new(503, "the dispatcher is too busy to tell"),
        }
    }

    /// tungstenite's part of the handshake. Its answer leaves when the dispatcher knows of the client.
    fn shake_hands(
        self: &Arc<Self>,
        upgrade: Upgrade,
        leftover: Vec<u8>,
        place: Permit,
    ) -> Option<Box<Session>> {
        let config = &self.shared.config;
        let stream = ClientStream::new(
            self.client,
            Arc::clone(&self.socket),
            Arc::clone(&self.outbox),
            self.shared.events.clone(),
            leftover,
            Arc::clone(&self.tap),
            config,
        );
        // From here on the heartbeat watches over silence, not a deadline on each read.
        let opened = self.socket.set_read_timeout(None);
        match opened.and_then(|()| handshake::accept(&upgrade, stream, config)) {
            Ok(websocket) => Some(Box::new(Session {
                connection: Arc::clone(self),
                service: upgrade.service,
                websocket,
                _place: place,
            })),
            Err(error) => {
                log::info!("{self} went away in the handshake: {error}");
                self.tap.end("went away in the handshake");
                None
            }
        }
    }

    fn serve_in_a_thread(self: &Arc<Self>, session: Box<Session>) {
        let connection = Arc::clone(self);
        let name = self.client.to_string();
        let serve = move || connection.catch_panic(|| session.serve());
        if let Err(error) = self.shared.threads.spawn(name, CLIENT_STACK, serve) {
            log::warn!("{self} -> 503: no thread for it: {error}");
            self.answer(&Response::new(503, "there is no thread for another client"));
            self.tap.end("no thread for it");
        }
    }

    pub(crate) fn linger(&self, timeout: Duration) {
        linger(&self.socket, &self.outbox, timeout);
    }
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.client, self.peer)
    }
}
