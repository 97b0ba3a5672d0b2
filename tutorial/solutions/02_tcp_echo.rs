//! The exercises of chapter 02, solved: at most three clients, and messages that stay whole.
//!
//! Run: cargo run --example solution_02_tcp_echo

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

/// How long a client may send nothing, or take nothing, before the server ends its connection.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many clients there may be. The server tells the next one that there is no place.
const PLACES: usize = 3;

/// Runs an echo server on bare TCP, for three clients and whole messages.
#[derive(argh::FromArgs)]
struct Flags {
    /// where to listen (default 127.0.0.1:8080)
    #[argh(option, default = "\"127.0.0.1:8080\".to_owned()")]
    listen: String,
    /// end after the demonstration
    #[argh(switch)]
    once: bool,
}

// ANCHOR: place
/// How many places are taken.
static TAKEN: AtomicUsize = AtomicUsize::new(0);

/// One of the places. To drop it is to give it back.
struct Place;

impl Place {
    fn take() -> Option<Place> {
        let one_more = |taken| (taken < PLACES).then_some(taken + 1);
        TAKEN.fetch_update(SeqCst, SeqCst, one_more).ok().map(|_| Place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        TAKEN.fetch_sub(1, SeqCst);
    }
}
// ANCHOR_END: place

/// Gives each client a thread of its own.
fn accept_all(listener: &TcpListener) {
    for number in 1_u64.. {
        let socket = match listener.accept() {
            Ok((socket, _)) => socket,
            // Usually too many sockets are open. Some of them will be closed soon.
            Err(error) => {
                eprintln!("cannot accept: {error}");
                thread::sleep(Duration::from_millis(100));
                continue;
            }
        };
        // ANCHOR: admit
        let Some(place) = Place::take() else {
            let _ = send(&socket, "there is no place, come back later");
            continue;
        };
        let name = format!("client {number}");
        let started = thread::Builder::new().name(name).spawn(move || {
            let _place = place; // given back when this thread ends, however it ends
            serve(number, &socket);
        });
        // ANCHOR_END: admit
        if let Err(error) = started {
            eprintln!("client {number}: no thread for it: {error}");
        }
    }
}

fn serve(number: u64, socket: &TcpStream) {
    if let Err(error) = echo(socket)
        && !is_goodbye(&error)
    {
        eprintln!("client {number}: {error}");
    }
}

/// Whether an error only says that the client has left. A client may leave at any time.
fn is_goodbye(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset)
}

/// Sends each message back, until the client has sent its last byte.
fn echo(socket: &TcpStream) -> io::Result<()> {
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    while let Some(text) = receive(socket)? {
        send(socket, &text)?;
    }
    Ok(())
}

// ANCHOR: messages
/// Sends a message: its length in two bytes, with the high byte first, and then the text.
fn send(mut socket: &TcpStream, text: &str) -> io::Result<()> {
    let length = u16::try_from(text.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    socket.write_all(&[&length.to_be_bytes(), text.as_bytes()].concat())
}

/// Reads the next message, however many reads it takes. Returns `None` when the other side has
/// ended.
fn receive(mut socket: &TcpStream) -> io::Result<Option<String>> {
    let mut length = [0; 2];
    if socket.read(&mut length[..1])? == 0 {
        return Ok(None);
    }
    socket.read_exact(&mut length[1..])?;
    let mut text = vec![0; u16::from_be_bytes(length).into()];
    socket.read_exact(&mut text)?;
    String::from_utf8(text).map(Some).map_err(|_| io::ErrorKind::InvalidData.into())
}
// ANCHOR_END: messages

/// A client that prints what it does.
struct Client {
    name: &'static str,
    socket: TcpStream,
}

impl Client {
    fn connect(name: &'static str, server: SocketAddr) -> io::Result<Client> {
        let socket = TcpStream::connect(server)?;
        socket.set_read_timeout(Some(Duration::from_secs(2)))?;
        println!("{name} connects");
        Ok(Client { name, socket })
    }

    fn say(&self, text: &str) -> io::Result<()> {
        println!("{} says {text:?}", self.name);
        send(&self.socket, text)
    }

    fn hear(&self) -> io::Result<String> {
        let text = receive(&self.socket)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        println!("{} hears {text:?}", self.name);
        Ok(text)
    }
}

fn demonstrate(server: SocketAddr) -> io::Result<()> {
    let mut clients = Vec::new();
    for name in ["ana", "ben", "cem"] {
        let client = Client::connect(name, server)?;
        client.say("Hello")?;
        client.hear()?;
        clients.push(client);
    }
    Client::connect("dan", server)?.hear()?;

    // ANCHOR: pieces
    let mut cem = &clients[2].socket;
    cem.set_nodelay(true)?;
    println!("cem sends two messages, byte by byte: \"one\", \"two\"");
    for byte in b"\0\x03one\0\x03two" {
        cem.write_all(&[*byte])?;
    }
    clients[2].hear()?;
    clients[2].hear()?;
    // ANCHOR_END: pieces

    drop(clients.remove(0));
    println!("ana leaves");
    // Her place is free as soon as her thread has noticed that she left.
    for _ in 0..100 {
        let eve = TcpStream::connect(server)?;
        eve.set_read_timeout(Some(Duration::from_secs(2)))?;
        // While there is no place, the server may have closed this connection already.
        let sent = send(&eve, "Hello");
        let answer = receive(&eve);
        if sent.is_ok() && matches!(&answer, Ok(Some(text)) if text == "Hello") {
            println!("eve has her place");
            return Ok(());
        }
        thread::sleep(Duration::from_millis(10));
    }
    Err(io::Error::other("ana's place is not given back"))
}

fn main() -> Result<(), Box<dyn Error>> {
    let Flags { listen, once } = argh::from_env();
    let listener = TcpListener::bind(&listen).map_err(|error| format!("{listen}: {error}"))?;
    let server = listener.local_addr()?;
    println!("listening at {server}");
    let acceptor = thread::Builder::new().spawn(move || accept_all(&listener))?;
    demonstrate(server)?;
    if !once {
        println!("The server stays up until Ctrl-C.");
        let _ = acceptor.join();
    }
    Ok(())
}
