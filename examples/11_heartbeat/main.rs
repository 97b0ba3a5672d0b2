//! Chapter 11: the heartbeat, and a client that comes back.
//!
//! Learn: why you must ask to notice a pulled cable, and how a client reconnects politely.
//! Run:   `cargo run --example 11_heartbeat`
//! See:   round trips; a pulled cable; when each side notices it; how the client comes back.
//! Still wrong: a side that gives up drops its socket without a Close. Chapter 12 closes properly.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{io, thread, time::Duration, time::Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};
use tungstenite::{Error as WsError, Message, handshake::server::NoCallback};

#[path = "../common/accept_or_page.rs"]
mod accept_or_page;
#[path = "../common/goodbye.rs"]
mod goodbye;
mod reconnect;
mod relay;
use accept_or_page::{DEADLINE, accept_or_page};
use goodbye::is_goodbye;
use reconnect::{OPEN, OVER, shown, stay_connected};
use relay::relay;

/// Shows Pings, Pongs, a pulled cable, and a client that comes back.
#[derive(argh::FromArgs, Clone)]
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
    /// milliseconds of silence after that Ping until the server gives up (default 500)
    #[argh(option, default = "Duration::from_millis(500)", from_str_fn(parse))]
    give_up_after: Duration,
}

fn parse(text: &str) -> Result<Duration, String> {
    text.parse().map(Duration::from_millis).map_err(|error| error.to_string())
}

type AnyError = Box<dyn std::error::Error>;
const NO_PONG: &str = "server: no Pong, it gives up";
const PAGE: &str = include_str!("page.html");

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
/// Runs in a client's thread: an echo with a heartbeat.
fn serve(socket: TcpStream, times: &Flags, tell: &Sender<String>) -> Result<(), AnyError> {
    let Some(mut websocket) = accept_or_page(&socket, PAGE, NoCallback)? else { return Ok(()) };
    socket.set_write_timeout(Some(DEADLINE))?;
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
        waiting = false; // every message is a sign of life
        if message.is_text() || message.is_binary() {
            websocket.send(message)?;
        }
    }
}
// ANCHOR_END: heartbeat

// ANCHOR: is_timeout
/// Whether a read deadline has passed. Windows calls this error `TimedOut`, Unix `WouldBlock`.
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

/// Prints the lines that a side reports, up to the first one that starts with `begin`.
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
