//! Groups: each member receives each message, in the same order, whatever another member does.

use std::io::Write;
use std::time::Duration;

use chalkwire::protocol::{Frame, Opcode};
use chalkwire::{Config, Mode};
use serde_json::{Value, json};

use crate::common::*;

#[test]
fn every_member_receives_a_message_and_so_does_its_sender() {
    let server = serve(Config { mode: Mode::Broadcast, ..Config::default() });
    for path in ["/", "/broadcast", "/room/blue"] {
        let mut all = [server.connect(path), server.connect(path), server.connect(path)];
        server.wait_for_stats("three clients", |stats| stats["clients"] == 3);
        all[1].send(Opcode::Binary, &[1, 2, 3]);
        for raw in &mut all {
            assert_eq!(raw.frame(), Frame::new(Opcode::Binary, None, &[1, 2, 3]), "{path}");
        }
        drop(all);
        server.wait_for_stats("all clients to leave", |stats| stats["clients"] == 0);
    }
}

/// As soon as its WebSocket is open, a page may tell another page so in some other way. What the other
/// page then sends must not be missed.
#[test]
fn a_client_receives_every_message_sent_after_its_101() {
    let server = serve(Config::default());
    let mut talker = server.connect("/broadcast");
    for n in 0..2000 {
        let mut newcomer = server.connect("/broadcast");
        talker.send_text(&n.to_string());
        assert_eq!(newcomer.text(), n.to_string());
        assert_eq!(talker.text(), n.to_string());
    }
}

#[test]
fn a_message_stays_in_its_room() {
    let server = serve(Config::default());
    let mut blue = server.connect("/room/%E8%93%9D");
    let mut also_blue = server.connect("/room/蓝");
    let mut red = server.connect("/room/red");
    server.wait_for_stats("three clients", |stats| stats["clients"] == 3);
    blue.send_text("你好");
    assert_eq!((blue.text(), also_blue.text()), ("你好".to_owned(), "你好".to_owned()));
    red.send_text("only red");
    assert_eq!(red.text(), "only red");
}

#[test]
fn all_members_receive_the_same_messages_in_the_same_order() {
    const SENDERS: usize = 8;
    const EACH: usize = 500;
    let server = serve(Config::default());
    let members: Vec<Raw> = (0..SENDERS).map(|_| server.connect("/broadcast")).collect();
    server.wait_for_stats("all clients", |stats| stats["clients"] == SENDERS);
    let threads: Vec<_> = members
        .into_iter()
        .enumerate()
        .map(|(me, mut raw)| {
            std::thread::spawn(move || {
                let mut writer = raw.socket.try_clone().unwrap();
                let sending = std::thread::spawn(move || {
                    for n in 0..EACH {
                        let text = format!("{me} says {n}");
                        writer.write_all(&frames([text.as_bytes()].into_iter())).unwrap();
                    }
                });
                let heard: Vec<String> = (0..SENDERS * EACH).map(|_| raw.text()).collect();
                sending.join().unwrap();
                (heard, raw)
            })
        })
        .collect();
    let heard: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap().0).collect();
    for other in &heard[1..] {
        assert!(*other == heard[0], "all members receive the same order");
    }
    for me in 0..SENDERS {
        let prefix = format!("{me} says ");
        let mine: Vec<_> = heard[0].iter().filter_map(|text| text.strip_prefix(&prefix)).collect();
        assert_eq!(mine, (0..EACH).map(|n| n.to_string()).collect::<Vec<_>>());
    }
}

#[test]
fn a_member_that_stops_reading_is_dropped_and_the_others_miss_nothing() {
    const MESSAGES: usize = 200;
    let server = serve(Config { max_backlog: 256 * 1024, ..Config::default() });
    let stalled = server.connect("/broadcast");
    let mut listener = server.connect("/broadcast");
    let mut sender = server.connect("/broadcast");
    server.wait_for_stats("three clients", |stats| stats["clients"] == 3);
    let payload = |n: usize| {
        let mut payload = vec![0; 64 * 1024];
        payload[..8].copy_from_slice(&(n as u64).to_be_bytes());
        payload
    };
    stalled.shrink_receive_buffer();
    // Both read each message before the next one is sent, so that neither falls behind.
    for n in 0..MESSAGES {
        let payload = payload(n);
        sender.send(Opcode::Binary, &payload);
        assert_eq!(sender.frame().payload, payload, "message {n}");
        assert_eq!(listener.frame().payload, payload, "message {n}");
    }
    server.wait_for_stats("the stalled client's end", |stats| stats["clients"] == 2);
    let stats = server.stats();
    assert_eq!(stats["dropped"], 1, "{stats}");
}

#[test]
fn connections_that_a_reload_left_behind_receive_nothing() {
    let server = serve(Config::default());
    let mut ana = server.connect("/broadcast");
    for _ in 0..3 {
        // A reload: the old connection ends without a Close, and a new one is opened.
        drop(server.connect("/broadcast"));
    }
    let mut ben = server.connect("/broadcast");
    server.wait_for_stats("two clients", |stats| stats["clients"] == 2);
    ana.send_text("hello");
    assert_eq!((ana.text(), ben.text()), ("hello".to_owned(), "hello".to_owned()));
    let stats = server.stats();
    assert_eq!((&stats["messages_in"], &stats["messages_out"]), (&1.into(), &2.into()));
}

#[test]
fn a_greeting_is_the_first_message_at_the_root() {
    let server = serve(Config { greeting: Some("message".to_owned()), ..Config::default() });
    let mut root = server.connect("/");
    assert_eq!(root.text(), "message");
    let mut echo = server.connect("/echo");
    echo.send_text("no greeting here");
    assert_eq!(echo.text(), "no greeting here");
}

fn classroom(server: &Running, room: &str) -> Raw {
    Raw::open(server.address, room, "Sec-WebSocket-Protocol: classroom.v1\r\n")
}

fn say(raw: &mut Raw, message: Value) {
    raw.send_text(&message.to_string());
}

fn hear(raw: &mut Raw) -> Value {
    serde_json::from_str(&raw.text()).expect("JSON")
}

#[test]
fn members_of_a_classroom_join_speak_whisper_and_leave() {
    let server = serve(Config::default());
    let mut ana = classroom(&server, "/room/blue");
    say(&mut ana, json!({"type": "join", "name": "Ana"}));
    let welcome = json!({"type": "welcome", "room": "blue", "you": "Ana", "members": ["Ana"]});
    assert_eq!(hear(&mut ana), welcome);

    // A client in the same room without the subprotocol is in a separate group.
    let mut plain = server.connect("/room/blue");
    plain.send_text("hello?");
    assert_eq!(plain.text(), "hello?");

    let mut ben = classroom(&server, "/room/blue");
    say(&mut ben, json!({"type": "say", "text": "too early"}));
    assert_eq!(hear(&mut ben)["type"], "refused");
    say(&mut ben, json!({"type": "join", "name": "Ben"}));
    assert_eq!(hear(&mut ben)["members"], json!(["Ana", "Ben"]));
    assert_eq!(hear(&mut ana), json!({"type": "joined", "name": "Ben"}));

    say(&mut ben, json!({"type": "say", "text": "你好"}));
    let said = json!({"type": "said", "from": "Ben", "text": "你好"});
    assert_eq!((hear(&mut ana), hear(&mut ben)), (said.clone(), said));

    say(&mut ana, json!({"type": "whisper", "to": "Ben", "text": "psst"}));
    let whispered = json!({"type": "whispered", "from": "Ana", "to": "Ben", "text": "psst"});
    assert_eq!((hear(&mut ana), hear(&mut ben)), (whispered.clone(), whispered));

    // The server refuses a message that it does not understand, and the connection stays.
    ben.send(Opcode::Binary, &[0xff, 0xfe]);
    assert_eq!(hear(&mut ben)["type"], "refused");
    let nested = "[".repeat(60_000);
    ben.send_text(&nested);
    assert_eq!(hear(&mut ben)["type"], "refused");
    ben.send_text(&format!(
        r#"{{"type":"say","text":"x","more":{}1{}}}"#,
        "[".repeat(100),
        "]".repeat(100)
    ));
    assert_eq!(hear(&mut ben)["text"], "x");
    assert_eq!(hear(&mut ana)["text"], "x");

    drop(ben);
    assert_eq!(hear(&mut ana), json!({"type": "left", "name": "Ben"}));
}

#[test]
fn a_message_larger_than_the_backlog_reaches_a_client_without_a_backlog() {
    let server = serve(Config { max_backlog: 1024, ..Config::default() });
    let mut sender = server.connect("/broadcast");
    let mut listener = server.connect("/broadcast");
    server.wait_for_stats("two clients", |stats| stats["clients"] == 2);
    let mut writer = sender.socket.try_clone().unwrap();
    let large = vec![7; 8 << 20];
    let frame = Frame::new(Opcode::Binary, Some(KEY), &large).encode();
    let sending = std::thread::spawn(move || writer.write_all(&frame).unwrap());
    // Neither client reads for a while, so that all of it waits in the backlog at once.
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(listener.frame().payload, large);
    assert_eq!(sender.frame().payload, large);
    sending.join().unwrap();
    assert_eq!(server.stats()["dropped"], 0);
}
