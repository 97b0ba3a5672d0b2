//! The exercises of chapter 08, solved: a list of who is here, and a new name.

#[path = "../../examples/common/connection.rs"]
mod connection;
#[path = "../../examples/common/visitor.rs"]
mod visitor;

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use chalkwire::protocol::{Frame, Opcode};
use connection::{Connection, accept_clients};
use crossbeam_channel::{Sender, bounded};
use serde_json::{Value, json};
use tungstenite::handshake::server::{Request, Response};
use tungstenite::{Error, Message};
use visitor::{Visitor, connect};

/// Runs a server with rooms, names and whispers.
#[derive(argh::FromArgs)]
struct Flags {
    /// where to listen, ADDR:PORT (default 127.0.0.1:8080)
    #[argh(option, default = "\"127.0.0.1:8080\".to_owned()")]
    listen: String,
    /// end after the demonstration
    #[argh(switch)]
    once: bool,
    /// do not serve: run the demonstration against the server at this ADDR:PORT
    #[argh(option)]
    against: Option<SocketAddr>,
}

const PAGE: &str = include_str!("../../examples/08_rooms/page.html");

fn main() -> Result<(), Box<dyn StdError>> {
    let flags: Flags = argh::from_env();
    if let Some(address) = flags.against {
        return demonstrate(address);
    }
    let listener = TcpListener::bind(&flags.listen)
        .map_err(|error| format!("cannot listen at {}: {error}", flags.listen))?;
    let address = listener.local_addr()?;
    println!("listening at http://{address}/");
    let (events, inbox) = bounded(64);
    thread::spawn(move || {
        let mut rooms = Rooms::default();
        inbox.iter().for_each(|event| rooms.take(event));
    });
    let server = thread::spawn(move || {
        accept_clients(&listener, move |socket| serve(socket, &events));
    });
    demonstrate(address)?;
    if !flags.once {
        println!("Open http://{address}/ in two tabs of a browser. Ctrl-C ends the server.");
        server.join().map_err(|_| "the server's thread panicked")?;
    }
    Ok(())
}

/// Runs in a client's thread: reads the path of the handshake, and then the client's requests.
fn serve(socket: TcpStream, events: &Sender<Event>) -> Result<(), Error> {
    let tell = |event| events.send(event).expect("the dispatcher lives as long as its senders");
    let connection = Arc::new(Connection::new(socket)?);
    let mut room = String::new();
    #[expect(clippy::result_large_err, reason = "tungstenite's type")]
    let read_path = |request: &Request, response: Response| {
        let path = request.uri().path();
        room = path.strip_prefix("/room/").unwrap_or("lobby").to_owned();
        Ok(response)
    };
    let Some(mut websocket) = connection.accept_or_page(PAGE, read_path)? else { return Ok(()) };

    static NEXT: AtomicU64 = AtomicU64::new(1);
    let client = NEXT.fetch_add(1, Ordering::Relaxed);
    tell(Event::Joined { client, room, connection: Arc::clone(&connection) });
    let error = loop {
        let request = match websocket.read() {
            Ok(Message::Text(text)) => serde_json::from_str(&text).unwrap_or(Value::Null),
            Ok(Message::Binary(_)) => Value::Null,
            Ok(_) => continue,
            Err(error) => break error,
        };
        tell(Event::Said { client, request });
    };
    tell(Event::Left { client });
    connection.end(websocket, error)
}

/// Lets Ana and Ben meet in one room. Ana asks who is here, and takes a new name.
fn demonstrate(address: SocketAddr) -> Result<(), Box<dyn StdError>> {
    let enter = |name: &str| -> Result<_, Error> {
        let mut visitor = connect(address, format!("ws://{address}/room/blue"))?;
        visitor.send(json!({"type": "join", "name": name}).to_string().into())?;
        println!("{name} hears {}", hear(&mut visitor)?);
        Ok(visitor)
    };
    let mut ana = enter("Ana")?;
    let mut ben = enter("Ben")?;
    println!("Ana hears {}", hear(&mut ana)?);
    for request in [
        json!({"type": "who"}),
        json!({"type": "rename", "name": "Ben"}),
        json!({"type": "rename", "name": "Anna"}),
    ] {
        println!("Ana asks  {request}");
        ana.send(request.to_string().into())?;
        println!("Ana hears {}", hear(&mut ana)?);
    }
    println!("Ben hears {}", hear(&mut ben)?);
    drop(ana);
    println!("Ben hears {}", hear(&mut ben)?);
    Ok(())
}

/// Waits for the next JSON text.
fn hear(visitor: &mut Visitor) -> Result<String, Error> {
    loop {
        let text = visitor::hear(visitor)?;
        if text.starts_with('{') {
            return Ok(text);
        }
    }
}

/// Everything that a client's thread can tell the dispatcher.
enum Event {
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

/// The dispatcher's state: the connection list, with rooms and names.
#[derive(Default)]
struct Rooms {
    clients: BTreeMap<u64, Client>,
}

impl Rooms {
    /// Does what an event asks for.
    fn take(&mut self, event: Event) {
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
            // ANCHOR: who
            "who" => {
                let members: Vec<&str> = self.members(&room).map(|(name, _)| name).collect();
                let here = json!({"type": "here", "members": members});
                tell(self.named(&room, &me), &here);
            }
            // ANCHOR_END: who
            // ANCHOR: rename
            "rename" => {
                let name = field("name")?;
                self.check_name(&room, name)?;
                let renamed = json!({"type": "renamed", "from": me, "to": name});
                if let Some(client) = self.clients.get_mut(&id) {
                    client.name = Some(name.to_owned());
                }
                tell(self.all(&room), &renamed);
            }
            // ANCHOR_END: rename
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

    // ANCHOR: check_name
    fn check_name(&self, room: &str, name: &str) -> Result<(), String> {
        if name.is_empty() || name.chars().count() > 32 {
            return Err("a name has 1 to 32 characters".to_owned());
        }
        if self.named(room, name).is_some() {
            return Err(format!("{name} is here already"));
        }
        Ok(())
    }
    // ANCHOR_END: check_name

    fn join(&mut self, id: u64, room: &str, name: &str) -> Result<(), String> {
        self.check_name(room, name)?;
        tell(self.all(room), &json!({"type": "joined", "name": name}));
        if let Some(client) = self.clients.get_mut(&id) {
            client.name = Some(name.to_owned());
        }
        let members: Vec<&str> = self.members(room).map(|(name, _)| name).collect();
        let welcome = json!({"type": "welcome", "room": room, "members": members});
        tell(self.named(room, name), &welcome);
        Ok(())
    }

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
