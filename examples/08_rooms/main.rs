//! Chapter 08: rooms, with names, a list of who is here, and messages for one person, in JSON.
//!
//! Learn: how the dispatcher keeps state for each client; a message format of your own.
//! Run:   `cargo run --example 08_rooms`, then open the address in two tabs of a browser.
//! See:   a message stays in its room, and a whisper reaches one person.
//! Still wrong: every client must speak this JSON, but no client has agreed to. See chapter 09.

#[path = "../common/connection.rs"]
mod connection;
mod rooms;
#[path = "../common/visitor.rs"]
mod visitor;

use std::error::Error as StdError;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use connection::{Connection, accept_clients};
use crossbeam_channel::{Sender, bounded};
use rooms::{Event, Rooms};
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

const PAGE: &str = include_str!("page.html");

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

// ANCHOR: serve
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
// ANCHOR_END: serve

// ANCHOR: demonstrate
/// Lets Ana and Ben talk in the room "blue", and Zoe in the room "red".
fn demonstrate(address: SocketAddr) -> Result<(), Box<dyn StdError>> {
    let enter = |room: &str, name: &str| -> Result<_, Error> {
        let mut visitor = connect(address, format!("ws://{address}/room/{room}"))?;
        visitor.send(json!({"type": "join", "name": name}).to_string().into())?;
        println!("{name} hears {}", hear(&mut visitor)?);
        Ok(visitor)
    };
    let mut ana = enter("blue", "Ana")?;
    let mut zoe = enter("red", "Zoe")?;
    let mut ben = enter("blue", "Ben")?;
    println!("Ana hears {}", hear(&mut ana)?);

    println!("-- Ana says hello, and whispers to Ben; Zoe speaks in her room");
    ana.send(json!({"type": "say", "text": "hello"}).to_string().into())?;
    println!("Ana hears {}", hear(&mut ana)?);
    println!("Ben hears {}", hear(&mut ben)?);
    ana.send(json!({"type": "whisper", "to": "Ben", "text": "psst"}).to_string().into())?;
    println!("Ben hears {}", hear(&mut ben)?);
    zoe.send(json!({"type": "say", "text": "anyone?"}).to_string().into())?;
    println!("Zoe hears {}", hear(&mut zoe)?);

    println!("-- Ana whispers to Zoe, who is in another room; Ben goes without a word");
    ana.send(json!({"type": "whisper", "to": "Zoe", "text": "psst"}).to_string().into())?;
    println!("Ana hears {}", hear(&mut ana)?);
    drop(ben);
    println!("Ana hears {}", hear(&mut ana)?);
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
// ANCHOR_END: demonstrate
