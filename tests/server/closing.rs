//! How connections end: which code, in which order, and that it arrives.

use std::io::Write;
use std::time::{Duration, Instant};

use chalkwire::Config;
use chalkwire::protocol::{Frame, FrameHeader, Opcode};

use crate::common::*;

fn masked(opcode: Opcode, payload: &[u8]) -> Frame {
    Frame::new(opcode, Some(KEY), payload)
}

#[test]
fn a_fault_is_told_at_its_header_before_its_payload() {
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
fn a_close_comes_after_all_answers_also_in_a_group() {
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
fn after_a_close_nothing_is_answered() {
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
fn who_does_not_answer_a_close_or_never_leaves_is_cut() {
    let close_timeout = Duration::from_millis(200);
    let server = serve(Config { close_timeout, ..Config::default() });
    // Sends a Close, takes the answer, and keeps the connection.
    let mut lingering = server.connect("/echo");
    lingering.send_close(1000, "");
    lingering.close();
    lingering.expect_end();
    // Breaks a rule, takes the Close, and keeps on sending.
    let mut babbling = server.connect("/echo");
    babbling.send_bytes(&[0xff; 2]);
    let ping = masked(Opcode::Ping, &[0; 100]).encode();
    let deadline = Instant::now() + DEADLINE;
    while babbling.socket.write_all(&ping).is_ok() {
        assert!(Instant::now() < deadline, "never cut");
    }
    server.wait_for_stats("no thread of theirs", |stats| stats["threads"] == 4);
}

#[test]
fn the_end_of_the_server_is_a_close_for_everyone() {
    // Everyone answers, so this is not waited for; if it were, the test would not end in time.
    let server = serve(Config { close_timeout: 10 * DEADLINE, ..Config::default() });
    let mut clients: Vec<Raw> = ["/", "/echo", "/broadcast", "/room/blue"]
        .iter()
        .cycle()
        .take(40)
        .map(|path| server.connect(path))
        .collect();
    // Someone who has connected and said nothing must not hold it up.
    let _silent = dial(server.address);
    server.wait_for_stats("all", |stats| stats["clients"] == 40);
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
fn the_end_comes_also_when_nobody_answers_or_reads() {
    let close_timeout = Duration::from_millis(500);
    let server = serve(Config { close_timeout, ..Config::default() });
    let mut mute: Vec<Raw> = (0..10).map(|_| server.connect("/broadcast")).collect();
    server.wait_for_stats("all", |stats| stats["clients"] == 10);
    // And each has a backlog, so that not even the Close can leave.
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
    server.wait_for_stats("no clients", |stats| stats["clients"] == 0 && stats["threads"] == 4);
}
