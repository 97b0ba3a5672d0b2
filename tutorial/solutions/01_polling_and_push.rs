//! The exercises of chapter 01, solved: a connection for each request, and an event stream that
//! breaks off and goes on where it stopped.
//!
//! Run: cargo run --example solution_01_polling_and_push

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

/// Sends ten updates in four ways, and some of them lose their connection.
#[derive(argh::FromArgs)]
struct Flags {
    /// where to listen (default 127.0.0.1:8080)
    #[argh(option, default = "\"127.0.0.1:8080\".to_owned()")]
    listen: String,
    /// end after the table
    #[argh(switch)]
    once: bool,
}

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

/// Answers the requests of one connection, until one of them asks for a push.
fn serve(mut socket: &TcpStream) -> io::Result<()> {
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut requests = BufReader::new(socket);
    loop {
        let lines = requests.by_ref().take(8192).lines().map_while(Result::ok);
        let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
        let header = |name: &str| head.iter().find_map(|line| line.strip_prefix(name));
        let target = head.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
        let (path, after) = target.split_once("?after=").unwrap_or((target, "now"));
        let after = after.parse().unwrap_or(usize::MAX).min(updates().len());
        let body = match path {
            "/polling" => next(after, Duration::ZERO),
            "/long-polling" => next(after, PATIENCE),
            // ANCHOR: last_event_id
            "/sse" | "/websocket" => {
                let last: Option<usize> = header("Last-Event-ID: ").and_then(|id| id.parse().ok());
                let after = last.unwrap_or(after).min(updates().len());
                return push(socket, after, header("Sec-WebSocket-Key: "));
            }
            // ANCHOR_END: last_event_id
            "/" => include_str!("../../examples/01_polling_and_push/page.html").to_owned(),
            _ => return Ok(()),
        };
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        socket.write_all((answer + &body).as_bytes())?;
        // ANCHOR: server_closes
        if header("Connection: ") == Some("close") {
            return Ok(());
        }
        // ANCHOR_END: server_closes
    }
}

/// Sends one answer, and then every update as soon as it is there.
fn push(mut socket: &TcpStream, after: usize, key: Option<&str>) -> io::Result<()> {
    let answer = match key.map(|key| derive_accept_key(key.as_bytes())) {
        None => "200 OK\r\nContent-Type: text/event-stream".to_owned(),
        Some(key) => format!("101 Switching Protocols\r\n{UPGRADE}Sec-WebSocket-Accept: {key}"),
    };
    socket.write_all(format!("HTTP/1.1 {answer}\r\n\r\n").as_bytes())?;
    // ANCHOR: breaks_off
    for number in after.. {
        let text = next(number, Duration::MAX);
        socket.write_all(&match key {
            None => format!("id: {}\ndata: {text}\n", number + 1).into_bytes(),
            Some(_) => [&[0x81, text.len() as u8], text.as_bytes()].concat(),
        })?;
        // A bad network: the stream breaks off after its fifth event.
        if key.is_none() && number + 1 == after + 5 {
            return Ok(());
        }
    }
    // ANCHOR_END: breaks_off
    Ok(())
}

/// Listens to ten updates in one way, and returns its line of the table.
fn hear(way: &str, server: SocketAddr) -> io::Result<String> {
    let polls = way.contains("polling");
    let (mut connections, mut lines) = (0, None);
    let (mut ask, mut heard, mut requests, mut up, mut down, mut delay) = (true, 0, 0, 0, 0, 0.0);
    while heard < 10 {
        if ask {
            thread::sleep(Duration::from_millis(if way == "polling" { 50 } else { 0 }));
            // ANCHOR: client
            let extra = match way {
                "websocket" => format!("{UPGRADE}{KEY}"),
                "sse" => format!("Last-Event-ID: {heard}\r\n"),
                _ => "Connection: close\r\n".to_owned(),
            };
            let get = format!("GET /{way}?after={heard} HTTP/1.1\r\nHost: {server}\r\n{extra}\r\n");
            let mut socket = TcpStream::connect(server)?;
            socket.set_read_timeout(Some(PATIENCE))?;
            socket.write_all(get.as_bytes())?;
            lines = Some(BufReader::new(socket).split(b'\n'));
            connections += 1;
            // ANCHOR_END: client
            (requests, up) = (requests + 1, up + get.len());
        }
        // ANCHOR: again
        let Some(line) = lines.as_mut().and_then(Iterator::next).transpose()? else {
            // The other side has closed. An EventSource then asks again, for what is missing.
            ask = true;
            continue;
        };
        // ANCHOR_END: again
        down += line.len() + 1;
        // In all four ways an update is a line, and "nothing new" is a line too.
        let is_update = line.ends_with(format!("update {}", heard + 1).as_bytes());
        ask = polls && (is_update || line == b"nothing new");
        if is_update {
            delay += updates()[heard].elapsed().as_secs_f64() * 1000.0;
            heard += 1;
        }
    }
    Ok(format!(
        "{way:12}  {requests:8}  {connections:11}  {up:8}  {down:10}  {:7.1} ms",
        delay / 10.0
    ))
}

fn main() -> Result<(), Box<dyn Error>> {
    let Flags { listen, once } = argh::from_env();
    let listener = TcpListener::bind(&listen).map_err(|error| format!("{listen}: {error}"))?;
    let server = listener.local_addr()?;
    println!("listening at http://{server}/");
    println!("ten updates   requests  connections  bytes up  bytes down  mean delay");
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
