//! What messages cost the server in memory: each alone, and all together.

use std::io::Write;
use std::time::Duration;

use chalkwire::Config;
use chalkwire::protocol::{Frame, FrameHeader, Opcode};

use super::common::program::Serving;
use super::common::{Raw, handshake, serve, wait_until};

const KEY: [u8; 4] = [1, 2, 3, 4];
const MIB: usize = 1024 * 1024;

/// Sends the header of a binary message of `announced` bytes, and `sent` bytes of its payload.
fn begin_message(client: &mut Raw, announced: usize, sent: usize) {
    let mut bytes = Vec::new();
    FrameHeader::new(Opcode::Binary, Some(KEY), announced as u64).encode(&mut bytes);
    bytes.resize(bytes.len() + sent, 7);
    client.send_bytes(&bytes);
}

fn assert_echo(client: &mut Raw, text: &str) {
    client.send_text(text);
    assert_eq!(client.text(), text);
}

/// A line of `/proc/PID/status` that ends in `kB`, in bytes.
#[cfg(target_os = "linux")]
fn status_bytes(server: &Serving, name: &str) -> usize {
    let text =
        std::fs::read_to_string(format!("/proc/{}/status", server.child.id())).expect("it runs");
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("such a line");
    let kibibytes = line.trim_start_matches(':').trim().trim_end_matches(" kB");
    kibibytes.parse::<usize>().expect("a number") * 1024
}

#[test]
fn the_largest_debtor_gets_close_1013_and_the_others_notice_nothing() {
    let limit = 4 * MIB;
    let server = serve(Config { max_memory: Some(limit), ..Config::default() });
    let mut healthy = server.connect("/echo");
    let mut small = server.connect("/echo");
    begin_message(&mut small, 2 * MIB, MIB);
    assert_echo(&mut healthy, "before");
    let mut large = server.connect("/echo");
    begin_message(&mut large, 8 * MIB, 7 * MIB / 2);
    let (code, reason) = large.close();
    assert_eq!(code, 1013, "{reason}");
    assert!(reason.contains("too little memory"), "{reason}");
    assert_echo(&mut healthy, "after");
    // The server has let go of the large message, so the small one can be completed.
    small.send_bytes(&[7; MIB]);
    assert_eq!(small.frame().payload.len(), 2 * MIB);
    let mut next = server.connect("/echo");
    assert_echo(&mut next, "next");
}

#[test]
fn while_messages_take_too_much_memory_a_new_client_gets_503() {
    const LENGTH: usize = 1_900_000;
    let config = Config {
        max_memory: Some(2 * MIB),
        close_timeout: Duration::from_secs(60),
        ..Config::default()
    };
    let server = serve(config);
    let mut debtor = server.connect("/echo");
    begin_message(&mut debtor, 2 * LENGTH, LENGTH);
    server.wait_for_stats("the server has read it", |stats| {
        stats["bytes_in"].as_u64().is_some_and(|bytes| bytes > LENGTH as u64)
    });
    // The debtor is silent now. When another client takes more, the debtor gets a Close, but its thread lets
    // go only when it wakes up.
    let mut other = server.connect("/echo");
    begin_message(&mut other, 2 * LENGTH, 250_000);
    assert_eq!(debtor.close().0, 1013);
    let request = handshake(server.address, "/echo", "");
    let refused = server.exchange(request.as_bytes());
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    assert!(refused.contains("all the memory"), "{refused}");
    debtor.send_bytes(&[7]);
    wait_until("the memory is free", || server.status(&request) == 101);
}

#[test]
fn a_client_that_does_not_read_loses_its_backlog_when_memory_is_short() {
    let config = Config { max_memory: Some(2 * MIB), max_backlog: 64 * MIB, ..Config::default() };
    let server = serve(config);
    let mut healthy = server.connect("/echo");
    let mut greedy = server.connect("/echo");
    greedy.shrink_receive_buffer();
    let message = Frame::new(Opcode::Binary, Some(KEY), &[7; MIB]).encode();
    greedy.socket.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    // The server disconnects the client, or sends it a Close and discards what still comes.
    for _ in 0..64 {
        if greedy.socket.write_all(&message).is_err() {
            break;
        }
    }
    server.wait_for_stats("one is dropped", |stats| stats["dropped"] == 1);
    assert_echo(&mut healthy, "still here");
}

#[test]
fn a_message_for_many_slow_members_counts_once() {
    let config = Config { max_memory: Some(8 * MIB), max_backlog: 64 * MIB, ..Config::default() };
    let server = serve(config);
    let mut members: Vec<Raw> = (0..20).map(|_| server.connect("/broadcast")).collect();
    let message = Frame::new(Opcode::Binary, Some(KEY), &[7; MIB]).encode();
    // 100 MiB of backlogs, which all share 5 MiB.
    for _ in 0..5 {
        members[0].send_bytes(&message);
    }
    for member in &mut members {
        for _ in 0..5 {
            assert_eq!(member.frame().payload.len(), MIB);
        }
    }
    assert_eq!(server.stats()["dropped"], 0);
}

#[test]
#[cfg(target_os = "linux")]
fn an_announced_length_reserves_no_memory() {
    const CLIENTS: usize = 300;
    const ANNOUNCED: usize = 64 * MIB;
    let server = Serving::with(&["--max-message", &ANNOUNCED.to_string()]);
    let mut clients: Vec<Raw> =
        (0..CLIENTS).map(|_| Raw::open(server.address, "/echo", "")).collect();
    let before = status_bytes(&server, "VmSize");
    for client in &mut clients {
        begin_message(client, ANNOUNCED, 1);
    }
    let header_and_byte = 15 * CLIENTS as u64;
    wait_until("the headers have come", || {
        server.stats()["bytes_in"].as_u64().unwrap() >= header_and_byte
    });
    // A client that is read after the others, so the others have been read.
    let mut last = Raw::open(server.address, "/echo", "");
    assert_echo(&mut last, "last");
    let grown = status_bytes(&server, "VmSize") - before;
    // The allocator reserves address space for itself, too.
    assert!(grown < CLIENTS * ANNOUNCED / 8, "{} MiB of address space", grown / MIB);
}

#[test]
#[cfg(target_os = "linux")]
fn a_client_that_once_sent_a_large_message_keeps_little_memory() {
    const CLIENTS: usize = 60;
    let size = 8 * MIB;
    let server = Serving::with(&[]);
    let message = Frame::new(Opcode::Binary, Some(KEY), &vec![7; size]).encode();
    let mut clients: Vec<Raw> =
        (0..CLIENTS).map(|_| Raw::open(server.address, "/echo", "")).collect();
    for client in &mut clients {
        // In a thread of its own, because both directions fill up.
        let mut writer = client.socket.try_clone().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| writer.write_all(&message).expect("the server reads"));
            assert_eq!(client.frame().payload.len(), size);
        });
        assert_echo(client, "small again");
    }
    let resident = status_bytes(&server, "VmRSS");
    // Each kept 8 MiB. The allocator keeps some of what it has got back.
    assert!(resident < CLIENTS * size / 2, "{} MiB", resident / MIB);
}
