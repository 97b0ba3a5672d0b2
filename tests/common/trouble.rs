//! Trouble for a server, and steady clients that must not notice it. The load test uses a little of it,
//! and the soak a lot.

use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use chalkwire::protocol::{Frame, Opcode};

use super::{KEY, Raw, dial, handshake, wait_until};

/// Clients that exchange messages all the time. They fail if one is lost, doubled or out of order.
pub struct Steady {
    stop: Arc<AtomicBool>,
    messages: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

impl Steady {
    /// Starts two clients that echo, and a group of four clients that send in turn.
    pub fn begin(address: SocketAddr) -> Steady {
        let stop = Arc::new(AtomicBool::new(false));
        let messages = Arc::new(AtomicU64::new(0));
        let start = |talk: fn(SocketAddr, &AtomicBool, &AtomicU64)| {
            let (stop, messages) = (Arc::clone(&stop), Arc::clone(&messages));
            std::thread::spawn(move || talk(address, &stop, &messages))
        };
        let threads = vec![start(echo), start(echo), start(group)];
        Steady { stop, messages, threads }
    }

    /// Number of messages that have come back correctly so far.
    pub fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }

    /// Ends the clients with a closing handshake, and returns the number of messages.
    pub fn end(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().expect("the steady clients have lost nothing");
        }
        self.messages()
    }
}

/// Sends twenty numbered texts of different lengths at once, and expects them back in order.
fn echo(address: SocketAddr, stop: &AtomicBool, messages: &AtomicU64) {
    let mut raw = Raw::open(address, "/echo", "");
    let mut next = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        let text = |n: u64| format!("{n} {}", "x".repeat((n % 300) as usize));
        let batch: Vec<u8> = (next..next + 20)
            .flat_map(|n| Frame::new(Opcode::Text, Some(KEY), text(n).as_bytes()).encode())
            .collect();
        raw.send_bytes(&batch);
        for n in next..next + 20 {
            assert_eq!(hear(&mut raw), text(n));
        }
        next += 20;
        messages.fetch_add(20, Ordering::Relaxed);
    }
    close_going_away(raw);
}

fn group(address: SocketAddr, stop: &AtomicBool, messages: &AtomicU64) {
    let mut members: Vec<Raw> = (0..4).map(|_| Raw::open(address, "/room/steady", "")).collect();
    // A member that receives its own text has joined.
    for (n, text) in ["a", "b", "c", "d"].iter().enumerate() {
        members[n].send_text(text);
        while hear(&mut members[n]) != *text {}
    }
    for member in &mut members {
        member.send_text("ready");
    }
    for member in &mut members {
        let mut ready = 0;
        while ready < 4 {
            ready += u32::from(hear(member) == "ready");
        }
    }
    let mut next = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        let speaker = (next % 4) as usize;
        members[speaker].send_text(&next.to_string());
        for member in &mut members {
            assert_eq!(hear(member), next.to_string());
        }
        next += 1;
        messages.fetch_add(4, Ordering::Relaxed);
    }
    members.into_iter().for_each(close_going_away);
}

/// Returns the next text, and answers each Ping before it.
pub fn hear(raw: &mut Raw) -> String {
    loop {
        let frame = raw.frame();
        match frame.header.opcode {
            Opcode::Ping => raw.send(Opcode::Pong, &frame.payload),
            Opcode::Text => return String::from_utf8(frame.payload).expect("UTF-8"),
            _ => panic!("{frame:?} instead of a text"),
        }
    }
}

/// Does the closing handshake.
pub fn close_going_away(mut raw: Raw) {
    raw.send_close(1000, "");
    loop {
        let frame = raw.frame();
        if frame.header.opcode == Opcode::Close {
            return raw.expect_end();
        }
    }
}

/// Closes with a reset, so that bytes on their way in either direction are lost.
pub fn reset(socket: &TcpStream) {
    #[cfg(unix)]
    rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO)).expect("an open socket");
    let _ = socket;
}

/// Clients that vanish in eight different ways, from four threads.
pub fn vanish(address: SocketAddr, clients: usize) {
    std::thread::scope(|scope| {
        for first in 0..4 {
            scope.spawn(move || (first..clients).step_by(4).for_each(|n| vanish_one(address, n)));
        }
    });
}

fn vanish_one(address: SocketAddr, n: usize) {
    let text = Frame::new(Opcode::Text, Some(KEY), &[b'x'; 300]).encode();
    let path = ["/echo", "/broadcast", "/room/gone"][n / 8 % 3];
    let request = handshake(address, path, "");
    // Writing may fail, because the server may have closed the connection first.
    match n % 8 {
        // Before it has sent a byte.
        0 => reset(&dial(address)),
        // In the middle of the request.
        1 => {
            let mut socket = dial(address);
            let _ = socket.write_all(&request.as_bytes()[..request.len() / 2]);
        }
        // Without waiting for the answer.
        2 => {
            let mut socket = dial(address);
            let _ = socket.write_all(request.as_bytes());
            reset(&socket);
        }
        // It shuts down its sending side, and later goes without a Close.
        3 => {
            let mut raw = Raw::open(address, path, "");
            let _ = raw.socket.write_all(&text);
            let _ = raw.socket.shutdown(Shutdown::Write);
            while raw.next_frame().is_some() {}
        }
        // In the middle of a frame.
        4 => {
            let mut raw = Raw::open(address, path, "");
            let _ = raw.socket.write_all(&text[..text.len() / 2]);
        }
        // In the middle of a closing handshake.
        5 => {
            let mut raw = Raw::open(address, path, "");
            raw.send_close(1000, "");
            reset(&raw.socket);
        }
        // With messages on their way to it.
        6 => {
            let mut raw = Raw::open(address, path, "");
            let _ = raw.socket.write_all(&text.repeat(50));
            reset(&raw.socket);
        }
        // Within a fragmented message.
        _ => {
            let mut raw = Raw::open(address, path, "");
            let mut start = text.clone();
            start[0] &= 0x7f;
            let _ = raw.socket.write_all(&start);
            reset(&raw.socket);
        }
    }
}

/// A group in which one member reads slowly, one pauses, and one never reads again. The first two lose
/// nothing, and the server drops the third.
pub fn stalled_readers(address: SocketAddr, dropped: impl Fn() -> u64) {
    const LENGTH: usize = 16 * 1024;
    /// Less than the backlog that a client may have.
    const WITHIN: u64 = 50;
    /// More than the backlog and every buffer on the way can hold.
    const BEYOND: u64 = 5_000;
    let message = |n: u64| format!("{n} {}", "x".repeat(LENGTH));
    let before = dropped();
    let [mut talker, mut slow, mut resting, never] =
        [(); 4].map(|()| Raw::open(address, "/room/slow", ""));
    // Each has joined when it receives a text of the last member.
    talker.send_text("here");
    hear(&mut talker);
    let mut never = never;
    never.shrink_receive_buffer();
    never.send_text("all here");
    for raw in [&mut talker, &mut slow, &mut resting, &mut never] {
        while hear(raw) != "all here" {}
    }
    for n in 0..WITHIN {
        talker.send_text(&message(n));
        assert_eq!(hear(&mut talker), message(n));
        if n % 5 == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(hear(&mut slow), message(n));
    }
    for n in 0..WITHIN {
        assert_eq!(hear(&mut resting), message(n), "the member that paused receives each message");
    }
    for n in WITHIN..BEYOND {
        // Each look is a request of its own.
        if n % 10 == 0 && dropped() > before {
            break;
        }
        talker.send_text(&message(n));
        for raw in [&mut talker, &mut slow, &mut resting] {
            assert_eq!(hear(raw), message(n));
        }
    }
    wait_until("the member that never reads to be dropped", || dropped() > before);
    drop(never);
    [talker, slow, resting].into_iter().for_each(close_going_away);
}

/// A large group: each member receives each text once. Then all do the closing handshake.
pub fn crowd(address: SocketAddr, members: usize) {
    let mut crowd: Vec<Raw> = (0..members).map(|_| Raw::open(address, "/broadcast", "")).collect();
    // When the last member receives its own text, all have joined.
    let last = members - 1;
    crowd[last].send_text("all here");
    for raw in &mut crowd {
        while hear(raw) != "all here" {}
    }
    for n in 0..3 {
        crowd[n * last / 2].send_text(&format!("message {n}"));
        for raw in &mut crowd {
            assert_eq!(hear(raw), format!("message {n}"));
        }
    }
    for raw in &mut crowd {
        raw.send_close(1000, "");
    }
    for mut raw in crowd {
        while raw.frame().header.opcode != Opcode::Close {}
        raw.expect_end();
    }
}
