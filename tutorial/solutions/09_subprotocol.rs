//! The exercises of chapter 09, solved: a second subprotocol, and plain-text clients that hear the
//! classroom.

#[path = "../../examples/common/connection.rs"]
mod connection;
#[path = "../../examples/09_subprotocol/offer.rs"]
mod offer;
#[path = "../../examples/common/visitor.rs"]
mod visitor;

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use chalkwire::dispatcher::classroom::{Classroom, Delivery, parse};
use chalkwire::protocol::{Frame, Opcode};
use chalkwire::sys::ConnectionId;
use connection::{Connection, accept_clients};
use crossbeam_channel::{Sender, bounded};
use offer::offer_by_hand;
use serde_json::Value;
use tungstenite::handshake::server::{Request, Response};
use tungstenite::http::HeaderValue;
use tungstenite::{ClientRequestBuilder, Error, Message};
use visitor::{connect, hear};

/// Runs a server with rooms that speak plain text, classroom.v1 or shout.v1.
#[derive(argh::FromArgs)]
struct Flags {
    /// where to listen, ADDR:PORT (default 127.0.0.1:8080)
    #[argh(option, default = "\"127.0.0.1:8080\".to_owned()")]
    listen: String,
    /// end after the demonstration
    #[argh(switch)]
    once: bool,
    /// do not serve: make the handshakes with the server at this ADDR:PORT
    #[argh(option)]
    against: Option<SocketAddr>,
}

const PAGE: &str = include_str!("../../examples/09_subprotocol/page.html");

fn main() -> Result<(), Box<dyn StdError>> {
    let flags: Flags = argh::from_env();
    if let Some(address) = flags.against {
        return make_offers(address);
    }
    let listener = TcpListener::bind(&flags.listen)
        .map_err(|error| format!("cannot listen at {}: {error}", flags.listen))?;
    let address = listener.local_addr()?;
    println!("listening at http://{address}/");

    let (events, inbox) = bounded(64);
    let mut rooms = Rooms::default();
    thread::spawn(move || inbox.iter().for_each(|event| rooms.take(event)));
    let serve = move |socket| serve(socket, &events);
    let server = thread::spawn(move || accept_clients(&listener, serve));
    make_offers(address)?;
    talk(address)?;
    if !flags.once {
        println!("Open http://{address}/ in a browser. Ctrl-C ends the server.");
        server.join().map_err(|_| "the server's thread panicked")?;
    }
    Ok(())
}

// ANCHOR: choose
/// The subprotocols that we speak, besides plain text.
const SPOKEN: [&str; 2] = [CLASSROOM, SHOUT];

/// Chooses the first offer that we speak. A client puts first what it likes best.
fn choose(request: &Request) -> Option<&'static str> {
    let lines = request.headers().get_all("Sec-WebSocket-Protocol").iter();
    let mut offers = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
    offers.find_map(|offer| SPOKEN.into_iter().find(|spoken| *spoken == offer.trim()))
}
// ANCHOR_END: choose

fn serve(socket: TcpStream, events: &Sender<Event>) -> Result<(), Error> {
    let tell = |event| events.send(event).expect("the dispatcher lives as long as its senders");
    let connection = Arc::new(Connection::new(socket)?);
    let (mut room, mut speaks) = (String::new(), None);
    #[expect(clippy::result_large_err, reason = "tungstenite's type")]
    let agree = |request: &Request, mut response: Response| {
        let path = request.uri().path();
        room = path.strip_prefix("/room/").unwrap_or("lobby").to_owned();
        speaks = choose(request);
        if let Some(chosen) = speaks {
            let header = HeaderValue::from_static(chosen);
            response.headers_mut().insert("Sec-WebSocket-Protocol", header);
        }
        Ok(response)
    };
    let Some(mut websocket) = connection.accept_or_page(PAGE, agree)? else { return Ok(()) };

    static NEXT: AtomicU64 = AtomicU64::new(1);
    let client = NEXT.fetch_add(1, Ordering::Relaxed);
    tell(Event::Joined { client, room, speaks, connection: Arc::clone(&connection) });
    let error = loop {
        match websocket.read() {
            Ok(message @ (Message::Text(_) | Message::Binary(_))) => {
                tell(Event::Said { client, message });
            }
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    tell(Event::Left { client });
    connection.end(websocket, error)
}

/// Makes each offer twice: by hand, to see the answer, and with tungstenite, to see if it agrees.
fn make_offers(address: SocketAddr) -> Result<(), Box<dyn StdError>> {
    println!("offer                    the answer    tungstenite's client");
    for offer in [&[SHOUT, CLASSROOM] as &[&str], &[CLASSROOM, SHOUT], &[SHOUT]] {
        let (_, chosen) = offer_by_hand(address, &offer.join(", "))?;
        let request = ClientRequestBuilder::new(format!("ws://{address}/room/blue").parse()?);
        let request = offer.iter().fold(request, |request, one| request.with_sub_protocol(*one));
        let verdict = match connect(address, request) {
            Ok(_) => "open".to_owned(),
            Err(Error::Protocol(rule)) => rule.to_string(),
            Err(error) => return Err(error.into()),
        };
        println!("{:22}   {chosen:12}  {verdict}", offer.join(", "));
    }
    Ok(())
}

/// Lets three clients talk: Ana speaks `classroom.v1`, Tom plain text, and Lou `shout.v1`.
fn talk(address: SocketAddr) -> Result<(), Box<dyn StdError>> {
    let (mut ana, _) = offer_by_hand(address, CLASSROOM)?;
    let (mut tom, _) = offer_by_hand(address, "")?;
    let (mut lou, _) = offer_by_hand(address, SHOUT)?;
    ana.send(r#"{"type":"join","name":"Ana"}"#.into())?;
    println!("Ana hears {}", hear(&mut ana)?);
    lou.send("good morning".into())?;
    println!("Lou hears {}", hear(&mut lou)?);
    ana.send(r#"{"type":"say","text":"hello"}"#.into())?;
    println!("Ana hears {}", hear(&mut ana)?);
    println!("Tom hears {}", hear(&mut tom)?);
    Ok(())
}

/// The first subprotocol.
const CLASSROOM: &str = "classroom.v1";
/// The second subprotocol: plain text in capitals.
const SHOUT: &str = "shout.v1";

/// Everything that a client's thread can tell the dispatcher.
enum Event {
    /// A client has made its handshake. `speaks` is the agreed subprotocol, if there is one.
    Joined { client: u64, room: String, speaks: Option<&'static str>, connection: Arc<Connection> },
    /// A client has sent a text or binary message.
    Said { client: u64, message: Message },
    /// A client has left.
    Left { client: u64 },
}

/// What the dispatcher knows of a client. Its name is in the [`Classroom`].
struct Client {
    room: String,
    speaks: Option<&'static str>,
    connection: Arc<Connection>,
}

/// The dispatcher's state.
#[derive(Default)]
struct Rooms {
    clients: BTreeMap<u64, Client>,
    /// One for each room where a client speaks `classroom.v1`.
    classrooms: BTreeMap<String, Classroom>,
}

impl Rooms {
    /// Does what an event asks for.
    fn take(&mut self, event: Event) {
        match event {
            Event::Joined { client, room, speaks, connection } => {
                self.clients.insert(client, Client { room, speaks, connection });
            }
            Event::Said { client, message } => {
                // ANCHOR: said
                let Some(Client { room, speaks, .. }) = self.clients.get(&client) else { return };
                let message = match (*speaks, message) {
                    (Some(CLASSROOM), message) => return self.ask_classroom(client, message),
                    (Some(SHOUT), Message::Text(text)) => Message::text(text.to_uppercase()),
                    (_, message) => message,
                };
                self.tell(room, *speaks, message);
                // ANCHOR_END: said
            }
            Event::Left { client } => self.leave(client),
        }
    }

    // ANCHOR: classroom
    /// Gives a request to the classroom. Clients that speak plain text hear what is said there, but
    /// not the whispers or anything else.
    fn ask_classroom(&mut self, id: u64, message: Message) {
        let Some(room) = self.clients.get(&id).map(|client| client.room.clone()) else { return };
        let request = match &message {
            Message::Text(text) => parse(text),
            _ => Err("classroom.v1 messages are text, not binary".to_owned()),
        };
        let new = || Classroom::new(&room);
        let deliveries =
            self.classrooms.entry(room.clone()).or_insert_with(new).take(ConnectionId(id), request);
        for Delivery { text, .. } in &deliveries {
            let notice: Value = serde_json::from_str(text).unwrap_or(Value::Null);
            let part = |name: &str| notice[name].as_str();
            if let (Some("said"), Some(from), Some(text)) =
                (part("type"), part("from"), part("text"))
            {
                self.tell(&room, None, Message::text(format!("{from}: {text}")));
            }
        }
        self.deliver(deliveries);
    }
    // ANCHOR_END: classroom

    /// Sends a message to the clients of a room that speak the same.
    fn tell(&self, room: &str, speaks: Option<&str>, message: Message) {
        let opcode = if message.is_text() { Opcode::Text } else { Opcode::Binary };
        let frame = Frame::new(opcode, None, &message.into_data()).encode();
        for client in self.clients.values() {
            if client.room == room && client.speaks == speaks {
                let _ = client.connection.send(&frame);
            }
        }
    }

    fn leave(&mut self, id: u64) {
        let Some(client) = self.clients.remove(&id) else { return };
        let Some(classroom) = self.classrooms.get_mut(&client.room) else { return };
        let farewell = classroom.leave(ConnectionId(id));
        let another = |other: &Client| other.speaks == Some(CLASSROOM) && other.room == client.room;
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
