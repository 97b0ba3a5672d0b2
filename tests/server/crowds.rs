//! Crowds: many connections that want little, and a server that still lets others in.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use chalkwire::Config;

use crate::common::*;

/// Sends the head of a request, one byte in each round, over many connections. When the server ends one of them, a
/// new one begins.
fn send_slow_heads(address: SocketAddr, rounds: &AtomicUsize, stop: &AtomicBool) {
    let connect = || {
        let socket = dial(address);
        socket.set_nonblocking(true).expect("an open socket");
        (socket, b"GET /echo HTTP/1.1\r\nX: ".iter().chain(b"x".iter().cycle()))
    };
    let mut heads: Vec<_> = (0..100).map(|_| connect()).collect();
    while !stop.load(Ordering::Relaxed) {
        for (socket, bytes) in &mut heads {
            let byte = *bytes.next().expect("an endless head");
            let is_open = matches!(socket.read(&mut [0; 512]), Err(error)
                if error.kind() == std::io::ErrorKind::WouldBlock);
            if !is_open || socket.write(&[byte]).is_err() {
                let (next, next_bytes) = connect();
                (*socket, *bytes) = (next, next_bytes);
            }
        }
        rounds.fetch_add(1, Ordering::Relaxed);
        // The attack's own pace.
        thread::sleep(Duration::from_millis(50));
    }
}

/// Whether a newcomer gets a WebSocket.
fn is_served(address: SocketAddr) -> bool {
    let mut socket = dial(address);
    let mut start = [0; 12];
    let sent = socket.write_all(handshake(address, "/echo", "").as_bytes());
    sent.and_then(|()| socket.read_exact(&mut start)).is_ok() && &start == b"HTTP/1.1 101"
}

#[test]
fn slow_heads_that_come_again_do_not_lock_newcomers_out() {
    let server = serve(Config { max_handshakes: 50, ..Config::default() });
    let mut member = server.connect("/echo");
    let (rounds, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let attack = {
        let (address, rounds, stop) = (server.address, Arc::clone(&rounds), Arc::clone(&stop));
        thread::spawn(move || send_slow_heads(address, &rounds, &stop))
    };
    let next_round = || {
        let before = rounds.load(Ordering::Relaxed);
        wait_until("a round of the attack", || rounds.load(Ordering::Relaxed) > before + 1);
    };
    next_round();
    let served = (0..40)
        .filter(|_| {
            next_round();
            is_served(server.address)
        })
        .count();
    stop.store(true, Ordering::Relaxed);
    attack.join().unwrap();
    assert!(served >= 36, "only {served} of 40 newcomers are served");
    member.send_text("still here");
    assert_eq!(member.text(), "still here");
}

#[test]
fn clients_that_keep_their_connection_after_the_answer_do_not_lock_newcomers_out() {
    let server = serve(Config { max_handshakes: 2, ..Config::default() });
    let mut kept: Vec<TcpStream> = Vec::new();
    let mut served = 0;
    for _ in 0..20 {
        let mut socket = dial(server.address);
        socket.write_all(b"GET /lab/base.css HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        served += usize::from(read_to_end(&mut socket).starts_with("HTTP/1.1 200 "));
        kept.push(socket);
    }
    // The server learns a moment after its client that the answer is complete, so a few may be refused.
    assert!(served >= 15, "only {served} of 20 newcomers are served");
}

#[test]
fn an_address_may_not_have_more_connections_than_its_limit() {
    let server = serve(Config { max_per_address: Some(3), ..Config::default() });
    let mut member = server.connect("/echo");
    // Each kind of connection counts: a WebSocket, a page that watches, a connection without a request.
    let mut watcher = dial(server.address);
    let request = format!("GET /wire/events HTTP/1.1\r\nHost: {}\r\n\r\n", server.address);
    watcher.write_all(request.as_bytes()).unwrap();
    let silent = dial(server.address);
    let answer = server.get("/", "");
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    let why = "your address has 3 connections open, and --max-per-address allows no more\n";
    assert!(answer.ends_with(why), "{answer}");
    member.send_text("hello");
    assert_eq!(member.text(), "hello");
    drop(silent);
    wait_until("a free place", || server.get("/", "").starts_with("HTTP/1.1 200 "));
}

#[test]
fn an_address_that_opens_connections_too_fast_gets_429() {
    let server = serve(Config { max_rate_per_address: Some(1), ..Config::default() });
    let mut answers = (0..1000).map(|_| server.get("/lab/base.css", ""));
    // A burst of ten is free. However slow this machine is, the tokens run out while it asks without a pause,
    // unless each request takes a second.
    let refusal = answers.find(|answer| !answer.starts_with("HTTP/1.1 200 ")).expect("an end");
    assert!(refusal.starts_with("HTTP/1.1 429 Too Many Requests\r\n"), "{refusal}");
    assert!(refusal.contains("\r\nRetry-After: 1\r\n"), "{refusal}");
    assert!(refusal.contains("--max-rate-per-address"), "{refusal}");
    wait_until("a new token", || server.get("/lab/base.css", "").starts_with("HTTP/1.1 200 "));
}
