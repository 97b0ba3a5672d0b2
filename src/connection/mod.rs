//! One connection, and the one thread that serves it from `accept` to the last byte.
//!
//! The thread reads the request and answers it. When the request is an opening handshake, the same
//! thread then reads messages until one side closes. At the end it lingers, so that its last bytes
//! arrive.
//!
//! | file | what it does |
//! |---|---|
//! | [`routes`] | decides what a request gets, or why it is refused |
//! | [`access`] | whose connections a request may see and command |
//! | `answer` | answers every request but a handshake |
//! | `session` | an open WebSocket: from the first message to the last |
//! | [`stream`], `read_ahead`, `large_frames` | what tungstenite reads from and writes to |
//! | `linger` | lingering close |
//! | `event_stream` | the wire view for a page, as Server-Sent Events |
//! | `watcher_places` | places for pages that watch, for all and for each address |
//! | [`registry`] | all connections, so that a shutdown reaches them |
//! | `shared` | what all connections share |

pub mod access;
mod answer;
mod event_stream;
mod large_frames;
mod linger;
mod read_ahead;
pub mod registry;
pub mod routes;
mod session;
pub(crate) mod shared;
pub mod stream;
mod watcher_places;

use std::fmt;
use std::net::{SocketAddr, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::http::StatusCode;
use bytes::Bytes;

use self::access::tab_in;
use self::linger::linger;
use self::registry::Registration;
use self::session::Session;
use self::shared::Shared;
use self::stream::ClientStream;
use crate::config::READ_BUFFER;
use crate::dispatcher::event::Event;
use crate::dispatcher::group::Service;
use crate::http::handshake::Handshake;
use crate::http::head_reader::read_head;
use crate::http::request::HeadResult;
use crate::http::response::Response;
use crate::outbox::Outbox;
use crate::protocol::{CloseCode, Fault};
use crate::sys::ConnectionId;
use crate::sys::semaphore::Permit;
use crate::tap::ConnectionTap;

/// A connection that has just been accepted.
pub(crate) struct Accepted {
    pub(crate) id: ConnectionId,
    pub(crate) peer: SocketAddr,
    pub(crate) socket: Arc<TcpStream>,
    /// Its entry among all connections, with its place among the handshakes.
    pub(crate) registration: Registration,
}

/// The body of a connection's thread.
pub(crate) fn serve(accepted: Accepted, shared: Arc<Shared>) {
    let Accepted { id, peer, socket, registration } = accepted;
    let (transport, drainer) = (Arc::clone(&socket) as _, Arc::clone(&shared.drainer));
    let memory = Arc::clone(&shared.memory);
    let outbox = Outbox::new(transport, drainer, memory, id, shared.config.max_backlog);
    let tap = Arc::new(shared.tap.connection(id));
    let connection = Connection { id, peer, socket, outbox, tap, shared, registration };
    let session = connection.catch_panic(Stage::Http, || {
        let accepted = connection.handle_request()?;
        let response = accepted.handshake.response();
        connection.outbox.set_handshake_response(response, Arc::clone(&connection.tap));
        connection.open(accepted)
    });
    if let Some(session) = session {
        connection.catch_panic(Stage::WebSocket, || {
            session.run();
            None::<()>
        });
    }
}

/// What a client understands: an HTTP answer before the handshake, a Close frame after it.
enum Stage {
    Http,
    WebSocket,
}

/// A handshake that is about to become a WebSocket.
struct AcceptedHandshake {
    service: Service,
    handshake: Handshake,
    /// The bytes that came right behind the request head.
    leftover: Vec<u8>,
    /// The emptied buffer of the request. It becomes tungstenite's read buffer.
    buffer: Vec<u8>,
    /// Its place among the open WebSockets.
    place: Permit,
}

/// One connection, with everything that its thread needs.
struct Connection {
    id: ConnectionId,
    peer: SocketAddr,
    socket: Arc<TcpStream>,
    outbox: Arc<Outbox>,
    tap: Arc<ConnectionTap>,
    shared: Arc<Shared>,
    registration: Registration,
}

impl Connection {
    /// Catches a panic, which is a mistake in the server: this client gets HTTP 500 or Close 1011, and
    /// the others notice nothing.
    fn catch_panic<T>(&self, stage: Stage, body: impl FnOnce() -> Option<T>) -> Option<T> {
        catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| {
            log::error!("{self}: internal error, its thread panicked");
            self.shared.events.send(Event::Left { client: self.id }).ok();
            match stage {
                Stage::Http => {
                    let why = "internal error in the server";
                    let response = Response::refusal(StatusCode::INTERNAL_SERVER_ERROR, why);
                    self.outbox.send_final(&response.encode());
                }
                Stage::WebSocket => {
                    let reason = Fault::ServerFault.to_string();
                    self.outbox.close(CloseCode::INTERNAL_ERROR, &reason);
                }
            }
            self.linger(self.shared.config.close_timeout);
            self.tap.end("internal error in the server");
            None
        })
    }

    /// Reads the request and answers it. An opening handshake that is accepted is returned instead.
    ///
    /// A thread keeps every page of its stack that it has ever touched, so a deep handshake would cost
    /// each client memory for as long as it is connected: 4 KiB for each page. That is why
    /// these functions are called one after the other and are not inlined.
    #[inline(never)]
    fn handle_request(&self) -> Option<Box<AcceptedHandshake>> {
        let deadline = Instant::now() + self.shared.config.handshake_timeout;
        let mut bytes = Vec::with_capacity(READ_BUFFER);
        let max_head = self.shared.config.max_head;
        let result = read_head(&self.socket, max_head, deadline, &mut bytes);
        if !self.registration.request_came() {
            log::debug!("{self} gave its place to another connection");
            return None;
        }
        let (head, length) = match result {
            HeadResult::Head(head, length) => (head, length),
            HeadResult::Refused(refusal) => {
                self.refuse(&bytes, None, &refusal);
                return None;
            }
            HeadResult::Gone => {
                log::debug!("{self} went away before it sent a request");
                return None;
            }
        };
        self.tap.set_tab(tab_in(&head));
        let route = routes::find(&head, &self.shared.config, &self.shared.origins);
        match route.and_then(|route| self.answer_request(route, &head)) {
            Ok(Some((service, handshake, place))) => {
                self.tap.request(Bytes::copy_from_slice(&bytes[..length]));
                let leftover = bytes[length..].to_vec();
                bytes.clear();
                // Only a head longer than usual makes it grow, and the client would keep that memory.
                bytes.shrink_to(READ_BUFFER);
                let accepted =
                    AcceptedHandshake { service, handshake, leftover, buffer: bytes, place };
                Some(Box::new(accepted))
            }
            Ok(None) => None,
            Err(refusal) => {
                self.refuse(&bytes[..length], Some(&head), &refusal);
                None
            }
        }
    }

    /// Makes the session of a WebSocket. The answer to the handshake leaves when the dispatcher adds the
    /// client to its list.
    #[inline(never)]
    #[expect(clippy::boxed_local, reason = "unboxed, it would lie on the stack of `serve`")]
    fn open(&self, accepted: Box<AcceptedHandshake>) -> Option<Box<Session>> {
        let AcceptedHandshake { service, leftover, buffer, place, .. } = *accepted;
        // From here on the heartbeat notices silence, instead of a deadline on each read.
        if let Err(error) = self.socket.set_read_timeout(None) {
            log::info!("{self} went away in the handshake: {error}");
            self.tap.end("the client went away in the handshake");
            return None;
        }
        let stream = ClientStream::new(
            self.id,
            Arc::clone(&self.socket),
            Arc::clone(&self.outbox),
            self.shared.events.clone(),
            leftover,
            Arc::clone(&self.tap),
            &self.shared.config,
        );
        let (socket, outbox) = (Arc::clone(&self.socket), Arc::clone(&self.outbox));
        Some(Session::new(
            self.peer,
            service,
            socket,
            outbox,
            stream,
            buffer,
            &self.shared.config,
            place,
        ))
    }

    fn linger(&self, timeout: Duration) {
        linger(&self.socket, &self.outbox, timeout);
    }
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.peer)
    }
}
