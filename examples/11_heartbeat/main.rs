//! 11. The heartbeat, and a client that comes back.
//!
//! You learn: why a pulled cable is noticed only by asking, and how a client reconnects politely.
//! Run:       cargo run --example 11_heartbeat
//! You see:   round trips; a cable pulled; who notices it, and when; the client's way back.
//! Still wrong: whoever is given up, or gives up, just drops its socket. Chapter 12 says goodbye.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use argh::FromArgs;
use crossbeam_channel::{Receiver, Sender, unbounded};
use tungstenite::{Error as WsError, Message};

#[path = "parts/cable.rs"]
mod cable;
#[path = "parts/door.rs"]
mod door;
#[path = "parts/reconnect.rs"]
mod reconnect;
use cable::relay;
use door::{DEADLINE, is_goodbye, open};
use reconnect::{OPEN, OVER, shown, stay_connected};
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
    #[argh(option, default = "Duration::from_millis(100)", from_str_fn(parse))]
    ping_after: Duration,
    /// milliseconds of silence after that Ping until we give up (default 500)
    #[argh(option, default = "Duration::from_millis(500)", from_str_fn(parse))]
    give_up_after: Duration,
}

fn parse(text: &str) -> Result<Duration, String> {
    text.parse().map(Duration::from_millis).map_err(|error| error.to_string())
}

type AnyError = Box<dyn std::error::Error>;
const NO_PONG: &str = "server: no Pong, it gives up";
const PAGE: &str = include_str!("11_heartbeat.html");

fn main() -> Result<(), AnyError> {
    let flags: Flags = argh::from_env();
    let listener = TcpListener::bind(&flags.listen)
        .map_err(|error| format!("cannot listen at {}: {error}", flags.listen))?;
    let address = listener.local_addr()?;
    println!("listening at http://{address}/");
    let (sender, reports) = unbounded();
    let all_times = flags.clone();
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let (times, sender) = (all_times.clone(), sender.clone());
            let _ = thread::Builder::new().spawn(move || serve(socket, &times, &sender).ok());
        }
    });
    demonstrate(address, &flags, &reports)?;
    if !flags.once {
        println!("\nOpen http://{address}/ in a browser. Ctrl-C ends this.");
        reports.iter().for_each(|line| println!("   {line}"));
    }
    Ok(())
}

// ANCHOR: heartbeat
/// The body of a client's thread: an echo with a heartbeat.
fn serve(socket: TcpStream, times: &Flags, tell: &Sender<String>) -> Result<(), AnyError> {
    let Some(mut websocket) = open(&socket, PAGE)? else { return Ok(()) };
    let (mut pings, mut waiting, mut sent_at) = (0, false, Instant::now());
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
            Err(WsError::Io(error)) if is_timeout(&error) => return Ok(tell.send(NO_PONG.into())?),
            Err(error) if is_goodbye(&error) => return Ok(tell.send("server: it left".into())?),
            Err(error) => return Err(error.into()),
        };
        if let Message::Pong(payload) = &message
            && waiting
            && payload == &pings.to_string()
        {
            let time = shown(sent_at.elapsed());
            tell.send(format!("server: Ping {pings}, Pong after {time}"))?;
        }
        waiting = false; // whatever it was: a sign of life
        if message.is_text() || message.is_binary() {
            websocket.send(message)?;
        }
    }
}
// ANCHOR_END: heartbeat

// ANCHOR: is_timeout
/// A read deadline has passed. Windows has another word for it.
fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
// ANCHOR_END: is_timeout

fn demonstrate(to: SocketAddr, flags: &Flags, server: &Receiver<String>) -> Result<(), AnyError> {
    let pulled = Arc::new(AtomicBool::new(false));
    let relay = relay(to, Arc::clone(&pulled), 3)?;
    let (sender, client) = unbounded();
    let times = flags.clone();
    thread::spawn(move || stay_connected(relay, &times, &sender).ok());
    println!("\n1. A Ping after {} of silence", shown(flags.ping_after));
    show_until(OPEN, &client)?;
    show_until("server: Ping 3", server)?;
    println!("\n2. The cable is pulled: no FIN, no reset, no byte in either direction");
    pulled.store(true, Ordering::Relaxed);
    let pulled_at = Instant::now();
    while server.recv_timeout(DEADLINE)? != NO_PONG {}
    println!("   {NO_PONG}, {} after the pull", shown(pulled_at.elapsed()));
    show_until("client: no Ping", &client)?;
    println!("\n3. The client comes back; three times it is refused");
    show_until(OPEN, &client)?;
    show_until("server: Ping 1", server)?;
    OVER.store(true, Ordering::Relaxed);
    Ok(())
}

/// Prints what is told, up to the first line that begins so.
fn show_until(begin: &str, told: &Receiver<String>) -> Result<(), AnyError> {
    for _ in 0..20 {
        let line = told.recv_timeout(DEADLINE)?;
        println!("   {line}");
        if line.starts_with(begin) {
            return Ok(());
        }
    }
    Err(format!("{begin:?} does not come").into())
}
