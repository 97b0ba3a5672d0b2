//! The exercises of chapter 11, solved: a client with a heartbeat of its own, which also copes with
//! a server that slams its door.
//!
//! Run: cargo run --example solution_11_heartbeat

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use argh::FromArgs;
use crossbeam_channel::{Sender, unbounded};
use tungstenite::handshake::server::NoCallback;
use tungstenite::{Error as WsError, Message, WebSocket};

#[path = "../../examples/common/accept_or_page.rs"]
mod accept_or_page;
#[path = "../../examples/common/goodbye.rs"]
mod goodbye;
#[path = "../../examples/11_heartbeat/relay.rs"]
mod relay;

use accept_or_page::{DEADLINE, accept_or_page};
use goodbye::is_goodbye;
use relay::relay;

/// Shows a client with a heartbeat of its own, a pulled cable, and a careful reconnect.
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
    /// milliseconds of silence after that until the client gives up (default 500)
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

const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long a connection must last to count as a success.
const HELD: Duration = Duration::from_millis(400);
const OPEN: &str = "client: open";
const PAGE: &str = include_str!("../../examples/11_heartbeat/page.html");

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

/// Runs an echo without Pings. With `slam`, it ends the connection right after the handshake.
fn serve(socket: &TcpStream, slam: bool) -> Result<(), AnyError> {
    let Some(mut websocket) = accept_or_page(socket, PAGE, NoCallback)? else { return Ok(()) };
    socket.set_write_timeout(Some(DEADLINE))?;
    socket.set_read_timeout(None)?;
    if slam {
        return Ok(());
    }
    loop {
        let message = websocket.read()?;
        if message.is_text() || message.is_binary() {
            websocket.send(message)?;
        }
    }
}

/// Whether a read deadline has passed. Windows calls this error `TimedOut`, Unix `WouldBlock`.
fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

// ANCHOR: held
/// A client that reconnects for as long as we listen to what it tells us.
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
/// Sends a message in each silence, which the server echoes. Returns why the connection ended.
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
                return Ok(format!("no answer for {}", shown(patience)));
            }
            Err(error) if is_goodbye(&error) => return Ok("the connection has ended".to_owned()),
            Err(error) => return Ok(error.to_string()),
        }
    }
}
// ANCHOR_END: beat

fn connect(to: SocketAddr) -> Result<WebSocket<TcpStream>, AnyError> {
    let socket = TcpStream::connect(to)?;
    socket.set_read_timeout(Some(DEADLINE))?;
    Ok(tungstenite::client(format!("ws://{to}/"), socket)?.0)
}

/// A pause that doubles after each try, up to thirty seconds. Half of it is random.
fn pause(tries: u32, first: Duration) -> Duration {
    let longest = first.saturating_mul(2_u32.saturating_pow(tries)).min(LONGEST_PAUSE);
    // The standard library has random numbers for its hash tables. They are good enough for us.
    let lot = f64::from(RandomState::new().hash_one(tries) as u32) / f64::from(u32::MAX);
    longest.mul_f64(0.5 + 0.5 * lot)
}

/// Set when the demonstration is over. Then its client leaves.
static OVER: AtomicBool = AtomicBool::new(false);

fn demonstrate(address: SocketAddr, flags: &Flags) -> Result<(), AnyError> {
    let pulled = Arc::new(AtomicBool::new(false));
    let relay = relay(address, Arc::clone(&pulled), 0)?;
    let (sender, told) = unbounded();
    let times = flags.clone();
    thread::spawn(move || stay_connected(relay, &times, &sender).ok());
    let show_until = |end: &str| -> Result<(), AnyError> {
        for _ in 0..20 {
            let line = told.recv_timeout(DEADLINE)?;
            println!("   {line}");
            if line.starts_with(end) {
                return Ok(());
            }
        }
        Err(format!("{end:?} does not come").into())
    };
    println!("\n1. The client asks after {} of silence", shown(flags.beat_after));
    show_until("client: beat 3")?;
    println!("   the cable is pulled");
    pulled.store(true, Ordering::Relaxed);
    // Before that, a last beat may have come back.
    let mut line = told.recv_timeout(DEADLINE)?;
    while line.contains("came back") {
        line = told.recv_timeout(DEADLINE)?;
    }
    println!("   {line}");
    println!("\n2. A server that takes everybody, and drops the next three at once");
    show_until("client: beat 1")?;
    OVER.store(true, Ordering::Relaxed);
    Ok(())
}

fn shown(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
