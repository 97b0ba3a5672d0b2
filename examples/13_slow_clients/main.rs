//! Chapter 13: slow clients. Each client has a bounded outbox, so that only the slow one pays.
//!
//! Learn: why a queue needs a limit, and what to do with a client whose queue is full.
//! Run:   `cargo run --example 13_slow_clients`, and again with `--room 0`: queues without a limit.
//! See:   one client stops reading. The server drops it, and the others get everything, in order.
//! Still wrong: the server accepts any page, any size and any delay. Chapter 14 sets limits.

#[path = "../common/accept_or_page.rs"]
mod accept_or_page;
mod demonstration;
#[path = "../common/linger.rs"]
mod linger;
mod member;
mod outbox;
#[path = "../common/visitor.rs"]
mod visitor;

use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use accept_or_page::accept_or_page;
use argh::FromArgs;
use chalkwire::protocol::{Frame, Opcode};
use crossbeam_channel::{Receiver, Sender, bounded};
use demonstration::demonstrate;
use linger::{drain, linger};
use outbox::{Outbox, Stream};
use tungstenite::handshake::server::NoCallback;
use tungstenite::{Message, WebSocket, protocol::Role};

/// Runs a server where everyone who reads hears what anyone says.
#[derive(FromArgs)]
struct Flags {
    /// where to listen, ADDR:PORT (default 127.0.0.1:8080)
    #[argh(option, default = "\"127.0.0.1:8080\".to_owned()")]
    listen: String,
    /// end after the demonstration
    #[argh(switch)]
    once: bool,
    /// messages that may wait for a client (default 256); 0 means any number
    #[argh(option, default = "256")]
    room: usize,
}

type AnyError = Box<dyn std::error::Error>;
const PAGE: &str = include_str!("../07_broadcast/page.html");

/// Everything that a client's thread can tell the dispatcher.
enum Event {
    /// A client has made its handshake. Everything for it goes into this outbox.
    Joined(u64, Outbox),
    /// A client has sent a text or binary message.
    Said(Message),
    /// A client has left, with a Close or without.
    Left(u64),
}

// ANCHOR: dispatch
/// Owns the connection list, and never waits for a client.
fn dispatch(events: &Receiver<Event>) {
    let mut clients: BTreeMap<u64, Outbox> = BTreeMap::new();
    let mut said = 0;
    for event in events {
        match event {
            Event::Joined(client, outbox) => _ = clients.insert(client, outbox),
            Event::Left(client) => _ = clients.remove(&client),
            Event::Said(message) => {
                said += 1;
                let opcode = if message.is_text() { Opcode::Text } else { Opcode::Binary };
                let frame = Frame::new(opcode, None, &message.into_data()).encode();
                let frame: Arc<[u8]> = frame.into(); // one for all queues
                clients.retain(|client, outbox| outbox.try_send(&frame, *client));
                if said % 250 == 0 {
                    for (client, outbox) in clients.iter().filter(|(_, outbox)| outbox.len() > 1) {
                        println!("{said} said: {} of them wait for client {client}", outbox.len());
                    }
                }
            }
        }
    }
}
// ANCHOR_END: dispatch

// ANCHOR: serve
/// Runs in a client's reader thread: waits in `read`, and tells the dispatcher.
fn serve(socket: TcpStream, events: &Sender<Event>, room: usize) -> Result<(), AnyError> {
    socket.set_nodelay(true)?; // a small frame does not wait for the one before it
    if accept_or_page(&socket, PAGE, NoCallback)?.is_none() {
        linger(&socket);
        return Ok(());
    }
    socket.set_read_timeout(None)?; // from here on a client may be silent
    let outbox = Outbox::new(socket.try_clone()?, room);
    let stream = Stream { socket: socket.try_clone()?, outbox: outbox.clone() };
    let mut websocket = WebSocket::from_raw_socket(stream, Role::Server, None);

    static NEXT: AtomicU64 = AtomicU64::new(1);
    let client = NEXT.fetch_add(1, Ordering::Relaxed);
    events.send(Event::Joined(client, outbox))?;
    while let Ok(message) = websocket.read() {
        // tungstenite answers Ping and Close by itself, in the next read.
        if message.is_text() || message.is_binary() {
            events.send(Event::Said(message))?;
        }
    }
    events.send(Event::Left(client))?;
    drain(&socket); // so that the Close arrives, as in chapter 12
    Ok(())
}
// ANCHOR_END: serve

fn main() -> Result<(), AnyError> {
    let Flags { listen, once, room } = argh::from_env();
    let listener = TcpListener::bind(&listen)
        .map_err(|error| format!("cannot listen at {listen}: {error}"))?;
    let address = listener.local_addr()?;
    println!("listening at http://{address}/");
    let (events, inbox) = bounded(64);
    thread::spawn(move || dispatch(&inbox));
    let server = thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let events = events.clone();
            // An error of a connection ends only that connection.
            thread::spawn(move || serve(socket, &events, room).map_err(|error| error.to_string()));
        }
    });
    demonstrate(address)?;
    if !once {
        println!("open it in two tabs; Ctrl-C ends it");
        let _ = server.join();
    }
    Ok(())
}
