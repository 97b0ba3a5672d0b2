//! Chapter 02: an echo server on bare TCP, with a thread for each client.
//!
//! Learn: listen, accept, read, write; why each client has a thread; that TCP has no messages.
//! Run:   cargo run --example 02_tcp_echo
//! See:   clients that do not wait for each other, and two words that arrive as one.
//! Still wrong: a browser cannot open a bare TCP connection. Chapter 03 starts to speak HTTP.

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// How long a client may send nothing, or take nothing, before the server ends its connection.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs an echo server on bare TCP.
#[derive(argh::FromArgs)]
struct Flags {
    /// where to listen (default 127.0.0.1:8080)
    #[argh(option, default = "\"127.0.0.1:8080\".to_owned()")]
    listen: String,
    /// end after the demonstration
    #[argh(switch)]
    once: bool,
    /// do not serve: send a word to the server at this ADDR:PORT, and print its answer
    #[argh(option)]
    to: Option<SocketAddr>,
}

// ANCHOR: accept
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
        let name = format!("client {number}");
        let started = thread::Builder::new().name(name).spawn(move || serve(number, &socket));
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
// ANCHOR_END: accept

// ANCHOR: echo
/// Sends every byte back, until the client has sent its last one.
fn echo(mut socket: &TcpStream) -> io::Result<()> {
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    let mut buffer = [0; 4096];
    loop {
        let count = socket.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        socket.write_all(&buffer[..count])?;
    }
}
// ANCHOR_END: echo

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

    fn say(&mut self, text: &str) -> io::Result<()> {
        println!("{} says {text:?}", self.name);
        self.socket.write_all(text.as_bytes())
    }

    /// Waits for `count` bytes.
    fn hear(&mut self, count: usize) -> io::Result<()> {
        let mut bytes = vec![0; count];
        self.socket.read_exact(&mut bytes)?;
        println!("{} hears {:?}", self.name, String::from_utf8_lossy(&bytes));
        Ok(())
    }
}

// ANCHOR: demonstrate
fn demonstrate(server: SocketAddr) -> io::Result<()> {
    // ana has come first, but she says nothing yet.
    let mut ana = Client::connect("ana", server)?;
    let mut ben = Client::connect("ben", server)?;
    ben.say("Hello")?;
    ben.hear(5)?;
    ana.say("Good morning")?;
    ana.hear(12)?;

    let mut cem = Client::connect("cem", server)?;
    cem.say("one")?;
    cem.say("two")?;
    cem.socket.shutdown(Shutdown::Write)?;
    let mut all = String::new();
    cem.socket.read_to_string(&mut all)?;
    println!("cem hears {all:?}, and then the end");
    Ok(())
}
// ANCHOR_END: demonstrate

fn main() -> Result<(), Box<dyn Error>> {
    let Flags { listen, once, to } = argh::from_env();
    if let Some(server) = to {
        let mut client = Client::connect("client", server)?;
        client.say("Hello")?;
        return client.hear(5).map_err(|_| "the server does not answer".into());
    }
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
