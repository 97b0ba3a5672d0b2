//! The exercises of chapter 14, solved: a patient visitor, and a server with a door of its own.
//!
//! Run: `cargo run --example solution_14_hostile_clients`
//! See: a client that sends a byte every 100 ms; then a stranger's page, and a page of ours.

#[path = "../../examples/common/linger.rs"]
mod linger;
#[path = "../../examples/common/raw_client.rs"]
#[expect(dead_code, reason = "this program does not need the neighbour")]
mod raw_client;

use std::error::Error;
use std::io::{self, Chain, Cursor, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use chalkwire::{Config, Server};
use linger::linger;
use raw_client::{answer, dial, knock, next_payload};
use tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tungstenite::http::StatusCode;
use tungstenite::{Message, accept_hdr};

/// Lets a patient visitor and two pages come to a server with a door.
#[derive(argh::FromArgs)]
struct Flags {
    /// where to listen, ADDR:PORT (default 127.0.0.1:8080)
    #[argh(option, default = "\"127.0.0.1:8080\".to_owned()")]
    listen: String,
    /// end after the demonstration
    #[argh(switch)]
    once: bool,
}

/// The sites whose pages may connect.
const ALLOWED: [&str; 1] = ["https://school.example"];
/// How long the whole head may take to arrive.
const HANDSHAKE: Duration = Duration::from_secs(1);
/// The most bytes of a head.
const MAX_HEAD: usize = 16 * 1024;

fn main() -> Result<(), Box<dyn Error>> {
    let flags: Flags = argh::from_env();
    let listener = TcpListener::bind(&flags.listen)
        .map_err(|error| format!("cannot listen at {}: {error}", flags.listen))?;
    let address = listener.local_addr()?;
    println!("listening at {address}");
    let door = thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            // A client that leaves ends only its own thread.
            thread::spawn(|| serve(socket).map_err(|error| error.to_string()));
        }
    });
    let library =
        Server::bind("127.0.0.1:0", Config { handshake_timeout: HANDSHAKE, ..Config::default() })?;
    let (library_at, stopper) = (library.local_addr(), library.stopper());
    let library = thread::spawn(|| library.run());

    println!("8. a request, one byte every 100 ms, to the library's server");
    patient(library_at)?;
    stopper.stop();
    library.join().map_err(|_| "the server panicked")??;

    println!("a door of our own: the same visitor");
    patient(address)?;
    println!("a page from https://evil.example");
    println!("   got   {}", knock(address, "/", "https://evil.example")?.1);
    println!("a page from {}", ALLOWED[0]);
    let (mut page, answer) = knock(address, "/", ALLOWED[0])?;
    println!("   got   {answer}");
    println!("   read  {:?}", next_payload(&mut page)?);
    if !flags.once {
        println!("still serving ws://{address}/ until Ctrl-C");
        door.join().map_err(|_| "the server's thread panicked")?;
    }
    Ok(())
}

// ANCHOR: patient
/// Sends a request byte by byte. Each read takes the server only 100 ms, but it must give up.
fn patient(server: SocketAddr) -> io::Result<()> {
    let begin = Instant::now();
    let mut socket = dial(server)?;
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    for byte in b"GET /echo HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n" {
        socket.write_all(&[*byte])?;
        // Waits 100 ms for an answer, and does not take it out of the socket.
        if socket.peek(&mut [0]).is_ok() {
            break;
        }
    }
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    println!("   got   {}", answer(&mut socket)?);
    println!("   after {:.3} s", begin.elapsed().as_secs_f64());
    Ok(())
}
// ANCHOR_END: patient

// ANCHOR: serve
/// Greets a client that may connect, and echoes.
fn serve(mut socket: TcpStream) -> Result<(), Box<dyn Error>> {
    let Some(head) = read_head(&mut socket)? else {
        let why = "408 Request Timeout: the head must come within 1 s\n";
        write!(socket, "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n{why}")?;
        linger(&socket); // chapter 12: no reset destroys the answer
        return Ok(());
    };
    socket.set_read_timeout(None)?; // chapter 11 has a better answer to silence
    let stream =
        Stream { input: Cursor::new(head).chain(socket.try_clone()?), output: socket.try_clone()? };
    let Ok(mut websocket) = accept_hdr(stream, look_at_origin) else {
        linger(&socket); // tungstenite has sent the 403
        return Ok(());
    };
    websocket.send(Message::text("the door code is 4711"))?;
    loop {
        let message = websocket.read()?;
        if message.is_text() || message.is_binary() {
            websocket.send(message)?;
        }
    }
}

#[expect(clippy::result_large_err, reason = "tungstenite's type")]
fn look_at_origin(request: &Request, response: Response) -> Result<Response, ErrorResponse> {
    let origin = request.headers().get("Origin").and_then(|value| value.to_str().ok());
    if origin.is_some_and(|origin| ALLOWED.contains(&origin)) {
        return Ok(response);
    }
    let mut refusal = ErrorResponse::new(Some("403 Forbidden: not from this page\n".to_owned()));
    *refusal.status_mut() = StatusCode::FORBIDDEN;
    Err(refusal)
}
// ANCHOR_END: serve

// ANCHOR: read_head
/// Reads the head and what came with it. Returns `None` when it is too late or too long. The whole
/// head has one deadline, and each read gets the time that is left.
fn read_head(socket: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let deadline = Instant::now() + HANDSHAKE;
    let mut head = Vec::new();
    let mut piece = [0; 1024];
    while head.len() < MAX_HEAD {
        if head.windows(4).any(|four| four == b"\r\n\r\n") {
            return Ok(Some(head));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        socket.set_read_timeout(Some(left))?;
        match socket.read(&mut piece) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => head.extend(&piece[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// What tungstenite reads: first the bytes that we have already read, then the socket.
struct Stream {
    input: Chain<Cursor<Vec<u8>>, TcpStream>,
    output: TcpStream,
}
// ANCHOR_END: read_head

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.input.read(buffer)
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}
