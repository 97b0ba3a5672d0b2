//! Chapter 01: the same ten updates in four ways: polling, long polling, SSE and WebSocket.
//!
//! Learn: what each way costs in requests, bytes and delay, counted on real sockets.
//! Run:   cargo run --example 01_polling_and_push
//! See:   a table; then open the printed address and watch the four ways side by side.
//! Still wrong: the clients only listen. In chapters 02 to 05 we build a WebSocket that talks too.

use std::error::Error;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};
use tungstenite::handshake::derive_accept_key;

/// The pauses before the ten updates, in milliseconds. After the tenth they start again.
const PAUSES: [u64; 10] = [90, 310, 140, 260, 60, 420, 180, 120, 350, 70];
/// How long one side waits for the other.
const PATIENCE: Duration = Duration::from_secs(5);
const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\n";
const KEY: &str = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// Sends ten updates in four ways, and prints what each way costs.
#[derive(argh::FromArgs)]
struct Flags {
    /// where to listen (default 127.0.0.1:8080)
    #[argh(option, default = "\"127.0.0.1:8080\".to_owned()")]
    listen: String,
    /// end after the table
    #[argh(switch)]
    once: bool,
}

// ANCHOR: board
/// When each update was published. The bell rings whenever a new update is there.
static UPDATES: Mutex<Vec<Instant>> = Mutex::new(Vec::new());
static BELL: Condvar = Condvar::new();

fn updates() -> MutexGuard<'static, Vec<Instant>> {
    UPDATES.lock().expect("no thread panics while it holds the lock")
}

fn publish_after(pause: u64) {
    thread::sleep(Duration::from_millis(pause));
    updates().push(Instant::now());
    BELL.notify_all();
}

/// Returns the update after number `after`. If it is not there yet, waits for the bell.
fn next(after: usize, patience: Duration) -> String {
    match BELL.wait_timeout_while(updates(), patience, |updates| updates.len() <= after) {
        Ok((_, timeout)) if !timeout.timed_out() => format!("update {}\n", after + 1),
        _ => "nothing new\n".to_owned(),
    }
}
// ANCHOR_END: board

/// Answers the requests of one connection, until one of them asks for a push.
fn serve(mut socket: &TcpStream) -> io::Result<()> {
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut requests = BufReader::new(socket);
    loop {
        let lines = requests.by_ref().take(8192).lines().map_while(Result::ok);
        let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
        // ANCHOR: answer
        let target = head.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
        let (path, after) = target.split_once("?after=").unwrap_or((target, "now"));
        let after = after.parse().unwrap_or(usize::MAX).min(updates().len());
        let body = match path {
            "/polling" => next(after, Duration::ZERO),
            "/long-polling" => next(after, PATIENCE),
            "/sse" | "/websocket" => return push(socket, after, &head),
            "/" => include_str!("page.html").to_owned(),
            _ => return Ok(()),
        };
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        socket.write_all((answer + &body).as_bytes())?;
        // ANCHOR_END: answer
    }
}

// ANCHOR: push
/// Sends one answer, and then every update as soon as it is there.
fn push(mut socket: &TcpStream, after: usize, head: &[String]) -> io::Result<()> {
    let key = head.iter().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
    let answer = match key.map(|key| derive_accept_key(key.as_bytes())) {
        None => "200 OK\r\nContent-Type: text/event-stream".to_owned(),
        Some(key) => format!("101 Switching Protocols\r\n{UPGRADE}Sec-WebSocket-Accept: {key}"),
    };
    socket.write_all(format!("HTTP/1.1 {answer}\r\n\r\n").as_bytes())?;
    (after..).try_for_each(|number| {
        let text = next(number, Duration::MAX);
        socket.write_all(&match key {
            None => format!("data: {text}\n").into_bytes(),
            Some(_) => [&[0x81, text.len() as u8], text.as_bytes()].concat(),
        })
    })
}
// ANCHOR_END: push

/// Listens to ten updates in one way, and returns its line of the table.
fn hear(way: &str, server: SocketAddr) -> io::Result<String> {
    let mut socket = TcpStream::connect(server)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(socket.try_clone()?).split(b'\n');
    let extra = if way == "websocket" { format!("{UPGRADE}{KEY}") } else { String::new() };
    let (mut ask, mut heard, mut requests, mut up, mut down, mut delay) = (true, 0, 0, 0, 0, 0.0);
    while heard < 10 {
        if ask {
            thread::sleep(Duration::from_millis(if way == "polling" { 50 } else { 0 }));
            let get = format!("GET /{way}?after={heard} HTTP/1.1\r\nHost: {server}\r\n{extra}\r\n");
            socket.write_all(get.as_bytes())?;
            (requests, up) = (requests + 1, up + get.len());
        }
        let line = lines.next().ok_or(io::ErrorKind::UnexpectedEof)??;
        down += line.len() + 1;
        // In all four ways an update is a line, and "nothing new" is a line too.
        let is_update = line.ends_with(format!("update {}", heard + 1).as_bytes());
        ask = way.contains("polling") && (is_update || line == b"nothing new");
        if is_update {
            delay += updates()[heard].elapsed().as_secs_f64() * 1000.0;
            heard += 1;
        }
    }
    Ok(format!("{way:12}  {requests:8}  {up:8}  {down:10}  {:7.1} ms", delay / 10.0))
}

fn main() -> Result<(), Box<dyn Error>> {
    let Flags { listen, once } = argh::from_env();
    let listener = TcpListener::bind(&listen).map_err(|error| format!("{listen}: {error}"))?;
    let server = listener.local_addr()?;
    println!("listening at http://{server}/");
    println!("ten updates   requests  bytes up  bytes down  mean delay");
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            thread::spawn(move || serve(&socket));
        }
    });
    let ways = ["polling", "long-polling", "sse", "websocket"];
    let clients = ways.map(|way| thread::spawn(move || hear(way, server)));
    PAUSES.into_iter().for_each(publish_after);
    for client in clients {
        println!("{}", client.join().map_err(|_| "a client panicked")??);
    }
    if !once {
        println!("It publishes for half an hour more, or until Ctrl-C: open the address.");
        PAUSES.into_iter().cycle().take(9_000).for_each(publish_after);
    }
    Ok(())
}
