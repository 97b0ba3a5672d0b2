//! 11, solved: a client that asks for itself, and one that is not fooled by a server that slams its
//! doors.
//!
//! Run: cargo run --example solution_11_heartbeat

use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use argh::FromArgs;
use chalkwire::http::Response;
use crossbeam_channel::{Sender, unbounded};
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
    /// milliseconds of silence after which the client asks (default 100)
    #[argh(option, default = "Duration::from_millis(100)", from_str_fn(millis))]
    beat_after: Duration,
    /// milliseconds of silence after that until we give up (default 500)
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
/// An open connection counts as a success when it has lasted as long.
const HELD: Duration = Duration::from_millis(400);
const OPEN: &str = "client: open";
const PAGE: &str = include_str!("../../examples/11_heartbeat.html");

fn main() -> Result<(), AnyError> {
    let flags: Flags = argh::from_env();
    let listener = TcpListener::bind(&flags.listen)
        .map_err(|error| format!("cannot listen at {}: {error}", flags.listen))?;
    let address = listener.local_addr()?;
    println!("listening at http://{address}/");
    let server = thread::spawn(move || {
        for (number, socket) in listener.incoming().flatten().enumerate() {
            thread::spawn(move || serve(&socket, (1..=3).contains(&number)).ok());
        }
    });
    demonstrate(address, &flags)?;
    if !flags.once {
        println!("\nOpen http://{address}/ in a browser. Ctrl-C ends this.");
        server.join().ok();
    }
    Ok(())
}

/// An echo that sends no Ping. It can also slam its door behind a client.
fn serve(socket: &TcpStream, slam: bool) -> Result<(), AnyError> {
    let Some(mut websocket) = open(socket)? else { return Ok(()) };
    socket.set_read_timeout(None)?;
    while !slam {
        let message = websocket.read()?;
        if message.is_text() || message.is_binary() {
            websocket.send(message)?;
        }
    }
    Ok(())
}

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

/// Passes bytes between clients and the server. The first connection goes silent when `pulled` is
/// set.
fn relay(server: SocketAddr, pulled: Arc<AtomicBool>) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for (number, client) in listener.incoming().flatten().enumerate() {
            let pulled = if number == 0 { Arc::clone(&pulled) } else { Arc::default() };
            join(client, server, pulled).ok();
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

// ANCHOR: held
/// A client that comes back, for as long as somebody listens to what it tells.
fn stay_connected(to: SocketAddr, flags: &Flags, tell: &Sender<String>) -> Result<(), AnyError> {
    let mut tries = 0;
    loop {
        match connect(to) {
            Ok(mut websocket) => {
                let opened_at = Instant::now();
                tell.send(OPEN.to_owned())?;
                let why = beat(&mut websocket, flags, tell)?;
                tell.send(format!("client: {why}"))?;
                if opened_at.elapsed() >= HELD {
                    tries = 0;
                }
            }
            Err(_) => tell.send("client: refused".to_owned())?,
        }
        let pause = pause(tries, flags.first_pause);
        tries += 1;
        tell.send(format!("client: pause of {}", shown(pause)))?;
        thread::sleep(pause);
    }
}
// ANCHOR_END: held

// ANCHOR: beat
/// Asks in each silence with a message, which the server sends back. Gives the reason of the end.
fn beat(
    websocket: &mut WebSocket<TcpStream>,
    flags: &Flags,
    tell: &Sender<String>,
) -> Result<String, AnyError> {
    let mut beats = 0;
    let mut sent_at = Instant::now();
    let mut waiting = false;
    loop {
        let patience = if waiting { flags.give_up_after } else { flags.beat_after };
        websocket.get_ref().set_read_timeout(Some(patience))?;
        match websocket.read() {
            Ok(_) if OVER.load(Ordering::Relaxed) => return Err("nobody listens".into()),
            Ok(message) => {
                if waiting && message.to_text().is_ok_and(|text| text == format!("beat {beats}")) {
                    let time = shown(sent_at.elapsed());
                    tell.send(format!("client: beat {beats} came back after {time}"))?;
                }
                waiting = false;
            }
            Err(WsError::Io(error)) if is_timeout(&error) && !waiting => {
                beats += 1;
                waiting = true;
                sent_at = Instant::now();
                if websocket.send(Message::text(format!("beat {beats}"))).is_err() {
                    return Ok("the connection has ended".to_owned());
                }
            }
            Err(WsError::Io(error)) if is_timeout(&error) => {
                return Ok(format!("no answer to beat {beats} for {}", shown(patience)));
            }
            Err(_) => return Ok("the connection has ended".to_owned()),
        }
    }
}
// ANCHOR_END: beat

fn connect(to: SocketAddr) -> Result<WebSocket<TcpStream>, AnyError> {
    let socket = TcpStream::connect(to)?;
    socket.set_read_timeout(Some(DEADLINE))?;
    Ok(tungstenite::client(format!("ws://{to}/"), socket)?.0)
}

/// Twice as long after each try, thirty seconds at most; half of it is chance.
fn pause(tries: u32, first: Duration) -> Duration {
    let longest = first.saturating_mul(2_u32.saturating_pow(tries)).min(LONGEST_PAUSE);
    // The standard library draws lots for its hash tables. They are good enough for us.
    let lot = f64::from(RandomState::new().hash_one(tries) as u32) / f64::from(u32::MAX);
    longest.mul_f64(0.5 + 0.5 * lot)
}

/// The demonstration is over: its client leaves.
static OVER: AtomicBool = AtomicBool::new(false);

fn demonstrate(address: SocketAddr, flags: &Flags) -> Result<(), AnyError> {
    let pulled = Arc::new(AtomicBool::new(false));
    let relay = relay(address, Arc::clone(&pulled))?;
    let (sender, told) = unbounded();
    let times = flags.clone();
    thread::spawn(move || stay_connected(relay, &times, &sender).ok());
    let show_until = |end: &str| -> Result<(), AnyError> {
        loop {
            let line = told.recv_timeout(DEADLINE)?;
            println!("   {line}");
            if line.starts_with(end) {
                return Ok(());
            }
        }
    };
    println!("\n1. The client asks after {} of silence", shown(flags.beat_after));
    show_until("client: beat 3")?;
    println!("   the cable is pulled");
    pulled.store(true, Ordering::Relaxed);
    show_until("client: no answer")?;
    println!("\n2. A server that takes everybody, and drops the next three at once");
    show_until("client: beat 1")?;
    OVER.store(true, Ordering::Relaxed);
    Ok(())
}

fn shown(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
