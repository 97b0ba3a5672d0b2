//! One client, in its own thread: from its first byte to its last.
//!
//! The thread reads the request, answers or shakes hands, and from then on waits in one place: in
//! tungstenite's `read`, for the next message. What it reads goes to the dispatcher; what goes out
//! does so through the outbox.

use std::fmt;
use std::net::{SocketAddr, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use crossbeam_channel::{Sender, bounded};
use tungstenite::error::{CapacityError, ProtocolError};
use tungstenite::{Error, Message, WebSocket};

use crate::classroom;
use crate::close::{CloseCode, Fault};
use crate::config::{CLASSROOM_OVERHEAD, Config, MAX_WATCHERS};
use crate::connections::Entry;
use crate::event::{Event, Joined, Received};
use crate::event_stream;
use crate::frame::Opcode;
use crate::gate::{Gate, Permit};
use crate::http::{ANSWER_TIMEOUT, HeadResult, Response, is_timeout, read_head};
use crate::origin::Origins;
use crate::outbox::{Cut, Outbox};
use crate::route::{Group, Service};
use crate::stream::{ClientStream, read_uninterrupted};
use crate::tap::{ConnectionTap, Tap};
use crate::threads::Threads;
use crate::upgrade::{self, Decision, Upgrade};
use crate::workbench;

/// What all clients' threads share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) origins: Origins,
    /// Where this server is reached from this machine.
    pub(crate) address: SocketAddr,
    pub(crate) threads: Arc<Threads>,
    /// Places for open WebSockets.
    pub(crate) clients: Arc<Gate>,
    /// Places for those who watch the wire.
    pub(crate) watchers: Arc<Gate>,
    /// For the eyes of those who watch.
    pub(crate) tap: Arc<Tap>,
    /// A word for this run of the server, by which pages tell it from the one before.
    pub(crate) run: String,
    /// To the dispatcher. It ends when the last of these is gone.
    pub(crate) events: Sender<Event>,
}

/// Why nothing begins any more.
const THE_END: &str = "the server ends";

/// A connection that has just been accepted.
pub(crate) struct Connection {
    /// The first connection to the server is 1.
    pub(crate) client: u64,
    pub(crate) peer: SocketAddr,
    pub(crate) socket: Arc<TcpStream>,
    /// Its place among those that have not shaken hands yet.
    pub(crate) handshake: Permit,
    /// Its entry among all connections.
    pub(crate) entry: Entry,
}

/// The whole life of one client: the body of its thread.
pub(crate) fn serve(connection: Connection, shared: &Shared) {
    let Connection { client, peer, socket, handshake, entry } = connection;
    let outbox = Outbox::new(
        Arc::clone(&socket) as _,
        Arc::clone(&shared.threads),
        client,
        shared.config.max_backlog,
    );
    let tap = Arc::new(shared.tap.connection(client));
    let visit = Visit { client, peer, socket, outbox: Arc::clone(&outbox), tap, shared };
    // A panic is a fault of ours: its client is told, and everyone else goes on.
    if catch_unwind(AssertUnwindSafe(|| visit.talk(handshake, &entry))).is_err() {
        log::error!("client {client} {peer}: a fault in the server, its thread panicked");
        shared.events.send(Event::Left { client }).ok();
        outbox.close(CloseCode::SERVER_FAULT, &Fault::ServerFault.to_string());
        visit.linger(shared.config.close_timeout);
        visit.tap.end("a fault in the server");
    }
}

struct Visit<'a> {
    client: u64,
    peer: SocketAddr,
    socket: Arc<TcpStream>,
    outbox: Arc<Outbox>,
    tap: Arc<ConnectionTap>,
    shared: &'a Shared,
}

impl Visit<'_> {
    fn talk(&self, handshake: Permit, entry: &Entry) {
        let config = &self.shared.config;
        let deadline = Instant::now() + config.handshake_timeout;
        let (result, bytes) = read_head(&self.socket, config.max_head, deadline);
        let (head, glued) = match result {
            HeadResult::Head(head, glued) => (head, glued),
            HeadResult::Refused(response) => return self.refuse(bytes, "", &response),
            HeadResult::Gone => return log::debug!("{self} went away before asking"),
        };
        let asked = format!("{} {:?} ", head.method, head.path);
        match upgrade::decide(&head, config, &self.shared.origins) {
            // The page and what it asks for are not shown: the view would show itself.
            Decision::Answer(response) if response.status == 200 => {
                log::debug!("{self} {asked}-> 200");
                self.answer(&response);
            }
            Decision::Answer(response) => self.refuse(bytes, &asked, &response),
            Decision::Stats => self.answer(&self.stats()),
            Decision::Workbench => {
                let (address, events) = (self.shared.address, &self.shared.events);
                self.answer(&workbench::answer(&head, self.peer.ip(), address, events));
            }
            Decision::Watch => match self.shared.watchers.enter() {
                Some(_place) if entry.handshake_done(&self.outbox) => {
                    drop(handshake);
                    self.show_events();
                }
                Some(_) => self.answer(&Response::new(503, THE_END)),
                None => {
                    let why = format!("{MAX_WATCHERS} watch already");
                    self.answer(&Response::new(503, &why));
                }
            },
            Decision::Upgrade(upgrade) => match self.shared.clients.enter() {
                Some(_place) if entry.handshake_done(&self.outbox) => {
                    drop(handshake);
                    self.tap.request(bytes);
                    self.open(&upgrade, glued);
                }
                Some(_) => self.refuse(bytes, &asked, &Response::new(503, THE_END)),
                None => {
                    let limit = config.max_clients;
                    let why = format!("this server has room for {limit} WebSockets");
                    self.refuse(bytes, &asked, &Response::new(503, &why));
                }
            },
        }
    }

    /// Answers a request, or what came in its place, with a refusal.
    fn refuse(&self, request: Bytes, asked: &str, response: &Response) {
        log::info!("{self} {asked}-> {}", response.line());
        self.tap.request(request);
        self.tap.response(response.encode().swap_remove(0));
        self.answer(response);
        self.tap.end(&format!("refused: {}", response.line()));
    }

    /// Sends an answer and sees it off.
    fn answer(&self, response: &Response) {
        self.outbox.send_last(&response.encode());
        self.linger(ANSWER_TIMEOUT);
    }

    /// Shows what crosses the wire until the page or the server goes away.
    fn show_events(&self) {
        let Shared { tap, run, .. } = self.shared;
        if event_stream::send_events(&self.outbox, tap, run) {
            self.outbox.send_last(&[]);
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

    /// Shakes hands, and serves the WebSocket until it ends.
    fn open(&self, upgrade: &Upgrade, glued: Vec<u8>) {
        let config = &self.shared.config;
        let stream = ClientStream::new(
            self.client,
            Arc::clone(&self.socket),
            Arc::clone(&self.outbox),
            self.shared.events.clone(),
            glued,
            Arc::clone(&self.tap),
            config,
        );
        // From here on the heartbeat watches over silence, not a deadline on each read.
        let opened = self.socket.set_read_timeout(None);
        let mut websocket = match opened.and_then(|()| upgrade::accept(upgrade, stream, config)) {
            Ok(websocket) => websocket,
            Err(error) => {
                log::info!("{self} went away in the handshake: {error}");
                return self.tap.end("went away in the handshake");
            }
        };
        log::info!("{self} opened {}", upgrade.service);
        websocket.get_ref().tell(Event::Joined(Box::new(Joined {
            client: self.client,
            peer: self.peer,
            service: upgrade.service.clone(),
            outbox: Arc::clone(&self.outbox),
            bytes_in: websocket.get_ref().bytes_in(),
        })));

        let ending = read_messages(&mut websocket, &upgrade.service, self.client);
        let closed_before = self.outbox.ending().0;
        websocket.get_mut().settle();
        websocket.get_ref().tell(Event::Left { client: self.client });
        match &ending {
            // tungstenite has its answer ready, and sends it when asked to read on.
            Ending::Closed(_) => while websocket.read().is_ok() {},
            Ending::Fault { fault, frame } => {
                self.outbox.close(fault.close_code(), &in_frame(*frame, fault));
            }
            Ending::Lost => {}
        }
        // After a Close this only says that nothing follows it; without one, it ends the output.
        self.outbox.send_last(&[]);
        self.linger(config.close_timeout);
        let how = self.how_it_ended(&ending, closed_before);
        log::info!("{self} left {}: {how}", upgrade.service);
        websocket.get_mut().show_end(&how);
    }

    /// Reads on until the peer has closed its side too, or for `timeout` since it last took a
    /// byte. To drop a socket with input unread would send a reset, which can destroy the last
    /// bytes on their way, a Close frame among them (RFC 6455 section 7.1.1).
    fn linger(&self, timeout: Duration) {
        let mut scratch = [0; 1024];
        let mut deadline = Instant::now() + timeout;
        let mut taken = self.outbox.bytes_out();
        let mut peer_is_done = false;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                if self.outbox.bytes_out() == taken {
                    return self.outbox.cut(Cut::CloseTimeout);
                }
                // Still taking what it is owed: it has as long again.
                taken = self.outbox.bytes_out();
                deadline = Instant::now() + timeout;
            } else if peer_is_done {
                // It has closed its side, but may still be reading ours.
                if self.outbox.wait_until_over(deadline) {
                    return;
                }
            } else {
                let set = self.socket.set_read_timeout(Some(left));
                match set.and_then(|()| read_uninterrupted(&self.socket, &mut scratch)) {
                    Ok(count) => peer_is_done = count == 0,
                    Err(error) if is_timeout(&error) => {}
                    Err(_) => return self.outbox.cut(Cut::Lost),
                }
            }
        }
    }

    /// For the log: who ended it, and how. `closed_before` is the code of a Close that this side
    /// had sent before the client's thread saw an end.
    fn how_it_ended(&self, ending: &Ending, closed_before: Option<CloseCode>) -> String {
        match (self.outbox.ending().1, ending, closed_before) {
            (Some(Cut::TooSlow), ..) => "dropped: it reads too slowly".to_owned(),
            (Some(Cut::NoPong), ..) => "dropped: no answer to a Ping".to_owned(),
            (Some(Cut::NoThread), ..) => "dropped: no thread to wait until it reads".to_owned(),
            (_, Ending::Closed(theirs), Some(_)) => {
                format!("the server closed, the client answered {theirs}")
            }
            (_, Ending::Closed(theirs), None) => format!("the client closed with {theirs}"),
            (_, Ending::Lost, Some(code)) => format!("the server closed with {code}, no answer"),
            (_, Ending::Lost, None) => format!("connection lost: {}", CloseCode::ABNORMAL),
            (_, Ending::Fault { fault, frame }, _) => {
                let code = fault.close_code();
                format!("the server closed with {code}: {}", in_frame(*frame, fault))
            }
        }
    }
}

impl fmt::Display for Visit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client {} {}", self.client, self.peer)
    }
}

/// How a WebSocket came to its end, on the client's side.
enum Ending {
    /// The client has sent a Close, with this code and reason.
    Closed(String),
    /// The client has broken a rule, in the frame of this number where it is known.
    Fault { fault: Fault, frame: Option<u64> },
    /// The connection ended without a Close.
    Lost,
}

/// Reads messages until there are no more. Waiting happens inside `read`, which hands over what
/// is staged before it does.
fn read_messages(
    websocket: &mut WebSocket<ClientStream>,
    service: &Service,
    client: u64,
) -> Ending {
    let in_classroom = matches!(service, Service::Group(Group::Classroom(_)));
    loop {
        let (opcode, payload) = match websocket.read() {
            Ok(Message::Text(text)) => (Opcode::Text, Bytes::from(text)),
            Ok(Message::Binary(payload)) => (Opcode::Binary, payload),
            Ok(Message::Pong(payload)) => {
                let at = Instant::now();
                websocket.get_ref().tell(Event::Pong { client, payload, at });
                continue;
            }
            Ok(Message::Close(Some(frame))) => {
                let code = CloseCode(frame.code.into());
                return Ending::Closed(format!("{code} {:?}", frame.reason.as_str()));
            }
            Ok(Message::Close(None)) => return Ending::Closed(CloseCode::NO_CODE.to_string()),
            // tungstenite answers a Ping by itself; a bare frame it never returns.
            Ok(Message::Ping(_) | Message::Frame(_)) => continue,
            Err(error) => return ending_of(error, websocket.get_mut()),
        };
        let length = payload.len();
        let message = if in_classroom {
            Received::Classroom(read_request(opcode, &payload))
        } else {
            Received::Message(opcode, payload)
        };
        // One message to a classroom makes work for every member.
        let cost = if in_classroom { length + CLASSROOM_OVERHEAD } else { length };
        websocket.get_mut().stage(message, cost);
    }
}

fn read_request(opcode: Opcode, payload: &[u8]) -> Result<classroom::Request, String> {
    match std::str::from_utf8(payload) {
        Ok(text) if opcode == Opcode::Text => classroom::parse(text),
        _ => Err("classroom.v1 messages are text, not binary".to_owned()),
    }
}

/// What an error from tungstenite means. A peer that goes away is not an error.
fn ending_of(error: Error, stream: &mut ClientStream) -> Ending {
    let fault = match error {
        // What the cursor has stopped at. Another error is about a frame before that.
        Error::Io(_) if let Some(stop) = stream.take_stop() => {
            return Ending::Fault { fault: stop.fault, frame: Some(stop.frame) };
        }
        Error::Io(_) | Error::ConnectionClosed | Error::AlreadyClosed => return Ending::Lost,
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => return Ending::Lost,
        Error::Utf8(_) => Fault::InvalidUtf8,
        Error::Capacity(CapacityError::MessageTooLong { max_size, .. }) => {
            Fault::MessageTooBig(max_size)
        }
        other => Fault::Other(other.to_string()),
    };
    Ending::Fault { fault, frame: None }
}

fn in_frame(frame: Option<u64>, fault: &Fault) -> String {
    match frame {
        Some(number) => format!("frame {number}: {fault}"),
        None => fault.to_string(),
    }
}
