//! Echo: each message comes back unchanged and in order, and none is lost.

use std::io::Write;
use std::time::Duration;

use chalkwire::Config;
use chalkwire::protocol::{Frame, Opcode};
use tungstenite::Message;
use tungstenite::protocol::WebSocketConfig;

use crate::common::*;

/// Around each length at which the encoding of a length changes, and the largest message.
const LENGTHS: [usize; 12] =
    [0, 1, 125, 126, 127, 128, 255, 65_535, 65_536, 65_537, 1 << 20, 16 << 20];

#[test]
fn text_and_binary_of_every_length_come_back() {
    let server = serve(Config::default());
    let settings =
        WebSocketConfig::default().max_frame_size(Some(64 << 20)).max_message_size(Some(64 << 20));
    let url = format!("ws://{}/echo", server.address);
    let (mut client, _) =
        tungstenite::client::connect_with_config(url, Some(settings), 0).expect("a handshake");
    for length in LENGTHS {
        let text = Message::text("é".repeat(length / 2) + &"x".repeat(length % 2));
        client.send(text.clone()).unwrap();
        assert_eq!(client.read().unwrap(), text, "{length} bytes of text");
        let bytes: Vec<u8> = (0..length).map(|n| (n * 7) as u8).collect();
        let binary = Message::binary(bytes);
        client.send(binary.clone()).unwrap();
        assert_eq!(client.read().unwrap(), binary, "{length} bytes");
    }
    client.send(Message::Ping("are you there?".into())).unwrap();
    assert_eq!(client.read().unwrap(), Message::Pong("are you there?".into()));
    client.close(None).unwrap();
    while let Ok(message) = client.read() {
        assert!(message.is_close(), "{message}");
    }
}

#[test]
fn the_bytes_of_an_echo() {
    let server = serve(Config::default());
    for path in ["/", "/echo"] {
        let mut raw = server.connect(path);
        raw.send_bytes(&[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
        assert_eq!(raw.frame().encode(), [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
    }
}

#[test]
fn fragments_come_back_as_one_message_and_a_ping_between_them_is_answered() {
    let server = serve(Config::default());
    let mut raw = server.connect("/echo");
    // The euro sign is split between two fragments, and one fragment is empty.
    raw.send_bytes(&fragment(Opcode::Text, false, b"5 \xe2"));
    raw.send_bytes(&fragment(Opcode::Ping, true, b"between"));
    raw.send_bytes(&fragment(Opcode::Continuation, false, b""));
    raw.send_bytes(&fragment(Opcode::Continuation, true, b"\x82\xac"));
    assert_eq!(raw.frame(), Frame::new(Opcode::Pong, None, b"between"));
    assert_eq!(raw.text(), "5 €");
}

#[test]
fn bytes_may_arrive_one_by_one() {
    let server = serve(Config::default());
    let mut raw = server.connect("/echo");
    for byte in frames([b"Hello".as_slice(), &[b'x'; 200]].into_iter()) {
        raw.send_bytes(&[byte]);
    }
    assert_eq!(raw.text(), "Hello");
    assert_eq!(raw.text(), "x".repeat(200));
}

#[test]
fn pings_are_answered_and_pongs_ignored() {
    let server = serve(Config::default());
    let mut raw = server.connect("/echo");
    for n in 0..10 {
        raw.send(Opcode::Ping, format!("ping {n}").as_bytes());
    }
    for n in 0..10 {
        assert_eq!(raw.frame(), Frame::new(Opcode::Pong, None, format!("ping {n}").as_bytes()));
    }
    raw.send(Opcode::Pong, b"unasked");
    raw.send_text("next");
    assert_eq!(raw.text(), "next");
}

#[test]
fn a_hundred_thousand_messages_at_once_come_back_in_order_before_the_close() {
    const COUNT: usize = 100_000;
    let server = serve(Config::default());
    let mut raw = server.connect("/echo");
    let texts: Vec<String> = (0..COUNT).map(|n| format!("message {n:08}")).collect();
    let mut input = frames(texts.iter().map(|text| text.as_bytes()));
    input.extend(Frame::new(Opcode::Close, Some(KEY), b"\x03\xe8done").encode());
    // The client writes before it reads, and writes more than the buffers on both sides hold. So its last
    // bytes leave only while it reads answers.
    let mut writer = raw.socket.try_clone().unwrap();
    let writing = std::thread::spawn(move || writer.write_all(&input).unwrap());
    for (n, text) in texts.iter().enumerate() {
        assert_eq!(&raw.text(), text, "message {n}");
    }
    assert_eq!(raw.close(), (1000, "done".to_owned()));
    raw.expect_end();
    writing.join().unwrap();
}

#[test]
fn a_client_that_pauses_its_reading_loses_no_echo() {
    const COUNT: usize = 1_000;
    const LENGTH: usize = 64 * 1024;
    // The backlog is small, so that the server stops reading from the client most of the time.
    let server = serve(Config { max_backlog: 128 * 1024, ..Config::default() });
    let mut raw = server.connect("/echo");
    let mut writer = raw.socket.try_clone().unwrap();
    let message = |n: usize| {
        let mut payload = vec![n as u8; LENGTH];
        payload[..8].copy_from_slice(&(n as u64).to_be_bytes());
        payload
    };
    let writing = std::thread::spawn(move || {
        for n in 0..COUNT {
            let frame = Frame::new(Opcode::Binary, Some(KEY), &message(n)).encode();
            writer.write_all(&frame).unwrap();
        }
    });
    for n in 0..COUNT {
        if n % 500 == 0 {
            // This is long enough for every buffer on the way to fill.
            std::thread::sleep(Duration::from_millis(200));
        }
        assert_eq!(raw.frame().payload, message(n), "message {n}");
    }
    writing.join().unwrap();
    assert_eq!(server.stats()["dropped"], 0);
}

#[test]
fn a_client_that_never_reads_costs_a_bounded_amount_of_memory() {
    let server = serve(Config { max_backlog: 64 * 1024, ..Config::default() });
    let mut raw = server.connect("/echo");
    raw.socket.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let frame = Frame::new(Opcode::Binary, Some(KEY), &[0; 64 * 1024]).encode();
    let mut written = 0_u64;
    // The loop ends when the server has stopped reading and the buffers in between are full.
    while raw.socket.write_all(&frame).is_ok() {
        written += frame.len() as u64;
        assert!(written < 256 << 20, "the server does not stop reading");
    }
    let stats = server.stats();
    let read = stats["bytes_in"].as_u64().unwrap();
    let left = stats["bytes_out"].as_u64().unwrap();
    // The server holds the backlog, messages on their way to the backlog, and the message it was reading.
    assert!(read - left < 512 * 1024, "{read} read, {left} left: {stats}");
    assert_eq!(stats["dropped"], 0);
}

#[test]
fn a_client_that_shuts_down_its_sending_side_still_gets_its_answers() {
    let server = serve(Config::default());
    let mut raw = server.connect("/echo");
    let texts = ["last", "words"];
    raw.send_bytes(&frames(texts.iter().map(|text| text.as_bytes())));
    raw.socket.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!((raw.text(), raw.text()), ("last".to_owned(), "words".to_owned()));
    raw.expect_end();
}
