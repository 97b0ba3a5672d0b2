//! How connections end: with which close code, in which order, and that the code arrives.

use std::io::Write;
use std::time::{Duration, Instant};

use chalkwire::Config;
use chalkwire::protocol::{Frame, FrameHeader, Opcode};

use crate::common::*;

fn masked(opcode: Opcode, payload: &[u8]) -> Frame {
    Frame::new(opcode, Some(KEY), payload)
}

#[test]
fn a_fault_in_a_header_is_answered_before_the_payload_arrives() {
    let server = serve(Config::default());
    let mut raw = server.connect("/echo");
    let mut header = Vec::new();
    FrameHeader::new(Opcode::Binary, Some(KEY), 1 << 60).encode(&mut header);
    raw.send_bytes(&header);
    assert_eq!(raw.close().0, 1009);
}

#[test]
fn the_close_code_arrives_while_the_peer_is_still_sending() {
    let server = serve(Config { max_message: 1 << 20, ..Config::default() });
    let too_big = masked(Opcode::Binary, &vec![0; 8 << 20]).encode();
    for _ in 0..20 {
        let mut raw = server.connect("/echo");
        let mut writer = raw.socket.try_clone().unwrap();
        std::thread::scope(|scope| {
            let writing = scope.spawn(|| writer.write_all(&too_big));
            assert_eq!(raw.close().0, 1009);
            raw.expect_end();
            writing.join().unwrap().expect("the write succeeds, because the server reads on");
        });
    }
}

#[test]
fn a_close_is_answered_with_its_code_and_reason() {
    let server = serve(Config::default());
    for (code, reason) in [(1000, ""), (1001, "bye"), (3000, "再见"), (4999, "x")] {
        let mut raw = server.connect("/echo");
        raw.send_close(code, reason);
        assert_eq!(raw.close(), (code, reason.to_owned()));
        raw.expect_end();
    }
    let mut raw = server.connect("/echo");
    raw.send(Opcode::Close, b"");
    assert_eq!(raw.frame().encode(), [0x88, 0x00]);
    raw.expect_end();
}

#[test]
fn the_answer_to_a_close_comes_after_all_earlier_answers() {
    let server = serve(Config::default());
    for path in ["/echo", "/broadcast", "/room/blue"] {
        for _ in 0..50 {
            let mut raw = server.connect(path);
            let input = [
                masked(Opcode::Text, b"last").encode(),
                masked(Opcode::Text, b"words").encode(),
                masked(Opcode::Close, b"\x03\xe8").encode(),
            ];
            raw.send_bytes(&input.concat());
            assert_eq!((raw.text(), raw.text()), ("last".to_owned(), "words".to_owned()), "{path}");
            assert_eq!(raw.close().0, 1000);
            raw.expect_end();
        }
    }
}

#[test]
fn frames_after_a_close_are_not_answered() {
    let server = serve(Config::default());
    let mut raw = server.connect("/echo");
    let after = [
        masked(Opcode::Close, b"\x03\xe8").encode(),
        masked(Opcode::Text, b"Hello").encode(),
        masked(Opcode::Ping, b"?").encode(),
        masked(Opcode::Close, b"").encode(),
        masked(Opcode::Reserved(3), b"").encode(),
    ];
    raw.send_bytes(&after.concat());
    assert_eq!(raw.close(), (1000, String::new()));
    raw.expect_end();
}

#[test]
fn a_client_that_does_not_leave_after_a_close_is_disconnected() {
    let close_timeout = Duration::from_millis(200);
    let server = serve(Config { close_timeout, ..Config::default() });
    // This client sends a Close, reads the answer, and keeps the connection.
    let mut lingering = server.connect("/echo");
    lingering.send_close(1000, "");
    lingering.close();
    lingering.expect_end();
    // This client breaks a rule, and keeps sending after the Close.
    let mut babbling = server.connect("/echo");
    babbling.send_bytes(&[0xff; 2]);
    let ping = masked(Opcode::Ping, &[0; 100]).encode();
    let deadline = Instant::now() + DEADLINE;
    while babbling.socket.write_all(&ping).is_ok() {
        assert!(Instant::now() < deadline, "the server never cut the client off");
    }
    server.wait_for_stats("the threads of both clients to end", |stats| stats["threads"] == 5);
}

#[test]
fn a_server_that_stops_sends_every_client_a_close() {
    // All clients answer, so the server does not wait this long. If it did, the test would miss its deadline.
    let server = serve(Config { close_timeout: 10 * DEADLINE, ..Config::default() });
    let mut clients: Vec<Raw> = ["/", "/echo", "/broadcast", "/room/blue"]
        .iter()
        .cycle()
        .take(40)
        .map(|path| server.connect(path))
        .collect();
    // A connection without a request must not delay the end.
    let _silent = dial(server.address);
    server.wait_for_stats("all clients", |stats| stats["clients"] == 40);
    server.stop();
    for raw in &mut clients {
        assert_eq!(raw.close().0, 1001);
        raw.send_close(1001, "");
        raw.expect_end();
    }
    drop(clients);
    server.end();
}

#[test]
fn a_server_stops_even_if_no_client_answers_or_reads() {
    let close_timeout = Duration::from_millis(500);
    let server = serve(Config { close_timeout, ..Config::default() });
    let mut mute: Vec<Raw> = (0..10).map(|_| server.connect("/broadcast")).collect();
    server.wait_for_stats("all clients", |stats| stats["clients"] == 10);
    // Each client has a backlog, so that not even the Close can be sent.
    let frame = masked(Opcode::Binary, &vec![0; 1 << 20]).encode();
    let mut writer = mute[0].socket.try_clone().unwrap();
    writer.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
    while writer.write_all(&frame).is_ok() {}
    server.end();
    drop(mute.drain(..));
}

#[test]
fn a_client_that_vanishes_leaves_nothing_behind() {
    let server = serve(Config::default());
    for n in 0..30 {
        let mut raw = server.connect("/room/blue");
        match n % 3 {
            0 => raw.send_bytes(&[0x81]),
            1 => raw.send_bytes(&masked(Opcode::Text, &[b'x'; 500]).encode()[..100]),
            _ => {}
        }
    }
    server.wait_for_stats("no clients", |stats| stats["clients"] == 0 && stats["threads"] == 5);
}
