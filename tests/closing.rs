//! How connections end: which code, in which order, and that it arrives.

mod common;

use std::io::Write;
use std::time::{Duration, Instant};

use chalkwire::Config;
use chalkwire::frame::{Frame, FrameHeader, LengthForm, Opcode};
use common::*;

fn masked(opcode: Opcode, payload: &[u8]) -> Frame {
    Frame::new(opcode, Some(KEY), payload)
}

/// A frame with something changed in its header.
fn with(mut frame: Frame, change: impl FnOnce(&mut FrameHeader)) -> Vec<u8> {
    change(&mut frame.header);
    frame.encode()
}

#[test]
fn each_fault_has_its_close_code_and_a_sentence() {
    let server = serve(Config { max_message: 1000, max_fragments: 10, ..Config::default() });
    let text = || masked(Opcode::Text, b"Hello");
    let ping = || masked(Opcode::Ping, b"Hello");
    let start = || with(text(), |header| header.fin = false);
    let empty = with(masked(Opcode::Continuation, b""), |header| header.fin = false);
    let table: Vec<(Vec<u8>, u16, &str)> = vec![
        (Frame::new(Opcode::Text, None, b"Hello").encode(), 1002, "mask"),
        (with(text(), |header| header.rsv = 0b100), 1002, "RSV"),
        (with(text(), |header| header.rsv = 0b010), 1002, "RSV"),
        (with(ping(), |header| header.rsv = 0b001), 1002, "RSV"),
        (masked(Opcode::Reserved(3), b"").encode(), 1002, "0x3"),
        (masked(Opcode::Reserved(15), b"").encode(), 1002, "0xf"),
        (with(ping(), |header| header.fin = false), 1002, "fragmented"),
        (masked(Opcode::Ping, &[0; 126]).encode(), 1002, "125"),
        (masked(Opcode::Close, &[3; 126]).encode(), 1002, "125"),
        (with(text(), |header| header.length_form = LengthForm::Bits16), 1002, "16 bits"),
        (with(text(), |header| header.length_form = LengthForm::Bits64), 1002, "64 bits"),
        (
            with(text(), |header| {
                header.length_form = LengthForm::Bits64;
                header.payload_length = 1 << 63;
            }),
            1002,
            "highest bit",
        ),
        (masked(Opcode::Continuation, b"").encode(), 1002, "no message is open"),
        ([start(), text().encode()].concat(), 1002, "before the last"),
        (masked(Opcode::Binary, &[0; 1001]).encode(), 1009, "1000 bytes"),
        (
            with(text(), |header| {
                header.length_form = LengthForm::Bits64;
                header.payload_length = 1 << 60;
            }),
            1009,
            "1000 bytes",
        ),
        ([start(), masked(Opcode::Continuation, &[0; 996]).encode()].concat(), 1009, "1000"),
        ([start(), empty.repeat(10)].concat(), 1008, "10 fragments"),
        (masked(Opcode::Text, b"\xed\xa0\x80").encode(), 1007, "UTF-8"),
        (masked(Opcode::Text, b"\xe2\x82").encode(), 1007, "UTF-8"),
        (
            [start(), with(masked(Opcode::Continuation, b"\xff"), |h| h.fin = false)].concat(),
            1007,
            "UTF-8",
        ),
        (
            // The next frame, in the same write, breaks another rule: the first is told.
            [masked(Opcode::Text, b"\xff").encode(), vec![0xc1, 0x80, 1, 2, 3, 4]].concat(),
            1007,
            "UTF-8",
        ),
        (masked(Opcode::Close, b"\x03").encode(), 1002, "two bytes"),
        (masked(Opcode::Close, b"\x03\xed").encode(), 1002, "1005"),
        (masked(Opcode::Close, b"\x03\xe8\xff").encode(), 1007, "UTF-8"),
        (b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), 1002, "RSV"),
    ];
    for (bytes, code, word) in table {
        let mut raw = server.connect("/echo");
        // A good message first: what came before the fault still counts.
        raw.send_bytes(&[masked(Opcode::Text, b"good").encode(), bytes.clone()].concat());
        assert_eq!(raw.text(), "good", "before {bytes:02x?}");
        let (found, reason) = raw.close();
        assert_eq!(found, code, "{reason} for {bytes:02x?}");
        assert!(reason.contains(word), "{reason:?} should name {word:?}");
        assert!(reason.contains("RFC 6455 "), "{reason:?} should name the rule");
        raw.expect_end();
    }
    server.wait_for_stats("the end of all", |stats| stats["clients"] == 0);
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
    for _ in 0..20 {
        let mut raw = server.connect("/echo");
        let mut writer = raw.socket.try_clone().unwrap();
        let too_big = masked(Opcode::Binary, &vec![0; 8 << 20]).encode();
        let writing = std::thread::spawn(move || writer.write_all(&too_big));
        assert_eq!(raw.close().0, 1009);
        raw.expect_end();
        writing.join().unwrap().expect("the server reads on, so the write gets through");
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
