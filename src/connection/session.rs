//! An open WebSocket: its messages go to the dispatcher, until one of the two sides ends it.
//!
//! The thread waits in one place, in tungstenite's `read`, for the next message. What goes out does so
//! through the [outbox](crate::outbox).

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tungstenite::error::{CapacityError, ProtocolError};
use tungstenite::{Error, Message, WebSocket};

use crate::config::CLASSROOM_OVERHEAD;
use crate::connection::Connection;
use crate::connection::stream::ClientStream;
use crate::dispatcher::classroom;
use crate::dispatcher::event::{Event, Joined, Received};
use crate::dispatcher::group::{Group, Service};
use crate::outbox::AbortReason;
use crate::protocol::Opcode;
use crate::protocol::{CloseCode, Fault};
use crate::sys::ConnectionId;
use crate::sys::semaphore::Permit;

/// A WebSocket that has been opened.
pub(crate) struct Session {
    pub(crate) connection: Arc<Connection>,
    pub(crate) service: Service,
    pub(crate) websocket: WebSocket<ClientStream>,
    /// Among the WebSockets that may be open at the same time.
    pub(crate) _place: Permit,
}

impl Session {
    /// Serves it until it ends.
    pub(crate) fn serve(mut self: Box<Self>) {
        let connection = Arc::clone(&self.connection);
        let (client, outbox) = (connection.client, &connection.outbox);
        let stream = self.websocket.get_mut();
        stream.join(Joined {
            client,
            peer: connection.peer,
            service: self.service.clone(),
            outbox: Arc::clone(outbox),
            bytes_in: stream.bytes_in(),
        });
        log::info!("{connection} opened {}", self.service);

        let ending = read_messages(&mut self.websocket, &self.service, client);
        let closed_before = outbox.close_info().0;
        self.websocket.get_mut().flush_and_wait();
        self.websocket.get_ref().tell(Event::Left { client });
        match &ending {
            // tungstenite has its answer ready, and sends it when asked to read on.
            Ending::Closed(_) => while self.websocket.read().is_ok() {},
            Ending::Fault { fault, frame } => {
                outbox.close(fault.close_code(), &in_frame(*frame, fault));
            }
            Ending::Lost => {}
        }
        // After a Close this only says that nothing follows it; without one, it ends the output.
        outbox.send_final(&[]);
        connection.linger(connection.shared.config.close_timeout);
        let how = how_it_ended(outbox.close_info().1, &ending, closed_before);
        log::info!("{connection} left {}: {how}", self.service);
        self.websocket.get_mut().show_end(&how);
    }
}

/// For the log: who ended it, and how. `closed_before` is the code of a Close that this side
/// had sent before the client's thread saw an end.
fn how_it_ended(
    cut: Option<AbortReason>,
    ending: &Ending,
    closed_before: Option<CloseCode>,
) -> String {
    match (cut, ending, closed_before) {
        (Some(AbortReason::TooSlow), ..) => "dropped: it reads too slowly".to_owned(),
        (Some(AbortReason::NoPong), ..) => "dropped: no answer to a Ping".to_owned(),
        (Some(AbortReason::NoThread), ..) => "dropped: no thread to wait until it reads".to_owned(),
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
    client: ConnectionId,
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
            Ok(Message::Close(None)) => {
                return Ending::Closed(CloseCode::NO_STATUS_RECEIVED.to_string());
            }
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
        // What the validator has stopped at. Another error is about a frame before that.
        Error::Io(_) if let Some(stop) = stream.take_fault() => {
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

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::thread;

    use crossbeam_channel::unbounded;
    use tungstenite::protocol::{Role, WebSocketConfig};

    use super::*;
    use crate::config::{Config, READ_BUFFER};
    use crate::dispatcher::group::EchoAt;
    use crate::outbox::Outbox;
    use crate::protocol::Frame;
    use crate::tap::Tap;

    #[test]
    fn who_sends_much_at_once_does_not_reach_the_dispatcher_in_one_piece() {
        const MESSAGES: usize = 100_000;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let socket = Arc::new(listener.accept().unwrap().0);
        let frame = Frame::new(Opcode::Text, Some([1, 2, 3, 4]), b"x").encode();
        let length = frame.len();
        let writing = thread::spawn(move || client.write_all(&frame.repeat(MESSAGES)));

        let (sender, events) = unbounded();
        let outbox =
            Outbox::new(Arc::clone(&socket) as _, Arc::default(), ConnectionId(1), usize::MAX);
        let tap = Arc::new(Tap::new().0.connection(ConnectionId(1)));
        let config = Config::default();
        let stream =
            ClientStream::new(ConnectionId(1), socket, outbox, sender, Vec::new(), tap, &config);
        let settings = WebSocketConfig::default().read_buffer_size(READ_BUFFER);
        let mut websocket = WebSocket::from_raw_socket(stream, Role::Server, Some(settings));
        let ending = read_messages(&mut websocket, &Service::Echo(EchoAt::Echo), ConnectionId(1));
        assert!(matches!(ending, Ending::Lost));
        writing.join().unwrap().unwrap();
        drop(websocket);

        let mut all = 0;
        for event in events {
            let Event::Received { messages, .. } = event else { panic!("only messages") };
            assert!(messages.len() <= READ_BUFFER / length + 1, "{} at once", messages.len());
            all += messages.len();
        }
        assert_eq!(all, MESSAGES);
    }
}
