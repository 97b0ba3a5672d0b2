//! A client that reconnects politely.

use std::hash::{BuildHasher, RandomState};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam_channel::Sender;
use tungstenite::{Error, WebSocket};

use crate::accept_or_page::DEADLINE;
use crate::{AnyError, Flags, is_timeout};

/// The longest first pause.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause of all.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Set when the demonstration is over. Then its client leaves.
pub static OVER: AtomicBool = AtomicBool::new(false);
/// What the client tells us when it has a connection.
pub const OPEN: &str = "client: open";

// ANCHOR: client
/// A client that reconnects for as long as we listen to what it tells us.
pub fn stay_connected(
    to: SocketAddr,
    flags: &Flags,
    tell: &Sender<String>,
) -> Result<(), AnyError> {
    let mut tries = 0;
    loop {
        match connect(to) {
            Ok(mut websocket) => {
                tries = 0;
                tell.send(OPEN.to_owned())?;
                // After `ping_after` of silence the server sends a Ping. The client counts on it.
                let patience = flags.ping_after + flags.give_up_after;
                websocket.get_ref().set_read_timeout(Some(patience))?;
                let error = loop {
                    match websocket.read() {
                        Ok(_) if OVER.load(Ordering::Relaxed) => return Ok(()),
                        Ok(_) => {}
                        Err(error) => break error,
                    }
                };
                tell.send(match error {
                    Error::Io(error) if is_timeout(&error) => {
                        format!("client: no Ping for {}, it gives up", shown(patience))
                    }
                    error => format!("client: {error}"),
                })?;
            }
            Err(_) => tell.send("client: refused".to_owned())?,
        }
        let pause = pause(tries);
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
/// A pause that doubles after each try, up to thirty seconds. Half of it is random.
fn pause(tries: u32) -> Duration {
    let longest = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(tries)).min(LONGEST_PAUSE);
    // The standard library has random numbers for its hash tables. They are good enough for us.
    let lot = f64::from(RandomState::new().hash_one(tries) as u32) / f64::from(u32::MAX);
    longest.mul_f64(0.5 + 0.5 * lot)
}
// ANCHOR_END: pause

pub fn shown(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
