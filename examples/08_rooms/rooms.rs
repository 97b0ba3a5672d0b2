//! The dispatcher's state in chapter 08: who is in which room, and under which name. This file
//! knows nothing of sockets and threads, because they are behind [`Connection`].

use std::collections::BTreeMap;
use std::sync::Arc;

use chalkwire::protocol::{Frame, Opcode};
use serde_json::{Value, json};

use crate::connection::Connection;

// ANCHOR: event
/// Everything that a client's thread can tell the dispatcher.
pub enum Event {
    /// A client has made its handshake, at the path of this room.
    Joined { client: u64, room: String, connection: Arc<Connection> },
    /// A client has sent a message. A message that is not JSON is null here.
    Said { client: u64, request: Value },
    /// A client has left.
    Left { client: u64 },
}

/// Everything that the dispatcher knows of a client.
struct Client {
    room: String,
    /// `None` until the client has sent its `join`.
    name: Option<String>,
    connection: Arc<Connection>,
}
// ANCHOR_END: event

// ANCHOR: take
/// The dispatcher's state: the connection list, with rooms and names.
#[derive(Default)]
pub struct Rooms {
    clients: BTreeMap<u64, Client>,
}

impl Rooms {
    /// Does what an event asks for.
    pub fn take(&mut self, event: Event) {
        match event {
            Event::Joined { client, room, connection } => {
                self.clients.insert(client, Client { room, name: None, connection });
            }
            Event::Said { client, request } => {
                let result = self.grant(client, &request);
                if let (Err(reason), Some(client)) = (result, self.clients.get(&client)) {
                    tell([&client.connection], &json!({"type": "refused", "reason": reason}));
                }
            }
            Event::Left { client } => {
                let Some(client) = self.clients.remove(&client) else { return };
                if let Some(name) = client.name {
                    tell(self.all(&client.room), &json!({"type": "left", "name": name}));
                }
            }
        }
    }
    // ANCHOR_END: take

    // ANCHOR: grant
    /// Does what a client asks for, or returns the reason why not. The connection stays open.
    fn grant(&mut self, id: u64, request: &Value) -> Result<(), String> {
        let field = |name: &str| {
            request[name].as_str().ok_or_else(|| format!("the request has no text {name:?}"))
        };
        let kind = field("type")?;
        let client = self.clients.get_mut(&id).ok_or("you are not here")?;
        let room = client.room.clone();
        let Some(me) = client.name.clone() else {
            if kind != "join" {
                return Err("join first".to_owned());
            }
            return self.join(id, &room, field("name")?);
        };
        match kind {
            "say" => {
                let said = json!({"type": "said", "from": me, "text": field("text")?});
                tell(self.all(&room), &said);
            }
            "whisper" => {
                let (to, text) = (field("to")?, field("text")?);
                let other = self.named(&room, to).ok_or(format!("nobody here is called {to}"))?;
                tell([other], &json!({"type": "whispered", "from": me, "text": text}));
            }
            _ => return Err(format!("{kind:?} cannot be asked for")),
        }
        Ok(())
    }
    // ANCHOR_END: grant

    // ANCHOR: join
    fn join(&mut self, id: u64, room: &str, name: &str) -> Result<(), String> {
        if name.is_empty() || name.chars().count() > 32 {
            return Err("a name has 1 to 32 characters".to_owned());
        }
        if self.named(room, name).is_some() {
            return Err(format!("{name} is here already"));
        }
        tell(self.all(room), &json!({"type": "joined", "name": name}));
        if let Some(client) = self.clients.get_mut(&id) {
            client.name = Some(name.to_owned());
        }
        let members: Vec<&str> = self.members(room).map(|(name, _)| name).collect();
        let welcome = json!({"type": "welcome", "room": room, "members": members});
        tell(self.named(room, name), &welcome);
        Ok(())
    }
    // ANCHOR_END: join

    // ANCHOR: members
    /// The members of a room who have a name, with their connections.
    fn members(&self, room: &str) -> impl Iterator<Item = (&str, &Arc<Connection>)> {
        let here = self.clients.values().filter(move |client| client.room == room);
        here.filter_map(|client| Some((client.name.as_deref()?, &client.connection)))
    }

    fn all(&self, room: &str) -> impl Iterator<Item = &Arc<Connection>> {
        self.members(room).map(|(_, connection)| connection)
    }

    fn named(&self, room: &str, name: &str) -> Option<&Arc<Connection>> {
        self.members(room).find(|(member, _)| *member == name).map(|(_, connection)| connection)
    }
}

/// Sends one JSON text to some clients. Encodes it only once.
fn tell<'a>(to: impl IntoIterator<Item = &'a Arc<Connection>>, news: &Value) {
    let frame = Frame::new(Opcode::Text, None, news.to_string().as_bytes()).encode();
    for connection in to {
        // If this fails, the client's own thread sees the end too, and sends Left.
        let _ = connection.send(&frame);
    }
}
// ANCHOR_END: members
