//! Chapter 13, both exercises: a client that is behind misses messages and stays, and how far behind it
//! may be is counted in bytes.
//!
//! Run: `cargo run --example solution_13_slow_clients`
//! See: client 1 stops reading, misses messages, reads again, and is told how many it has missed.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use argh::FromArgs;
use chalkwire::protocol::{Frame, Opcode};
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use tungstenite::error::ProtocolError::MissingConnectionUpgradeHeader;
use tungstenite::{Error, HandshakeError, Message, WebSocket, accept, client};

/// Everyone hears what anyone says, as long as they read.
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

/// How long we wait for a request, and for the end of a client that we have said goodbye to.
const PATIENCE: Duration = Duration::from_secs(1);

type AnyError = Box<dyn std::error::Error>;

/// Everything the dispatcher is ever told. The clients' threads tell it.
enum Event {
    /// A client has shaken hands; this is the way out to it.
    Joined(u64, Outbox),
    /// A client has sent a message.
    Said(Opcode, Vec<u8>),
    /// A client has gone, with a Close or without.
    Left(u64),
}

// ANCHOR: dispatch
/// The only owner of the connection list. It never waits for a client.
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
/// The one way out to a client: a queue, and a thread that alone writes to the socket.
#[derive(Clone)]
struct Outbox {
    frames: Sender<Arc<[u8]>>,
    /// Bytes that wait. Grows in `send`; shrinks when the writer thread is done with a frame.
    owed: Arc<AtomicUsize>,
    /// The limit of `owed`.
    room: usize,
    /// Messages that this client has missed since it was last told. The dispatcher's own.
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

    /// For the dispatcher: never waits. What there is no room for is missed, and counted.
    fn send_or_miss(&mut self, frame: &Arc<[u8]>) {
        let owed = self.owed.load(Ordering::SeqCst);
        // A message larger than the limit still goes to a client that is owed nothing.
        if owed > 0 && owed + frame.len() > self.room {
            self.missed += 1;
            return;
        }
        if self.missed > 0 {
            let note = format!("you have missed {} messages", self.missed);
            self.missed = 0;
            let _ = self.send(&Frame::new(Opcode::Text, None, note.as_bytes()).encode().into());
        }
        // Fails when the client is going. Its own thread says Left.
        let _ = self.send(frame);
    }

    fn send(&self, frame: &Arc<[u8]>) -> io::Result<()> {
        self.owed.fetch_add(frame.len(), Ordering::SeqCst);
        let sent = self.frames.send(Arc::clone(frame));
        sent.map_err(|_| io::ErrorKind::NotConnected.into())
    }
}

/// The body of a client's writer thread: waits for its one socket, and for no other.
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

/// What tungstenite gets for a socket: it reads there, and writes where everybody writes.
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
    /// For the client's own thread: Pongs and the Close. Too many that wait end the connection.
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

/// The body of a client's reader thread: it waits in `read`, and tells the dispatcher.
fn serve(socket: TcpStream, events: &Sender<Event>, room: usize) -> Result<(), AnyError> {
    socket.set_read_timeout(Some(5 * PATIENCE))?;
    let outbox = Outbox::new(socket.try_clone()?, room);
    let stream = Stream { socket: socket.try_clone()?, outbox: outbox.clone() };
    let Some(mut websocket) = open_or_page(stream)? else { return Ok(()) };
    socket.set_read_timeout(None)?; // from here on silence is no fault

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
    // Chapter 12: reading on until the client ends keeps its Close from being destroyed.
    let deadline = Instant::now() + PATIENCE;
    let mut unwanted = vec![0; 64 * 1024];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        socket.set_read_timeout(Some(left))?;
        if (&socket).read(&mut unwanted)? == 0 {
            return Ok(());
        }
    }
}

/// A WebSocket, or `None` for anything else: a browser that asks for the page gets it.
fn open_or_page(stream: Stream) -> io::Result<Option<WebSocket<Stream>>> {
    let outbox = stream.outbox.clone();
    let (status, body) = match accept(stream) {
        Ok(websocket) => return Ok(Some(websocket)),
        Err(HandshakeError::Failure(Error::Protocol(MissingConnectionUpgradeHeader))) => {
            ("200 OK", include_str!("../../examples/07_broadcast.html").to_owned())
        }
        Err(error) => ("400 Bad Request", format!("no opening handshake: {error}\n")),
    };
    let head = "Content-Type: text/html; charset=utf-8\r\nConnection: close";
    let answer = format!("HTTP/1.1 {status}\r\n{head}\r\n\r\n{body}");
    outbox.send(&answer.as_bytes().into()).map(|()| None)
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

/// Client 1 does not read for a while. Client 2 talks; it goes on when 2, 3 and 4 have heard it.
fn demonstrate(address: SocketAddr) -> Result<(), AnyError> {
    const MESSAGES: usize = 500;
    let mut stalled = connect(address)?;
    let mut others = [connect(address)?, connect(address)?, connect(address)?];
    println!("client 1 does not read; client 2 says {MESSAGES} messages of 64,000 bytes");
    for n in 1..=MESSAGES {
        say(&mut others, n)?;
    }
    println!("clients 2, 3 and 4 have all {MESSAGES}, in order");

    // As long as there is no room, every further message is missed too. So client 1 reads all that
    // waits, until a message comes that was said after it began to read.
    stalled.get_mut().set_read_timeout(Some(PATIENCE))?;
    let mut heard = 0;
    while let Ok(text) = hear(&mut stalled) {
        heard += 1;
        if text.trim() != heard.to_string() {
            return Err(format!("client 1 heard {:?} instead of {heard}", text.trim()).into());
        }
    }
    println!("client 1 reads again: 1 to {heard}, in order; client 2 says one more");
    stalled.get_mut().set_read_timeout(Some(5 * PATIENCE))?;
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

/// Client 2 says `n`; it and the two behind it hear that.
fn say(others: &mut [Client], n: usize) -> Result<(), AnyError> {
    let text = format!("{n:64000}");
    others[0].send(text.as_str().into())?;
    for (client, other) in (2..).zip(others) {
        if hear(other)? != text {
            return Err(format!("client {client} missed message {n}").into());
        }
    }
    Ok(())
}

type Client = WebSocket<TcpStream>;

/// A client that is on the list: its thread answers Pings only once it has said Joined.
fn connect(address: SocketAddr) -> Result<Client, AnyError> {
    let socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(5 * PATIENCE))?;
    let (mut client, _) = client(format!("ws://{address}/"), socket)?;
    client.send(Message::Ping("joined?".into()))?;
    while !client.read()?.is_pong() {}
    Ok(client)
}

/// The next text.
fn hear(client: &mut Client) -> Result<String, AnyError> {
    loop {
        if let Message::Text(text) = client.read()? {
            return Ok(text.to_string());
        }
    }
}
