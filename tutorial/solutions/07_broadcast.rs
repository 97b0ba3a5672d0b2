//! The exercises of chapter 07, solved: a sender does not hear its own messages, and a new client
//! hears the last ten.

#[path = "../../examples/common/connection.rs"]
mod connection;
#[path = "../../examples/common/visitor.rs"]
mod visitor;

use std::collections::{BTreeMap, VecDeque};
use std::error::Error as StdError;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use argh::FromArgs;
use chalkwire::protocol::{Frame, Opcode};
use connection::{Connection, accept_clients};
use crossbeam_channel::{Receiver, Sender, bounded};
use tungstenite::handshake::server::NoCallback;
use tungstenite::{Error, Message};
use visitor::{connect, hear};

/// Runs a server where everyone hears what anyone else says.
#[derive(FromArgs)]
struct Flags {
    /// where to listen, ADDR:PORT (default 127.0.0.1:8080)
    #[argh(option, default = "\"127.0.0.1:8080\".to_owned()")]
    listen: String,
    /// end after the demonstration
    #[argh(switch)]
    once: bool,
}

const PAGE: &str = include_str!("../../examples/07_broadcast/page.html");

fn main() -> Result<(), Box<dyn StdError>> {
    let flags: Flags = argh::from_env();
    let listener = TcpListener::bind(&flags.listen)
        .map_err(|error| format!("cannot listen at {}: {error}", flags.listen))?;
    let address = listener.local_addr()?;
    println!("listening at http://{address}/");

    let (events, inbox) = bounded(64);
    thread::spawn(move || dispatch(&inbox));
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

/// Everything that a client's thread can tell the dispatcher.
enum Event {
    /// A client has made its opening handshake.
    Joined(u64, Arc<Connection>),
    /// A client has sent a text or binary message.
    Said(u64, Message),
    /// A client has left, with a Close or without.
    Left(u64),
}

/// How many messages the dispatcher keeps for new clients.
const KEPT: usize = 10;

// ANCHOR: dispatch
/// Owns the connection list. Ends when no thread is left that could send an event.
fn dispatch(events: &Receiver<Event>) {
    let mut clients: BTreeMap<u64, Arc<Connection>> = BTreeMap::new();
    let mut last_said: VecDeque<Vec<u8>> = VecDeque::new();
    for event in events {
        let (sender, message) = match event {
            Event::Joined(client, connection) => {
                for frame in &last_said {
                    let _ = connection.send(frame);
                }
                clients.insert(client, connection);
                (None, Message::text(format!("client {client} came, {} here", clients.len())))
            }
            Event::Said(client, message) => (Some(client), message),
            Event::Left(client) => {
                clients.remove(&client);
                (None, Message::text(format!("client {client} left, {} here", clients.len())))
            }
        };
        let opcode = if message.is_text() { Opcode::Text } else { Opcode::Binary };
        let frame = Frame::new(opcode, None, &message.into_data()).encode();
        for (client, connection) in &clients {
            if sender != Some(*client) {
                let _ = connection.send(&frame);
            }
        }
        if sender.is_some() {
            last_said.push_back(frame);
            last_said.drain(..last_said.len().saturating_sub(KEPT));
        }
    }
}
// ANCHOR_END: dispatch

/// Runs in a client's thread: waits in `read`, and tells the dispatcher what the client says.
fn serve(socket: TcpStream, events: &Sender<Event>) -> Result<(), Error> {
    let tell = |event| events.send(event).expect("the dispatcher lives as long as its senders");
    let connection = Arc::new(Connection::new(socket)?);
    let Some(mut websocket) = connection.accept_or_page(PAGE, NoCallback)? else { return Ok(()) };

    static NEXT: AtomicU64 = AtomicU64::new(1);
    let client = NEXT.fetch_add(1, Ordering::Relaxed);
    tell(Event::Joined(client, Arc::clone(&connection)));
    let error = loop {
        match websocket.read() {
            Ok(message @ (Message::Text(_) | Message::Binary(_))) => {
                tell(Event::Said(client, message))
            }
            Ok(_) => {} // tungstenite answers Ping and Close by itself, in the next read
            Err(error) => break error,
        }
    };
    tell(Event::Left(client));
    connection.end(websocket, error)
}

/// Lets one client speak before the other comes.
fn demonstrate(address: SocketAddr) -> Result<(), Box<dyn StdError>> {
    let url = format!("ws://{address}/");
    let mut first = connect(address, &url)?;
    println!("client 1 hears: {}", hear(&mut first)?);
    println!("client 1 says:  one, two");
    first.send("one".into())?;
    first.send("two".into())?;
    // When the Pong comes, the dispatcher has the texts that were sent before the Ping.
    first.send(Message::Ping("done?".into()))?;
    while !first.read()?.is_pong() {}
    let mut second = connect(address, &url)?;
    for _ in 0..3 {
        println!("client 2 hears: {}", hear(&mut second)?);
    }
    println!("client 2 says:  three");
    second.send("three".into())?;
    println!("client 1 hears: {}", hear(&mut first)?);
    println!("client 1 hears: {}", hear(&mut first)?);
    println!("client 1 says:  four");
    first.send("four".into())?;
    println!("client 2 hears: {}", hear(&mut second)?);
    Ok(())
}
