//! An open WebSocket: its messages go to the dispatcher, until one of the two sides closes it.
//!
//! The thread waits in one place, in tungstenite's `read`, for the next message. Everything that goes
//! out leaves through the [outbox](crate::outbox).

use std::fmt;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tungstenite::error::{CapacityError, ProtocolError};
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Error, Message, WebSocket};

use super::linger::linger;
use super::stream::ClientStream;
use crate::config::{CLASSROOM_OVERHEAD, Config, GROUP_OVERHEAD, READ_BUFFER};
use crate::dispatcher::classroom;
use crate::dispatcher::event::{Event, Joined, Received};
use crate::dispatcher::group::{Group, Service};
use crate::outbox::{AbortReason, Outbox};
use crate::protocol::{CloseCode, Fault, Opcode};
use crate::sys::ConnectionId;
use crate::sys::semaphore::Permit;

/// An open WebSocket.
pub(super) struct Session {
    peer: SocketAddr,
    service: Service,
    socket: Arc<TcpStream>,
    outbox: Arc<Outbox>,
    websocket: WebSocket<Box<ClientStream>>,
    close_timeout: Duration,
    /// Its place among the WebSockets that may be open at the same time.
    _place: Permit,
}

impl Session {
    /// Makes a session whose frames come from `stream`. `socket` and `outbox` are those of the stream.
    /// `buffer` is empty: tungstenite uses its memory to read frames.
    #[expect(clippy::too_many_arguments, reason = "each of them becomes a part of the session")]
    pub(super) fn new(
        peer: SocketAddr,
        service: Service,
        socket: Arc<TcpStream>,
        outbox: Arc<Outbox>,
        stream: Box<ClientStream>,
        buffer: Vec<u8>,
        config: &Config,
        place: Permit,
    ) -> Box<Session> {
        let settings = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            // What tungstenite writes goes to the outbox at once, one frame at a time.
            .write_buffer_size(0)
            .max_message_size(Some(config.max_message))
            .max_frame_size(Some(config.max_message));
        let websocket =
            WebSocket::from_partially_read(stream, buffer, Role::Server, Some(settings));
        let close_timeout = config.close_timeout;
        Box::new(Session { peer, service, socket, outbox, websocket, close_timeout, _place: place })
    }

    /// Serves the WebSocket until it ends: join, read messages, leave, close, linger.
    #[inline(never)]
    pub(super) fn run(mut self: Box<Self>) {
        self.join();
        self.log_opened();
        let ending = loop {
            match read_messages(&mut self.websocket, &self.service) {
                Pause::UselessBuffer => self = self.with_new_buffer(),
                Pause::Ended(ending) => break ending,
            }
        };
        let closed_before = self.leave(&ending);
        // Lingering takes time, and what tungstenite has of an incomplete message may be large.
        self = self.with_new_buffer();
        self.websocket.get_mut().discard();
        self.linger(&ending, closed_before);
    }

    /// Replaces the buffer of tungstenite, which is empty now. tungstenite itself never gives back memory
    /// that a large message needed, so a client that is quiet again would keep it.
    #[inline(never)]
    fn with_new_buffer(self: Box<Self>) -> Box<Self> {
        let session = *self;
        let settings = *session.websocket.get_config();
        let stream = session.websocket.into_inner();
        let buffer = Vec::with_capacity(READ_BUFFER);
        let websocket =
            WebSocket::from_partially_read(stream, buffer, Role::Server, Some(settings));
        Box::new(Session { websocket, ..session })
    }

    /// Leaves the dispatcher, and closes what is still open. Returns the code of a Close that this side had
    /// sent before.
    ///
    /// This and [`linger`](Self::linger) are not inlined into [`run`](Self::run), whose place on the stack
    /// is held while the client is connected.
    #[inline(never)]
    fn leave(&mut self, ending: &Ending) -> Option<CloseCode> {
        let closed_before = self.outbox.close_info().0;
        let stream = self.websocket.get_mut();
        stream.flush_and_wait();
        stream.tell(Event::Left { client: stream.id() });
        match ending {
            // tungstenite has its answer ready, and sends it when we ask it to read on.
            Ending::Closed(_) => while self.websocket.read().is_ok() {},
            Ending::Fault { fault, frame } => {
                self.outbox.close(fault.close_code(), &in_frame(*frame, fault));
            }
            Ending::Lost => {}
        }
        // After a Close this only says that nothing follows it. Without a Close it ends the output.
        self.outbox.send_final(&[]);
        closed_before
    }

    /// Lingers, and says how the connection ended.
    #[inline(never)]
    fn linger(&mut self, ending: &Ending, closed_before: Option<CloseCode>) {
        linger(&self.socket, &self.outbox, self.close_timeout);
        let how = how_it_ended(self.outbox.close_info().1, ending, closed_before);
        log::info!("{self} left {}: {how}", self.service);
        self.websocket.get_mut().show_end(&how);
    }

    #[inline(never)]
    fn join(&mut self) {
        let stream = self.websocket.get_mut();
        let joined = Joined {
            client: stream.id(),
            peer: self.peer,
            tab: stream.tab(),
            service: self.service.clone(),
            outbox: Arc::clone(&self.outbox),
            bytes_in: stream.bytes_in(),
        };
        stream.join(joined);
    }

    /// A function of its own with little on the stack, because the logger goes deep.
    #[inline(never)]
    fn log_opened(&self) {
        log::info!("{self} opened {}", self.service);
    }
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.websocket.get_ref().id(), self.peer)
    }
}

/// Says for the log which side ended the connection, and how. `closed_before` is the code of a Close
/// that this side had sent before the client's thread saw the end.
fn how_it_ended(
    abort: Option<AbortReason>,
    ending: &Ending,
    closed_before: Option<CloseCode>,
) -> String {
    match (abort, ending, closed_before) {
        (Some(AbortReason::TooSlow), ..) => "dropped: it reads too slowly".to_owned(),
        (Some(AbortReason::NoPong), ..) => "dropped: no answer to a Ping".to_owned(),
        (Some(AbortReason::OutOfMemory), ..) => {
            "dropped: it owes most of the memory for messages, which is used up".to_owned()
        }
        (Some(AbortReason::CannotDrain), ..) => {
            "dropped: it reads slowly, and the system cannot wait for one more such client"
                .to_owned()
        }
        (_, Ending::Closed(theirs), Some(_)) => {
            format!("the server closed, the client answered {theirs}")
        }
        (_, Ending::Closed(theirs), None) => format!("the client closed with {theirs}"),
        (_, Ending::Lost, Some(code)) => format!("the server closed with {code}, no answer"),
        (_, Ending::Lost, None) => format!("connection lost: {}", CloseCode::ABNORMAL_CLOSURE),
        (_, Ending::Fault { fault, frame }, _) => {
            let code = fault.close_code();
            format!("the server closed with {code}: {}", in_frame(*frame, fault))
        }
    }
}

/// The reason why the thread stops reading messages.
enum Pause {
    /// A large message has come, and no other follows. The session can give memory back now.
    UselessBuffer,
    /// There are no more messages.
    Ended(Ending),
}

/// The way in which the client's side of a WebSocket ended.
enum Ending {
    /// The client sent a Close, with this code and reason.
    Closed(String),
    /// The client broke a rule, in the frame with this number where it is known.
    Fault { fault: Fault, frame: Option<u64> },
    /// The connection ended without a Close.
    Lost,
}

/// Reads messages until there are no more, or until tungstenite's buffer is too large. The thread waits inside `read`,
/// which first hands the messages so far to the dispatcher.
fn read_messages(websocket: &mut WebSocket<Box<ClientStream>>, service: &Service) -> Pause {
    let client: ConnectionId = websocket.get_ref().id();
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
                let how = format!("{code} {:?}", frame.reason.as_str());
                return Pause::Ended(Ending::Closed(how));
            }
            Ok(Message::Close(None)) => {
                let how = CloseCode::NO_STATUS_RECEIVED.to_string();
                return Pause::Ended(Ending::Closed(how));
            }
            // tungstenite answers a Ping by itself, and never returns a bare frame.
            Ok(Message::Ping(_) | Message::Frame(_)) => continue,
            Err(_) if websocket.get_mut().take_useless_buffer() => return Pause::UselessBuffer,
            Err(error) => return Pause::Ended(ending_of(error, websocket.get_mut())),
        };
        if !websocket.get_ref().is_answered() {
            continue;
        }
        let length = payload.len();
        let message = if in_classroom {
            Received::Classroom(read_request(opcode, &payload))
        } else {
            Received::Message(opcode, payload)
        };
        // A message to a group makes work for every member.
        let cost = match service {
            Service::Echo(_) => length,
            Service::Group(Group::Classroom(_)) => length + CLASSROOM_OVERHEAD,
            Service::Group(_) => length + GROUP_OVERHEAD,
        };
        let stream = websocket.get_mut();
        stream.stage(message, cost);
        if in_classroom {
            // One at a time, so that other clients are served between two of them.
            stream.hand_over_and_wait();
        }
    }
}

fn read_request(opcode: Opcode, payload: &[u8]) -> Result<classroom::Request, String> {
    match std::str::from_utf8(payload) {
        Ok(text) if opcode == Opcode::Text => classroom::parse(text),
        _ => Err("classroom.v1 messages are text, not binary".to_owned()),
    }
}

/// Translates an error from tungstenite. A peer that goes away is not an error.
fn ending_of(error: Error, stream: &mut ClientStream) -> Ending {
    let fault = match error {
        // The validator stopped the stream. Any other error is about a frame before that one.
        Error::Io(_) if let Some(found) = stream.take_fault() => {
            return Ending::Fault { fault: found.fault, frame: Some(found.frame) };
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

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::thread;

    use crossbeam_channel::unbounded;
    use tungstenite::protocol::{Role, WebSocketConfig};

    use super::*;
    use crate::config::{Config, LARGE_FRAME, LONG_FRAGMENT, READ_BUFFER};
    use crate::dispatcher::group::EchoAt;
    use crate::outbox::Outbox;
    use crate::outbox::memory::drainer;
    use crate::protocol::Frame;
    use crate::tap::Tap;

    /// Has a client send `sent`, `at_once` bytes a write, and returns the batches of messages that the
    /// dispatcher gets.
    fn batches_of(sent: Vec<u8>, at_once: usize) -> Vec<Vec<Received>> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.set_nodelay(true).unwrap();
        let socket = Arc::new(listener.accept().unwrap().0);
        let writing =
            thread::spawn(move || sent.chunks(at_once).try_for_each(|part| client.write_all(part)));
        let (sender, events) = unbounded();
        let outbox = Outbox::new(
            Arc::clone(&socket) as _,
            drainer(&Arc::default()),
            Arc::default(),
            ConnectionId(1),
            usize::MAX,
        );
        let tap = Arc::new(Tap::new().0.connection(ConnectionId(1)));
        let config = Config::default();
        let stream =
            ClientStream::new(ConnectionId(1), socket, outbox, sender, Vec::new(), tap, &config);
        let settings = WebSocketConfig::default().read_buffer_size(READ_BUFFER);
        let mut websocket = WebSocket::from_raw_socket(stream, Role::Server, Some(settings));
        let service = Service::Echo(EchoAt::Echo);
        let pause = loop {
            match read_messages(&mut websocket, &service) {
                // As `with_new_buffer` does: bytes in the old buffer would be lost.
                Pause::UselessBuffer => {
                    let stream = websocket.into_inner();
                    websocket = WebSocket::from_raw_socket(stream, Role::Server, Some(settings));
                }
                ended => break ended,
            }
        };
        assert!(matches!(pause, Pause::Ended(Ending::Lost)));
        writing.join().unwrap().unwrap();
        drop(websocket);
        let batch = |event| match event {
            Event::Received { messages, .. } => Some(messages),
            Event::Pong { .. } => None,
            _ => panic!("only messages"),
        };
        events.into_iter().filter_map(batch).collect()
    }

    #[test]
    fn a_flood_of_messages_reaches_the_dispatcher_in_small_pieces() {
        const MESSAGES: usize = 100_000;
        let frame = Frame::new(Opcode::Text, Some([1, 2, 3, 4]), b"x").encode();
        let length = frame.len();
        let batches = batches_of(frame.repeat(MESSAGES), usize::MAX);
        for messages in &batches {
            assert!(messages.len() <= READ_BUFFER / length + 1, "{} at once", messages.len());
        }
        assert_eq!(batches.iter().map(Vec::len).sum::<usize>(), MESSAGES);
    }

    #[test]
    fn messages_of_every_size_arrive_whole_however_they_are_cut() {
        let payload = |length: usize| -> Vec<u8> { (0..length).map(|n| (n % 251) as u8).collect() };
        let frame = |opcode, fin, length| {
            let mut frame = Frame::new(opcode, Some([9, 8, 7, 6]), &payload(length));
            frame.header.fin = fin;
            frame.encode()
        };
        let whole = [0, 5, LARGE_FRAME, 7, LARGE_FRAME + 1, 100_000, 3, LONG_FRAGMENT + 9, 1];
        let mut sent: Vec<u8> =
            whole.iter().flat_map(|length| frame(Opcode::Binary, true, *length)).collect();
        // A message in three fragments, two of them large, with a Pong between them.
        sent.extend(frame(Opcode::Binary, false, LARGE_FRAME + 5));
        sent.extend(frame(Opcode::Continuation, false, 9));
        sent.extend(frame(Opcode::Pong, true, 5));
        sent.extend(frame(Opcode::Continuation, true, 3 * LARGE_FRAME));
        sent.extend(frame(Opcode::Binary, true, 2));
        let parts = [payload(LARGE_FRAME + 5), payload(9), payload(3 * LARGE_FRAME)].concat();
        let mut expected: Vec<Vec<u8>> = whole.iter().map(|length| payload(*length)).collect();
        expected.extend([parts, payload(2)]);
        for at_once in [usize::MAX, READ_BUFFER, 4099, 61, 13] {
            let messages = batches_of(sent.clone(), at_once).into_iter().flatten();
            let payloads: Vec<Vec<u8>> = messages
                .map(|message| match message {
                    Received::Message(Opcode::Binary, payload) => payload.to_vec(),
                    _ => panic!("only binary messages"),
                })
                .collect();
            let lengths = |all: &[Vec<u8>]| all.iter().map(Vec::len).collect::<Vec<_>>();
            assert_eq!(lengths(&payloads), lengths(&expected), "{at_once} bytes a write");
            assert!(payloads == expected, "{at_once} bytes a write");
        }
    }
}
