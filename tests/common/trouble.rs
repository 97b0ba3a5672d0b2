//! Trouble for a server, and the steady clients that must not notice any of it. Shared by the load
//! test, which is small, and by the soak, which is not.

use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use chalkwire::protocol::{Frame, Opcode};

use super::{KEY, Raw, dial, handshake, wait_until};

/// Clients that talk all the time, and see that nothing of theirs is lost, reordered or doubled.
pub struct Steady {
    stop: Arc<AtomicBool>,
    messages: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

impl Steady {
    /// Two that echo, and a group of four of which each speaks in turn.
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

    /// Messages that have come back so far as they should.
    pub fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }

    /// Ends them in order; gives the number of messages.
    pub fn end(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().expect("the steady clients have lost nothing");
        }
        self.messages()
    }
}

/// Twenty numbered texts at once, of changing lengths, and all of them back in order.
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
    // Who hears itself has joined.
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

/// The next text; Pings on the way are answered.
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

/// Closes as one should.
pub fn close_going_away(mut raw: Raw) {
    raw.send_close(1000, "");
    loop {
        let frame = raw.frame();
        if frame.header.opcode == Opcode::Close {
            return raw.expect_end();
        }
    }
}

/// Closes with a reset: what is on its way in either direction is lost.
fn reset(socket: &TcpStream) {
    #[cfg(unix)]
    rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO)).expect("an open socket");
    let _ = socket;
}

/// Clients that vanish, in every way there is, four threads of them.
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
    // Writing may fail: the server may have been quicker.
    match n % 8 {
        // Before it has said anything.
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
        // Half of the connection only, and then the rest without a word.
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

/// One who reads slowly, one who stops for a while, and one who never reads again, in one group. The
/// first two lose nothing; the last pays alone.
pub fn stalled_readers(address: SocketAddr, dropped: impl Fn() -> u64) {
    const LENGTH: usize = 16 * 1024;
    /// Below the backlog that a client may have.
    const WITHIN: u64 = 50;
    /// Above all that every buffer on the way can hold.
    const BEYOND: u64 = 5_000;
    let message = |n: u64| format!("{n} {}", "x".repeat(LENGTH));
    let before = dropped();
    let [mut talker, mut slow, mut resting, never] =
        [(); 4].map(|()| Raw::open(address, "/room/slow", ""));
    // All have joined when each has heard somebody who came later; the last hears itself.
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
        assert_eq!(hear(&mut resting), message(n), "who rests finds all that was said meanwhile");
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
    wait_until("who never reads to be dropped", || dropped() > before);
    drop(never);
    [talker, slow, resting].into_iter().for_each(close_going_away);
}

/// So many in one group: each hears what one says, once. They leave in order.
pub fn crowd(address: SocketAddr, members: usize) {
    let mut crowd: Vec<Raw> = (0..members).map(|_| Raw::open(address, "/broadcast", "")).collect();
    // The last to come hears itself, and then everyone has joined.
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
