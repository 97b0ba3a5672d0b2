//! Wrong, for chapter 13: the dispatcher itself writes to each client, and waits.
//!
//! Learn: one client that stops reading stops everybody. It need not send anything.
//! Run:   `cargo run --example wrong_13_everyone_waits`
//! See:   a room that freezes, and the number of the message that does not reach everyone.

mod member;
#[path = "../common/visitor.rs"]
mod visitor;

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::{thread, time::Duration};

use argh::FromArgs;
use chalkwire::protocol::{Frame, Opcode};
use crossbeam_channel::{Receiver, Sender, bounded};
use member::{join, message};
use tungstenite::{Message, accept};
use visitor::hear;

/// Runs a server where everyone waits for the slowest client.
#[derive(FromArgs)]
struct Flags {
    /// where to listen, ADDR:PORT (default 127.0.0.1:8080)
    #[argh(option, default = "\"127.0.0.1:8080\".to_owned()")]
    listen: String,
    /// end after the demonstration
    #[argh(switch)]
    once: bool,
}

/// How long a client waits for a message before it reports that nothing comes.
const PATIENCE: Duration = Duration::from_secs(1);

type AnyError = Box<dyn std::error::Error>;

/// Everything that a client's thread can tell the dispatcher, as in chapter 07.
enum Event {
    Joined(u64, Writer),
    Said(Vec<u8>),
    Left(u64),
}

// ANCHOR: dispatch
fn dispatch(events: &Receiver<Event>) {
    let mut clients: BTreeMap<u64, Writer> = BTreeMap::new();
    for event in events {
        match event {
            Event::Joined(client, writer) => _ = clients.insert(client, writer),
            Event::Left(client) => _ = clients.remove(&client),
            Event::Said(payload) => {
                let frame = Frame::new(Opcode::Text, None, &payload).encode();
                for writer in clients.values() {
                    let _ = writer.send(&frame); // waits until this client has room
                }
            }
        }
    }
}
// ANCHOR_END: dispatch

/// The one way out to a client, as in chapter 07, but without a limit for the wait.
#[derive(Clone)]
struct Writer(Arc<Mutex<TcpStream>>);

impl Writer {
    fn send(&self, frame: &[u8]) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write_all(frame)
    }
}

struct Stream {
    socket: TcpStream,
    writer: Writer,
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.read(buffer)
    }
}

impl Write for Stream {
    fn write(&mut self, frame: &[u8]) -> io::Result<usize> {
        self.writer.send(frame).map(|()| frame.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn serve(socket: TcpStream, events: &Sender<Event>) -> Result<(), AnyError> {
    let writer = Writer(Arc::new(Mutex::new(socket.try_clone()?)));
    let stream = Stream { socket, writer: writer.clone() };
    let mut websocket = accept(stream).map_err(|error| error.to_string())?;
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let client = NEXT.fetch_add(1, Ordering::Relaxed);
    events.send(Event::Joined(client, writer))?;
    while let Ok(message) = websocket.read() {
        if let Message::Text(text) = message {
            events.send(Event::Said(text.as_bytes().to_vec()))?;
        }
    }
    Ok(events.send(Event::Left(client))?)
}

fn main() -> Result<(), AnyError> {
    let flags: Flags = argh::from_env();
    let listener = TcpListener::bind(&flags.listen)
        .map_err(|error| format!("cannot listen at {}: {error}", flags.listen))?;
    let address = listener.local_addr()?;
    println!("listening at {address}");
    let (events, inbox) = bounded(64);
    thread::spawn(move || dispatch(&inbox));
    let server = thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let events = events.clone();
            thread::spawn(move || serve(socket, &events).map_err(|error| error.to_string()));
        }
    });
    let frozen = demonstrate(address);
    if !flags.once {
        println!("still frozen; Ctrl-C ends it");
        let _ = server.join();
    }
    frozen
}

/// Client 1 does not read. Client 2 talks, and always waits until 2, 3 and 4 have heard it.
fn demonstrate(address: SocketAddr) -> Result<(), AnyError> {
    let member = || join(address, PATIENCE);
    let (stalled, mut others) = (member()?, [member()?, member()?, member()?]);
    println!("client 1 does not read; client 2 says messages of 64,000 bytes");
    for n in 1..=100_000 {
        others[0].send(message(n).into())?;
        let heard = others.iter_mut().filter_map(|other| hear(other).ok()).count();
        if heard < others.len() {
            println!("messages 1 to {} came to everyone", n - 1);
            println!("message {n} came to {heard} of 3 within 1 s");
            // A new client gets its 101 from its own thread, but the dispatcher does not see it.
            let mut newcomer = member()?;
            newcomer.send("hello?".into())?;
            if hear(&mut newcomer).is_err() {
                println!("client 5 comes, says hello, and hears nothing for 1 s either");
            }
            drop(stalled);
            return Err("one client that does not read has stopped everyone".into());
        }
    }
    Ok(())
}
