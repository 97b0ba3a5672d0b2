//! Storms: clients that send as fast as they can, and a quiet client whose round trips are measured meanwhile. The
//! server's tests use a few of them, and the bench program `fairness` all.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use chalkwire::protocol::{Frame, Opcode};

use super::trouble::reset;
use super::{KEY, Raw, handshake, wait_until};

/// How long the storm rests when no socket takes or has a byte.
const REST: Duration = Duration::from_micros(200);
/// Bytes that one attacker sends or receives in one call.
const PIECE: usize = 256 * 1024;
/// Pause of the quiet client between two messages.
const PACE: Duration = Duration::from_millis(2);

/// What an attacker sends over and over.
#[derive(Debug, Clone, Copy)]
pub struct Storm {
    pub name: &'static str,
    /// The kind of message that each attacker repeats.
    message: Message,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Message {
    /// A request to join a classroom. The server refuses all but the first.
    Join,
    /// A whisper to a name of this many DEL characters. When the server repeats such a name, each character becomes
    /// seven bytes.
    WhisperToNobody(usize),
    /// A whisper of this many bytes to the first attacker.
    Whisper(usize),
    /// A request of a type whose name has this many bytes.
    UnknownType(usize),
    /// A text of this many bytes for all members of a classroom.
    Say(usize),
    /// A binary message of this many bytes for all clients at `/broadcast`.
    Broadcast(usize),
}

/// All storms that the program `fairness` measures.
pub const STORMS: [Storm; 9] = [
    JOINS,
    WHISPERS_TO_NOBODY,
    Storm { name: "whispers of 3 kB", message: Message::Whisper(3_000) },
    Storm { name: "refusals of 64 kB", message: Message::UnknownType(64_000) },
    SAYS,
    Storm { name: "says of 4 kB", message: Message::Say(4_000) },
    Storm { name: "says of 64 kB", message: Message::Say(64_000) },
    BROADCASTS,
    Storm { name: "broadcasts of 60 kB", message: Message::Broadcast(60_000) },
];
/// Requests to join a classroom.
pub const JOINS: Storm = Storm { name: "joins", message: Message::Join };
/// Whispers to a name that is as long as a message may have been once.
pub const WHISPERS_TO_NOBODY: Storm =
    Storm { name: "whispers to nobody", message: Message::WhisperToNobody(65_000) };
/// Short texts for a classroom.
pub const SAYS: Storm = Storm { name: "short says", message: Message::Say(8) };
/// Short messages to all clients at `/broadcast`.
pub const BROADCASTS: Storm =
    Storm { name: "broadcasts of 16 bytes", message: Message::Broadcast(16) };

impl Storm {
    /// Whether the attackers are at `/broadcast`, and not in a classroom.
    pub fn is_broadcast(self) -> bool {
        matches!(self.message, Message::Broadcast(_))
    }

    /// The request of the handshake, and the message with which attacker `n` begins.
    fn beginning(self, address: SocketAddr, n: usize) -> Vec<u8> {
        if self.is_broadcast() {
            return handshake(address, "/broadcast", "").into_bytes();
        }
        let subprotocol = "Sec-WebSocket-Protocol: classroom.v1\r\n";
        let request = handshake(address, "/room/storm", subprotocol);
        [request.as_bytes(), &text_frame(&join(n))].concat()
    }

    /// Frames that attacker `n` sends over and over.
    fn flood(self, n: usize) -> Vec<u8> {
        let frame = match self.message {
            Message::Join => text_frame(&join(n)),
            Message::WhisperToNobody(length) => {
                let name = "\x7f".repeat(length);
                text_frame(&format!(r#"{{"type":"whisper","to":"{name}","text":"x"}}"#))
            }
            Message::Whisper(length) => {
                let text = "x".repeat(length);
                text_frame(&format!(r#"{{"type":"whisper","to":"storm 0","text":"{text}"}}"#))
            }
            Message::UnknownType(length) => {
                text_frame(&format!(r#"{{"type":"{}"}}"#, "x".repeat(length)))
            }
            Message::Say(length) => {
                text_frame(&format!(r#"{{"type":"say","text":"{}"}}"#, "x".repeat(length)))
            }
            Message::Broadcast(length) => {
                Frame::new(Opcode::Binary, Some(KEY), &vec![7; length]).encode()
            }
        };
        frame.repeat(PIECE.div_ceil(frame.len()))
    }
}

fn join(n: usize) -> String {
    format!(r#"{{"type":"join","name":"storm {n}"}}"#)
}

fn text_frame(text: &str) -> Vec<u8> {
    Frame::new(Opcode::Text, Some(KEY), text.as_bytes()).encode()
}

/// Attackers in a thread of their own. They also read, because the server drops clients that do not.
pub struct Attack {
    stop: Arc<AtomicBool>,
    /// Bytes that the attackers have received.
    received: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

struct Attacker {
    socket: TcpStream,
    /// The bytes that are not sent yet: the beginning once, and then the flood again and again.
    beginning: Vec<u8>,
    sent: usize,
}

impl Attack {
    /// Connects the attackers, starts the storm, and waits until the server is busy with it.
    pub fn begin(address: SocketAddr, storm: Storm, attackers: usize) -> Attack {
        /// More than the answers to the handshakes of the largest storm.
        const BUSY: u64 = 100_000;
        let stop = Arc::new(AtomicBool::new(false));
        let received = Arc::new(AtomicU64::new(0));
        let thread = {
            let (stop, received) = (Arc::clone(&stop), Arc::clone(&received));
            std::thread::spawn(move || rage(address, storm, attackers, &stop, &received))
        };
        let attack = Attack { stop, received, thread };
        wait_until("the storm to begin", || attack.received.load(Ordering::Relaxed) > BUSY);
        attack
    }

    /// Ends the storm. The attackers vanish with a reset.
    pub fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("attackers survive whatever the server does");
    }
}

/// Sends and receives on all attackers' sockets in turn, as much as they take and have.
fn rage(
    address: SocketAddr,
    storm: Storm,
    attackers: usize,
    stop: &AtomicBool,
    received: &AtomicU64,
) {
    let floods: Vec<Vec<u8>> = (0..attackers).map(|n| storm.flood(n)).collect();
    let attacker = |n| Attacker::connect(address, storm.beginning(address, n)).ok();
    let mut all: Vec<Option<Attacker>> = (0..attackers).map(attacker).collect();
    let mut buffer = vec![0; PIECE];
    while !stop.load(Ordering::Relaxed) {
        let mut moved = 0;
        for (n, slot) in all.iter_mut().enumerate() {
            let Some(open) = slot else { continue };
            match open.turn(&floods[n], &mut buffer) {
                Ok((sent, read)) => {
                    moved += sent + read;
                    received.fetch_add(read as u64, Ordering::Relaxed);
                }
                // The server has dropped this attacker, which comes again unless the server has ended.
                Err(_) => *slot = attacker(n),
            }
        }
        if moved == 0 {
            std::thread::sleep(REST);
        }
    }
    all.iter().flatten().for_each(|attacker| reset(&attacker.socket));
}

impl Attacker {
    fn connect(address: SocketAddr, beginning: Vec<u8>) -> io::Result<Attacker> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        Ok(Attacker { socket, beginning, sent: 0 })
    }

    /// Sends and receives once, and returns how many bytes each was.
    fn turn(&mut self, flood: &[u8], buffer: &mut [u8]) -> io::Result<(usize, usize)> {
        let is_beginning = !self.beginning.is_empty();
        let bytes = if is_beginning { &self.beginning } else { flood };
        let sent = nothing_when_not_ready(self.socket.write(&bytes[self.sent..]))?;
        self.sent += sent;
        if self.sent == bytes.len() {
            self.sent = 0;
            self.beginning.clear();
        }
        // Not even the end of the server's output makes an attacker stop.
        Ok((sent, nothing_when_not_ready(self.socket.read(buffer))?))
    }
}

fn nothing_when_not_ready(result: io::Result<usize>) -> io::Result<usize> {
    match result {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        other => other,
    }
}

/// The round trips of a client at `/echo` that sends a short text every two milliseconds for as long as `time`,
/// sorted. At least one is measured.
pub fn round_trips(address: SocketAddr, time: Duration) -> Vec<Duration> {
    let mut raw = Raw::open(address, "/echo", "");
    let began = Instant::now();
    let mut measured = Vec::new();
    while measured.is_empty() || began.elapsed() < time {
        let sent_at = Instant::now();
        raw.send_text("how long does it take");
        assert_eq!(raw.text(), "how long does it take");
        measured.push(sent_at.elapsed());
        std::thread::sleep(PACE);
    }
    measured.sort();
    measured
}

/// The value below which this part of the sorted `values` is; 0.5 is the median.
pub fn quantile(values: &[Duration], part: f64) -> Duration {
    values[((values.len() - 1) as f64 * part) as usize]
}
