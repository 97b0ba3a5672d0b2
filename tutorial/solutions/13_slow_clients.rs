//! The exercises of chapter 13, solved: a client that is behind misses messages but stays, and its
//! limit is counted in bytes.
//!
//! Run: `cargo run --example solution_13_slow_clients`
//! See: client 1 stops reading and misses messages. Later it learns how many it missed.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

#[path = "../../examples/common/accept_or_page.rs"]
mod accept_or_page;
#[path = "../../examples/common/linger.rs"]
mod linger;
#[path = "../../examples/13_slow_clients/member.rs"]
mod member;
#[path = "../../examples/common/visitor.rs"]
mod visitor;

use accept_or_page::accept_or_page;
use argh::FromArgs;
use chalkwire::protocol::{Frame, Opcode};
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use linger::{drain, linger};
use member::{join, message};
use tungstenite::handshake::server::NoCallback;
use tungstenite::{Message, WebSocket, protocol::Role};
use visitor::{Visitor, hear};

/// Runs a server where a client that does not read misses messages, but stays.
#[derive(FromArgs)]
struct Flags {
    /// where to listen, ADDR:PORT (default 127.0.0.1:8080)
    #[argh(option, default = "\"127.0.0.1:8080\".to_owned()")]
    listen: String,
    /// end after the demonstration
    #[argh(switch)]
    once: bool,
    /// bytes that may wait for a client (default 1048576)
    #[argh(option, default = "1024 * 1024")]
    room: usize,
}

/// How long a client waits for a message.
const PATIENCE: Duration = Duration::from_secs(5);

type AnyError = Box<dyn std::error::Error>;
const PAGE: &str = include_str!("../../examples/07_broadcast/page.html");

/// Everything that a client's thread can tell the dispatcher.
enum Event {
    /// A client has made its handshake. Everything for it goes into this outbox.
    Joined(u64, Outbox),
    /// A client has sent a message.
    Said(Opcode, Vec<u8>),
    /// A client has left, with a Close or without.
    Left(u64),
}

// ANCHOR: dispatch
/// Owns the connection list, and never waits for a client.
fn dispatch(events: &Receiver<Event>) {
    let mut clients: BTreeMap<u64, Outbox> = BTreeMap::new();
    for event in events {
        match event {
            Event::Joined(client, outbox) => _ = clients.insert(client, outbox),
            Event::Left(client) => _ = clients.remove(&client),
            Event::Said(opcode, payload) => {
                let frame: Arc<[u8]> = Frame::new(opcode, None, &payload).encode().into();
                clients.values_mut().for_each(|outbox| outbox.send_or_miss(&frame));
            }
        }
    }
}
// ANCHOR_END: dispatch

// ANCHOR: outbox
/// The one way out to a client: a queue, and the only thread that writes to the socket.
#[derive(Clone)]
struct Outbox {
    frames: Sender<Arc<[u8]>>,
    /// Bytes that wait. `send` adds to it, and the writer thread subtracts each frame that it has
    /// written.
    owed: Arc<AtomicUsize>,
    /// The limit of `owed`.
    room: usize,
    /// Messages that this client has missed since we last told it. Only the dispatcher uses this.
    missed: u64,
}

impl Outbox {
    fn new(socket: TcpStream, room: usize) -> Outbox {
        let (frames, waiting) = unbounded();
        let owed = Arc::new(AtomicUsize::new(0));
        let written = Arc::clone(&owed);
        thread::spawn(move || write_all(&socket, &waiting, &written));
        Outbox { frames, owed, room, missed: 0 }
    }

    /// For the dispatcher: never waits. A message without room is missed, and counted.
    fn send_or_miss(&mut self, frame: &Arc<[u8]>) {
        let owed = self.owed.load(Ordering::SeqCst);
        // When nothing waits, a message goes out even if it is larger than the limit.
        if owed > 0 && owed + frame.len() > self.room {
            self.missed += 1;
            return;
        }
        if self.missed > 0 {
            let note = format!("you have missed {} messages", self.missed);
            self.missed = 0;
            let _ = self.send(&Frame::new(Opcode::Text, None, note.as_bytes()).encode().into());
        }
        // If this fails, the client is leaving, and its own thread sends Left.
        let _ = self.send(frame);
    }

    fn send(&self, frame: &Arc<[u8]>) -> io::Result<()> {
        self.owed.fetch_add(frame.len(), Ordering::SeqCst);
        let sent = self.frames.send(Arc::clone(frame));
        sent.map_err(|_| io::ErrorKind::NotConnected.into())
    }
}

/// Runs in a client's writer thread: waits for this one socket, and for no other.
fn write_all(mut socket: &TcpStream, waiting: &Receiver<Arc<[u8]>>, owed: &AtomicUsize) {
    for frame in waiting {
        // After a Close (FIN 1, opcode 8) nothing may follow.
        if socket.write_all(&frame).is_err() || frame.first() == Some(&0x88) {
            break;
        }
        owed.fetch_sub(frame.len(), Ordering::SeqCst);
    }
    let _ = socket.shutdown(Shutdown::Write);
}
// ANCHOR_END: outbox

/// The stream that tungstenite gets: it reads from the socket, and writes into the outbox.
struct Stream {
    socket: TcpStream,
    outbox: Outbox,
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.read(buffer)
    }
}

impl Write for Stream {
    /// For the client's own thread: Pongs and the Close. If too many wait, the connection ends.
    fn write(&mut self, frame: &[u8]) -> io::Result<usize> {
        if self.outbox.owed.load(Ordering::SeqCst) > 2 * self.outbox.room {
            return Err(io::ErrorKind::NotConnected.into());
        }
        self.outbox.send(&frame.into()).map(|()| frame.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(()) // nothing is kept back
    }
}

/// Runs in a client's reader thread: waits in `read`, and tells the dispatcher.
fn serve(socket: TcpStream, events: &Sender<Event>, room: usize) -> Result<(), AnyError> {
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
        let opcode = match message {
            Message::Text(_) => Opcode::Text,
            Message::Binary(_) => Opcode::Binary,
            _ => continue, // tungstenite answers Ping and Close by itself, at the next read
        };
        events.send(Event::Said(opcode, message.into_data().to_vec()))?;
    }
    events.send(Event::Left(client))?;
    drain(&socket); // so that the Close arrives, as in chapter 12
    Ok(())
}

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

/// Client 1 does not read for a while. Client 2 talks, and waits until 2, 3 and 4 have heard it.
fn demonstrate(address: SocketAddr) -> Result<(), AnyError> {
    const MESSAGES: usize = 500;
    let member = || join(address, PATIENCE);
    let (mut stalled, mut others) = (member()?, [member()?, member()?, member()?]);
    println!("client 1 does not read; client 2 says {MESSAGES} messages of 64,000 bytes");
    for n in 1..=MESSAGES {
        say(&mut others, n)?;
    }
    println!("clients 2, 3 and 4 have all {MESSAGES}, in order");

    // While there is no room, client 1 misses every further message too. So it first reads
    // everything that waits for it, and only then client 2 says one more.
    stalled.get_mut().set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut heard = 0;
    while let Ok(text) = hear(&mut stalled) {
        // On a busy machine the writer thread may start late. Then a gap comes before this point too.
        if let Some(missed) = missed_in(&text) {
            heard += missed;
            continue;
        }
        heard += 1;
        if text != message(heard) {
            return Err(format!("client 1 heard {:?} instead of {heard}", text.trim()).into());
        }
    }
    println!("client 1 reads again: 1 to {heard}, in order; client 2 says one more");
    stalled.get_mut().set_read_timeout(Some(PATIENCE))?;
    say(&mut others, MESSAGES + 1)?;
    let note = hear(&mut stalled)?;
    println!("client 1 hears: {note}");
    println!("client 1 hears: {}", hear(&mut stalled)?.trim());
    let missed = MESSAGES - heard;
    if note != format!("you have missed {missed} messages") {
        return Err(format!("it has missed {missed}").into());
    }
    Ok(())
}

/// The number in a note such as `you have missed 7 messages`.
fn missed_in(text: &str) -> Option<usize> {
    text.strip_prefix("you have missed ")?.strip_suffix(" messages")?.parse().ok()
}

/// Lets client 2 say `n`, and waits until clients 2, 3 and 4 have heard it.
fn say(others: &mut [Visitor], n: usize) -> Result<(), AnyError> {
    let text = message(n);
    others[0].send(text.as_str().into())?;
    for (client, other) in (2..).zip(others) {
        if hear(other)? != text {
            return Err(format!("client {client} missed message {n}").into());
        }
    }
    Ok(())
}
