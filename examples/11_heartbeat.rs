//! 11. The heartbeat, and a client that comes back.
//!
//! You learn: why a pulled cable is noticed only by asking, and how a client reconnects politely.
//! Run:       cargo run --example 11_heartbeat
//! You see:   round trips; a cable pulled; who notices it, and when; the client's way back.
//! Still wrong: whoever is given up, or gives up, just drops its socket. Chapter 12 says goodbye.

use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use argh::FromArgs;
use chalkwire::http::Response;
use crossbeam_channel::{Receiver, Sender, unbounded};
use tungstenite::error::ProtocolError;
use tungstenite::{Error as WsError, HandshakeError, Message, WebSocket};

/// Pings, Pongs, a pulled cable, and a way back.
#[derive(FromArgs, Clone)]
struct Flags {
    /// where to listen, ADDR:PORT (default 127.0.0.1:8080)
    #[argh(option, default = "\"127.0.0.1:8080\".to_owned()")]
    listen: String,
    /// end after the demonstration
    #[argh(switch)]
    once: bool,
    /// milliseconds of silence after which a Ping is sent (default 100)
    #[argh(option, default = "Duration::from_millis(100)", from_str_fn(millis))]
    ping_after: Duration,
    /// milliseconds of silence after that Ping until we give up (default 500)
    #[argh(option, default = "Duration::from_millis(500)", from_str_fn(millis))]
    give_up_after: Duration,
    /// milliseconds of the client's first pause, at most (default 50)
    #[argh(option, default = "Duration::from_millis(50)", from_str_fn(millis))]
    first_pause: Duration,
}

fn millis(text: &str) -> Result<Duration, String> {
    text.parse().map(Duration::from_millis).map_err(|error| error.to_string())
}

type AnyError = Box<dyn std::error::Error>;

/// Nothing here takes as long as this.
const DEADLINE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
const OPEN: &str = "client: open";
const PAGE: &str = include_str!("11_heartbeat.html");

fn main() -> Result<(), AnyError> {
    let flags: Flags = argh::from_env();
    let listener = TcpListener::bind(&flags.listen)
        .map_err(|error| format!("cannot listen at {}: {error}", flags.listen))?;
    let address = listener.local_addr()?;
    println!("listening at http://{address}/");
    let (sender, reports) = unbounded();
    let times = flags.clone();
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let (times, sender) = (times.clone(), sender.clone());
            // An error ends this client only. It is gone, so there is nobody to tell.
            thread::spawn(move || serve(socket, &times, &sender).ok());
        }
    });
    demonstrate(address, &flags, &reports)?;
    if !flags.once {
        println!("\nOpen http://{address}/ in a browser. Ctrl-C ends this.");
        for report in reports {
            println!("   {report:?}");
        }
    }
    Ok(())
}

// ANCHOR: heartbeat
/// What a client's thread has to tell.
#[derive(Debug)]
enum Report {
    /// The Ping of this number has been answered after so long.
    Pong(u64, Duration),
    /// No Pong came in time.
    NoPong,
    /// The client has left.
    Left,
}

/// The body of a client's thread: an echo with a heartbeat.
fn serve(socket: TcpStream, times: &Flags, reports: &Sender<Report>) -> Result<(), AnyError> {
    let Some(mut websocket) = open(&socket)? else { return Ok(()) };
    let mut pings = 0;
    let mut sent_at = Instant::now();
    let mut waiting = false;
    loop {
        let patience = if waiting { times.give_up_after } else { times.ping_after };
        socket.set_read_timeout(Some(patience))?;
        let message = match websocket.read() {
            Ok(message) => message,
            Err(WsError::Io(error)) if is_timeout(&error) && !waiting => {
                pings += 1;
                waiting = true;
                sent_at = Instant::now();
                websocket.send(Message::Ping(pings.to_string().into()))?;
                continue;
            }
            Err(WsError::Io(error)) if is_timeout(&error) => {
                return Ok(reports.send(Report::NoPong)?);
            }
            Err(_) => return Ok(reports.send(Report::Left)?),
        };
        if let Message::Pong(payload) = &message
            && waiting
            && payload == &pings.to_string()
        {
            reports.send(Report::Pong(pings, sent_at.elapsed()))?;
        }
        waiting = false; // whatever it was: a sign of life
        if message.is_text() || message.is_binary() {
            websocket.send(message)?;
        }
    }
}
// ANCHOR_END: heartbeat

/// Shakes hands. A browser that asks for no WebSocket gets the page, and anybody else a refusal.
fn open(mut socket: &TcpStream) -> Result<Option<WebSocket<&TcpStream>>, AnyError> {
    socket.set_read_timeout(Some(DEADLINE))?;
    socket.set_write_timeout(Some(DEADLINE))?;
    let answer = match tungstenite::accept(socket) {
        Ok(websocket) => return Ok(Some(websocket)),
        Err(HandshakeError::Failure(WsError::Protocol(
            ProtocolError::MissingConnectionUpgradeHeader,
        ))) => Response::with_body(200, "text/html; charset=utf-8", PAGE.into()),
        Err(error) => Response::new(400, &error.to_string()),
    };
    socket.write_all(&answer.encode().concat())?;
    Ok(None)
}

/// A read deadline has passed. Windows has another name for it than the others.
fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

// ANCHOR: relay
/// Passes bytes between clients and the server. The first connection goes silent when `pulled` is
/// set, the next three are refused.
fn relay(server: SocketAddr, pulled: Arc<AtomicBool>) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for (number, client) in listener.incoming().flatten().enumerate() {
            let pulled = if number == 0 { Arc::clone(&pulled) } else { Arc::default() };
            if !(1..=3).contains(&number) {
                join(client, server, pulled).ok();
            }
        }
    });
    Ok(address)
}

fn join(client: TcpStream, to: SocketAddr, pulled: Arc<AtomicBool>) -> io::Result<()> {
    let server = TcpStream::connect(to)?;
    let back = (server.try_clone()?, client.try_clone()?, Arc::clone(&pulled));
    thread::spawn(move || pass(client, server, &pulled));
    thread::spawn(move || pass(back.0, back.1, &back.2));
    Ok(())
}

fn pass(mut from: TcpStream, mut to: TcpStream, pulled: &AtomicBool) {
    let mut bytes = [0; 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if pulled.load(Ordering::Relaxed) || to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    while pulled.load(Ordering::Relaxed) {
        thread::park(); // nothing passes, and both sockets stay open
    }
    to.shutdown(Shutdown::Both).ok();
}
// ANCHOR_END: relay

// ANCHOR: client
/// A client that comes back, for as long as somebody listens to what it tells.
fn stay_connected(to: SocketAddr, flags: &Flags, tell: &Sender<String>) -> Result<(), AnyError> {
    let mut tries = 0;
    loop {
        match connect(to) {
            Ok(mut websocket) => {
                tries = 0;
                tell.send(OPEN.to_owned())?;
                // The server asks after `ping_after`. A client that knows that may count on it.
                let patience = flags.ping_after + flags.give_up_after;
                websocket.get_ref().set_read_timeout(Some(patience))?;
                while websocket.read().is_ok() && !OVER.load(Ordering::Relaxed) {}
                tell.send(format!(
                    "client: nothing came for {}, not even a Ping",
                    shown(patience)
                ))?;
            }
            Err(_) => tell.send("client: refused".to_owned())?,
        }
        let pause = pause(tries, flags.first_pause);
        tries += 1;
        tell.send(format!("client: pause of {}", shown(pause)))?;
        thread::sleep(pause);
    }
}

fn connect(to: SocketAddr) -> Result<WebSocket<TcpStream>, AnyError> {
    let socket = TcpStream::connect(to)?;
    socket.set_read_timeout(Some(DEADLINE))?;
    Ok(tungstenite::client(format!("ws://{to}/"), socket)?.0)
}
// ANCHOR_END: client

// ANCHOR: pause
/// Twice as long after each try, thirty seconds at most; half of it is chance.
fn pause(tries: u32, first: Duration) -> Duration {
    let longest = first.saturating_mul(2_u32.saturating_pow(tries)).min(LONGEST_PAUSE);
    // The standard library draws lots for its hash tables. They are good enough for us.
    let lot = f64::from(RandomState::new().hash_one(tries) as u32) / f64::from(u32::MAX);
    longest.mul_f64(0.5 + 0.5 * lot)
}
// ANCHOR_END: pause

/// The demonstration is over: its client leaves.
static OVER: AtomicBool = AtomicBool::new(false);

type Reports<'a> = &'a Receiver<Report>;

fn demonstrate(address: SocketAddr, flags: &Flags, reports: Reports) -> Result<(), AnyError> {
    let pulled = Arc::new(AtomicBool::new(false));
    let relay = relay(address, Arc::clone(&pulled))?;
    let (sender, told) = unbounded();
    let times = flags.clone();
    thread::spawn(move || stay_connected(relay, &times, &sender).ok());

    println!("\n1. A Ping after {} of silence", shown(flags.ping_after));
    println!("   {}", told.recv_timeout(DEADLINE)?);
    for _ in 0..3 {
        println!("   server: {}", next_pong(reports)?);
    }
    println!("\n2. The cable is pulled: no FIN, no reset, no byte in either direction");
    pulled.store(true, Ordering::Relaxed);
    let pulled_at = Instant::now();
    while !matches!(reports.recv_timeout(DEADLINE)?, Report::NoPong) {}
    println!("   server: gives up {} after the pull", shown(pulled_at.elapsed()));
    println!("   {}", told.recv_timeout(DEADLINE)?);
    println!("\n3. The client comes back; three times it is refused");
    loop {
        let line = told.recv_timeout(DEADLINE)?;
        println!("   {line}");
        if line == OPEN {
            break;
        }
    }
    println!("   server: {}", next_pong(reports)?);
    OVER.store(true, Ordering::Relaxed);
    Ok(())
}

fn next_pong(reports: Reports) -> Result<String, AnyError> {
    loop {
        if let Report::Pong(number, time) = reports.recv_timeout(DEADLINE)? {
            return Ok(format!("Ping {number}, Pong after {}", shown(time)));
        }
    }
}

fn shown(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
