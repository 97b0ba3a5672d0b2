//! The heartbeat: the server pings a silent client, and drops it if it does not answer.

use std::time::Duration;

use chalkwire::Config;
use chalkwire::protocol::{Frame, Opcode};

use crate::common::*;

fn quick() -> Config {
    Config {
        ping_interval: Some(Duration::from_millis(50)),
        // A client that answers must not be dropped because the machine is busy.
        pong_timeout: DEADLINE,
        close_timeout: Duration::from_millis(100),
        ..Config::default()
    }
}

#[test]
fn a_pong_gives_the_round_trip_and_keeps_the_connection() {
    let server = serve(quick());
    let mut raw = server.connect("/echo");
    for n in 1..=5 {
        let ping = raw.frame();
        assert_eq!(ping, Frame::new(Opcode::Ping, None, n.to_string().as_bytes()));
        raw.send(Opcode::Pong, &ping.payload);
    }
    let time = |stats: &serde_json::Value| stats["connected"][0]["round_trip_ms"].as_f64();
    server.wait_for_stats("a round trip", |stats| time(stats).is_some_and(|ms| ms > 0.0));
}

#[test]
fn a_client_that_does_not_answer_a_ping_gets_a_close_and_is_dropped() {
    let pong_timeout = Duration::from_millis(300);
    let server = serve(Config { pong_timeout, ..quick() });
    let mut raw = server.connect("/room/blue");
    assert_eq!(raw.frame().header.opcode, Opcode::Ping);
    let (code, reason) = raw.close();
    assert_eq!((code, reason.contains("no answer to a Ping within 300ms")), (1008, true));
    raw.expect_end();
    server.wait_for_stats("its end", |stats| stats["clients"] == 0 && stats["threads"] == 5);
    assert_eq!(server.stats()["dropped"], 1);
}

/// The Ping waits behind the backlog, so the client cannot answer it. The server must see that the client
/// is alive because it takes bytes.
#[test]
fn a_client_that_reads_its_backlog_slowly_is_not_dropped() {
    const COUNT: usize = 400;
    const LENGTH: usize = 64 * 1024;
    let server = serve(Config {
        // The server reads all that the client sends. After that only its reading can be seen.
        max_backlog: 2 * COUNT * LENGTH,
        pong_timeout: Duration::from_secs(1),
        ..quick()
    });
    let mut raw = server.connect("/echo");
    raw.shrink_receive_buffer();
    raw.send_bytes(&Frame::new(Opcode::Binary, Some(KEY), &[7; LENGTH]).encode().repeat(COUNT));
    let mut echoes = 0;
    while echoes < COUNT {
        let frame = raw.frame();
        if frame.header.opcode == Opcode::Binary {
            assert_eq!(frame.payload.len(), LENGTH);
            echoes += 1;
            // All echoes together take twice as long as the pong timeout.
            std::thread::sleep(Duration::from_millis(5));
        } else {
            assert_eq!(frame.header.opcode, Opcode::Ping);
        }
    }
    assert_eq!(server.stats()["dropped"], 0);
}

#[test]
fn without_an_interval_no_ping_is_sent() {
    let server = serve(Config { ping_interval: None, ..quick() });
    let mut raw = server.connect("/echo");
    let beside = serve(quick());
    // Meanwhile another server sends five Pings.
    let mut pinged = beside.connect("/echo");
    for _ in 0..5 {
        let ping = pinged.frame();
        pinged.send(Opcode::Pong, &ping.payload);
    }
    raw.send_text("first");
    assert_eq!(raw.text(), "first");
}
