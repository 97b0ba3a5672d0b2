//! The dispatcher's state in chapter 09: rooms where some clients speak plain text, and others
//! speak `classroom.v1`.

use std::collections::BTreeMap;
use std::sync::Arc;

use chalkwire::dispatcher::classroom::{Classroom, Delivery, parse};
use chalkwire::protocol::{Frame, Opcode};
use chalkwire::sys::ConnectionId;
use tungstenite::Message;

use crate::connection::Connection;

/// The subprotocol that this server speaks.
pub const CLASSROOM: &str = "classroom.v1";

// ANCHOR: event
/// Everything that a client's thread can tell the dispatcher.
pub enum Event {
    /// A client has made its handshake. `speaks` is the agreed subprotocol, if there is one.
    Joined { client: u64, room: String, speaks: Option<&'static str>, connection: Arc<Connection> },
    /// A client has sent a text or binary message.
    Said { client: u64, message: Message },
    /// A client has left.
    Left { client: u64 },
}
// ANCHOR_END: event

/// What the dispatcher knows of a client. Its name is in the [`Classroom`].
struct Client {
    room: String,
    speaks: Option<&'static str>,
    connection: Arc<Connection>,
}

/// The dispatcher's state.
#[derive(Default)]
pub struct Rooms {
    clients: BTreeMap<u64, Client>,
    /// One for each room where a client speaks `classroom.v1`.
    classrooms: BTreeMap<String, Classroom>,
}

impl Rooms {
    // ANCHOR: take
    /// Does what an event asks for.
    pub fn take(&mut self, event: Event) {
        match event {
            Event::Joined { client, room, speaks, connection } => {
                self.clients.insert(client, Client { room, speaks, connection });
            }
            Event::Said { client, message } => {
                let Some(Client { room, speaks, .. }) = self.clients.get(&client) else { return };
                if speaks.is_none() {
                    return self.tell_plain(room, message);
                }
                let request = match &message {
                    Message::Text(text) => parse(text),
                    _ => Err("classroom.v1 messages are text, not binary".to_owned()),
                };
                let new = || Classroom::new(room);
                let classroom = self.classrooms.entry(room.clone()).or_insert_with(new);
                let deliveries = classroom.take(ConnectionId(client), request);
                self.deliver(deliveries);
            }
            Event::Left { client } => self.leave(client),
        }
    }

    /// Sends a message unchanged to the clients of a room that speak plain text.
    fn tell_plain(&self, room: &str, message: Message) {
        let opcode = if message.is_text() { Opcode::Text } else { Opcode::Binary };
        let frame = Frame::new(opcode, None, &message.into_data()).encode();
        for client in self.clients.values() {
            if client.room == room && client.speaks.is_none() {
                let _ = client.connection.send(&frame);
            }
        }
    }
    // ANCHOR_END: take

    fn leave(&mut self, id: u64) {
        let Some(client) = self.clients.remove(&id) else { return };
        let Some(classroom) = self.classrooms.get_mut(&client.room) else { return };
        let farewell = classroom.leave(ConnectionId(id));
        let another = |other: &Client| other.speaks.is_some() && other.room == client.room;
        if !self.clients.values().any(another) {
            self.classrooms.remove(&client.room);
        }
        self.deliver(farewell);
    }

    fn deliver(&self, deliveries: impl IntoIterator<Item = Delivery>) {
        for Delivery { to, text } in deliveries {
            let frame = Frame::new(Opcode::Text, None, text.as_bytes()).encode();
            for client in to.iter().filter_map(|id| self.clients.get(&id.0)) {
                let _ = client.connection.send(&frame);
            }
        }
    }
}
