//! Slow clients: a bounded outbox for each client, so that only the slow one pays. You learn why a
//! queue has to have an end, and what to do with a client whose queue is full.
//!
//! Run: `cargo run --example 13_slow_clients`, and again with `--room 0`: queues without an end.
//! See: one client stops reading. It is dropped, and the others get everything, in order.
//! Still wrong: any page may come in, and who comes may be as large and as late as it likes (14).

#[path = "parts/member.rs"]
mod member;
#[path = "parts/outbox.rs"]
mod outbox;

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{thread, time::Duration};

use argh::FromArgs;
use chalkwire::protocol::{Frame, Opcode};
use crossbeam_channel::{Receiver, Sender, bounded};
use member::{connect, hear};
use outbox::{Outbox, Stream, linger, open_or_page};
use tungstenite::Message;

/// Everyone hears what anyone says, as long as they read.
#[derive(FromArgs)]
struct Flags {
    /// where to listen, ADDR:PORT (default 127.0.0.1:8080)
    #[argh(option, default = "\"127.0.0.1:8080\".to_owned()")]
    listen: String,
    /// end after the demonstration
    #[argh(switch)]
    once: bool,
    /// messages that may wait for a client (default 256); 0 is without an end
    #[argh(option, default = "256")]
    room: usize,
}

type AnyError = Box<dyn std::error::Error>;

/// Everything the dispatcher is ever told. The clients' threads tell it.
enum Event {
    /// A client has shaken hands; this is the way out to it.
    Joined(u64, Outbox),
    /// A client has sent a text or binary message.
    Said(Message),
    /// A client has gone, with a Close or without.
    Left(u64),
}

// ANCHOR: dispatch
/// The only owner of the connection list. It never waits for a client.
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
/// The body of a client's reader thread: it waits in `read`, and tells the dispatcher.
fn serve(socket: TcpStream, events: &Sender<Event>, room: usize) -> Result<(), AnyError> {
    socket.set_nodelay(true)?; // a small frame does not wait for the one before it
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    let outbox = Outbox::new(socket.try_clone()?, room);
    let stream = Stream { socket: socket.try_clone()?, outbox: outbox.clone() };
    let opened = open_or_page(stream, include_str!("07_broadcast.html"))?;
    let Some(mut websocket) = opened else { return Ok(()) };
    socket.set_read_timeout(None)?; // from here on silence is no fault

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
    Ok(linger(&socket)?) // so that the Close arrives, as in chapter 12
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
            // A connection's error ends that connection only.
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

/// Client 1 does not read. Client 2 talks; it goes on when 2, 3 and 4 have heard it.
fn demonstrate(address: SocketAddr) -> Result<(), AnyError> {
    const MESSAGES: usize = 500;
    let member = || connect(address, Duration::from_secs(5));
    let (mut stalled, mut others) = (member()?, [member()?, member()?, member()?]);
    println!("client 1 does not read; client 2 says {MESSAGES} messages of 64,000 bytes");
    for n in 1..=MESSAGES {
        others[0].send(format!("{n:64000}").into())?;
        for (client, other) in (2..).zip(&mut others) {
            if hear(other)?.trim() != n.to_string() {
                return Err(format!("client {client} missed message {n}").into());
            }
        }
    }
    println!("clients 2, 3 and 4 have all {MESSAGES}, in order");

    let mut end = "no more is owed".to_owned();
    let mut read = || hear(&mut stalled).map_err(|error| end = error.to_string()).ok();
    let texts: Vec<_> = (0..MESSAGES).map_while(|_| read()).collect();
    if !texts.iter().zip(1..).all(|(text, n)| text.trim() == n.to_string()) {
        return Err("client 1 has a gap".into());
    }
    println!("client 1 reads again: 1 to {}, in order, and then\n  {end}", texts.len());
    Ok(())
}
