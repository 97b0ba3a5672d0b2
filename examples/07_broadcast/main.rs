//! Chapter 07: broadcast. One thread owns the connection list, and everyone hears what anyone says.
//!
//! Learn: how to send to a client whose thread is blocked in `read`; a list with one owner.
//! Run:   `cargo run --example 07_broadcast`, then open the address in two tabs of a browser.
//! See:   both tabs hear what one of them says, and the count goes down when you close a tab.
//! Still wrong: everyone hears everything, and nobody has a name. Chapter 08 adds rooms and names.

#[path = "../common/connection.rs"]
mod connection;
#[path = "../common/visitor.rs"]
mod visitor;

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use chalkwire::protocol::{Frame, Opcode};
use connection::{Connection, accept_clients};
use crossbeam_channel::{Receiver, Sender, bounded};
use tungstenite::handshake::server::NoCallback;
use tungstenite::{Error, Message};
use visitor::{connect, hear};

/// Runs a server where everyone hears what anyone says.
#[derive(argh::FromArgs)]
struct Flags {
    /// where to listen, ADDR:PORT (default 127.0.0.1:8080)
    #[argh(option, default = "\"127.0.0.1:8080\".to_owned()")]
    listen: String,
    /// end after the demonstration
    #[argh(switch)]
    once: bool,
}

const PAGE: &str = include_str!("page.html");

// ANCHOR: main
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
// ANCHOR_END: main

// ANCHOR: event
/// Everything that a client's thread can tell the dispatcher.
enum Event {
    /// A client has made its opening handshake.
    Joined(u64, Arc<Connection>),
    /// A client has sent a text or binary message.
    Said(Message),
    /// A client has gone, with a Close or without.
    Left(u64),
}
// ANCHOR_END: event

// ANCHOR: dispatch
/// Owns the connection list. Ends when no thread is left that could send an event.
fn dispatch(events: &Receiver<Event>) {
    let mut clients = BTreeMap::new();
    for event in events {
        let message = match event {
            Event::Joined(client, connection) => {
                clients.insert(client, connection);
                Message::text(format!("client {client} came, {} here", clients.len()))
            }
            Event::Said(message) => message,
            Event::Left(client) => {
                clients.remove(&client);
                Message::text(format!("client {client} left, {} here", clients.len()))
            }
        };
        let opcode = if message.is_text() { Opcode::Text } else { Opcode::Binary };
        let frame = Frame::new(opcode, None, &message.into_data()).encode();
        for connection in clients.values() {
            // If this fails, the client's own thread sees the end too, and sends Left.
            let _ = connection.send(&frame);
        }
    }
}
// ANCHOR_END: dispatch

// ANCHOR: serve
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
            Ok(message @ (Message::Text(_) | Message::Binary(_))) => tell(Event::Said(message)),
            Ok(_) => {} // tungstenite answers Ping and Close by itself, in the next read
            Err(error) => break error,
        }
    };
    tell(Event::Left(client));
    connection.end(websocket, error)
}
// ANCHOR_END: serve

// ANCHOR: demonstrate
/// Runs two clients. The second reloads its page five times.
fn demonstrate(address: SocketAddr) -> Result<(), Box<dyn StdError>> {
    let url = format!("ws://{address}/");
    let mut first = connect(address, &url)?;
    println!("client 1 hears: {}", hear(&mut first)?);
    let mut second = connect(address, &url)?;
    println!("client 1 hears: {}", hear(&mut first)?);
    println!("client 2 hears: {}", hear(&mut second)?);

    println!("client 1 says:  hello");
    first.send("hello".into())?;
    println!("client 1 hears: {}", hear(&mut first)?);
    println!("client 2 hears: {}", hear(&mut second)?);

    println!("the page of client 2 is reloaded five times");
    let mut last = String::new();
    for reload in 0..5 {
        if reload % 2 == 0 {
            second.close(None)?; // the other times it leaves without a Close
        }
        drop(second);
        println!("client 1 hears: {}", hear(&mut first)?);
        second = connect(address, &url)?;
        last = hear(&mut first)?;
    }
    println!("client 1 hears: {last}");
    Ok(())
}
// ANCHOR_END: demonstrate
