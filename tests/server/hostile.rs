//! Forty bad inputs, and some that only look bad: how the server answers each, and that it keeps no
//! thread, descriptor or memory afterwards. Each input has a row, which names the section of the
//! standard. Rows with the same number are forms of the same mistake.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use chalkwire::protocol::{Frame, FrameHeader, LengthForm, Opcode};

use crate::common::program::{Serving, Usage};
use crate::common::*;

/// The answer that a row expects.
enum Gets {
    /// An HTTP answer with this status, which contains this word.
    Status(u16, &'static str),
    /// A Close with this code; its reason contains this word.
    Close(u16, &'static str),
    /// A handshake and an echo of `Hello`, because the input is good.
    Served,
    /// These frames in a row, and then the end of the connection.
    Frames(Vec<u8>),
    /// The end of the connection, without an answer.
    End,
}

use Gets::{Close, End, Frames, Served, Status};

/// A row: its name, the section of the standard, the bytes, the expected answer.
type Row = (&'static str, &'static str, Vec<u8>, Gets);

const HOST: &str = "Host: localhost\r\n";

/// The origin whose pages may connect.
const ORIGIN: &str = "Origin: https://good.example\r\n";

/// The good handshake with one thing changed.
fn request(from: &str, to: &str) -> Vec<u8> {
    let good = format!(
        "GET /echo HTTP/1.1\r\n{HOST}{ORIGIN}Upgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    assert!(good.contains(from), "{from:?}");
    good.replacen(from, to, 1).into_bytes()
}

fn key(key: &str) -> Vec<u8> {
    request("dGhlIHNhbXBsZSBub25jZQ==", key)
}

/// Requests that are not an opening handshake.
#[rustfmt::skip]
fn bad_requests() -> Vec<Row> {
    const VERSION: &str = "Sec-WebSocket-Version: 13\r\n";
    const KEY_LINE: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let long_line = format!("GET /{} HTTP/1.1\r\n{HOST}\r\n", "a".repeat(16 * 1024));
    let endless = format!("GET / HTTP/1.1\r\nA: {}", "b".repeat(64 * 1024));
    vec![
        ("1 POST", "RFC 6455 4.2.1", request("GET", "POST"), Status(405, "Allow: GET\r\n")),
        ("2 HTTP/1.0", "RFC 6455 4.2.1", request("HTTP/1.1", "HTTP/1.0"), Status(400, "HTTP/1.1")),
        ("3 HTTP/2 preface", "RFC 9110 15.6.6", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), Status(505, "HTTP/1.1")),
        ("4 no Host", "RFC 9112 3.2", request(HOST, ""), Status(400, "Host")),
        ("4 two Hosts", "RFC 9112 3.2", request(HOST, "Host: localhost\r\nHost: b\r\n"), Status(400, "Host")),
        ("5 no Upgrade", "RFC 6455 4.2.1", request("Upgrade: websocket\r\n", ""), Status(426, "Upgrade: websocket\r\n")),
        ("6 another Upgrade", "RFC 6455 4.2.1", request("Upgrade: websocket", "Upgrade: h2c"), Status(426, "Upgrade: websocket\r\n")),
        ("7 Connection without upgrade", "RFC 6455 4.2.1", request("Connection: Upgrade", "Connection: keep-alive"), Status(400, "Connection")),
        ("8 no key", "RFC 6455 4.2.1", request(KEY_LINE, ""), Status(400, "Sec-WebSocket-Key")),
        ("9 key of 15 bytes", "RFC 6455 4.2.1", key("AQIDBAUGBwgJCgsMDQ4P"), Status(400, "16 bytes")),
        ("9 key of 17 bytes", "RFC 6455 4.2.1", key("AQIDBAUGBwgJCgsMDQ4PEBE="), Status(400, "16 bytes")),
        ("9 key that is not Base64", "RFC 6455 4.2.1", key("*"), Status(400, "16 bytes")),
        ("10 two keys", "RFC 6455 11.3.1", request(KEY_LINE, &KEY_LINE.repeat(2)), Status(400, "Sec-WebSocket-Key")),
        ("11 no version", "RFC 6455 4.2.1", request(VERSION, ""), Status(400, "Sec-WebSocket-Version")),
        ("12 version 8", "RFC 6455 4.4", request("Version: 13", "Version: 8"), Status(426, "Sec-WebSocket-Version: 13\r\n")),
        ("12 version 25", "RFC 6455 4.4", request("Version: 13", "Version: 25"), Status(426, "Sec-WebSocket-Version: 13\r\n")),
        ("12 version x", "RFC 6455 4.4", request("Version: 13", "Version: x"), Status(426, "Sec-WebSocket-Version: 13\r\n")),
        ("13 nothing at this path", "RFC 6455 4.2.2", request("/echo", "/nope"), Status(404, "nothing")),
        ("14 an origin that is not allowed", "RFC 6455 10.2", request("good.example", "evil.example"), Status(403, "evil.example")),
        ("15 headers without end", "RFC 6585 5", endless.into_bytes(), Status(431, "16384")),
        ("16 a long request line", "RFC 9110 15.5.15", long_line.into_bytes(), Status(414, "8192")),
        ("17 half a request, then silence", "RFC 9110 15.5.9", request("\r\n\r\n", "\r\n"), Status(408, "did not end")),
        ("18 a space before the colon", "RFC 9112 5.1", request("Upgrade: websocket", "Upgrade : websocket"), Status(400, "header name")),
        ("18 a folded line", "RFC 9112 5.2", request("Upgrade: websocket", "Upgrade:\r\n websocket"), Status(400, "")),
        ("18 a bare CR", "RFC 9112 2.2", request("Upgrade: websocket", "Upgrade: web\rsocket"), Status(400, "")),
        ("18 a NUL", "RFC 9112 2.2", request("Upgrade: websocket", "Upgrade: web\0socket"), Status(400, "")),
        ("19 TLS", "RFC 6455 4.2.1", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), Status(400, "ws://")),
        ("19 noise", "RFC 6455 4.2.1", vec![0x00, 0xff, 0x13, 0x37, 0x0a, 0x0a, 0xfe], Status(400, "")),
    ]
}

fn masked(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    fragment(opcode, true, payload)
}

/// A frame with a change in its header.
fn with(opcode: Opcode, payload: &[u8], change: impl FnOnce(&mut FrameHeader)) -> Vec<u8> {
    let mut frame = Frame::new(opcode, Some(KEY), payload);
    change(&mut frame.header);
    frame.encode()
}

fn announcing(length: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    FrameHeader::new(Opcode::Binary, Some(KEY), length).encode(&mut bytes);
    bytes
}

fn close_of(code: u16) -> Vec<u8> {
    masked(Opcode::Close, &code.to_be_bytes())
}

/// The limits of the server in the tests below.
const MAX_MESSAGE: &str = "100000";
const MAX_FRAGMENTS: &str = "1000";

/// Frames that break a rule.
#[rustfmt::skip]
fn bad_frames() -> Vec<Row> {
    use Opcode::{Binary, Continuation, Ping, Pong, Reserved, Text};
    let more = |payload: &[u8]| fragment(Continuation, false, payload);
    let hello = b"\x81\x05Hello".to_vec();
    let mut rows: Vec<Row> = vec![
        ("21 not masked", "5.1", hello, Close(1002, "mask")),
        ("24 a Ping of 126 bytes", "5.5", masked(Ping, &[0; 126]), Close(1002, "125")),
        ("25 a fragmented Ping", "5.5", fragment(Ping, false, b""), Close(1002, "fragmented")),
        ("25 a fragmented Pong", "5.5", fragment(Pong, false, b""), Close(1002, "fragmented")),
        ("25 a fragmented Close", "5.5", fragment(Opcode::Close, false, b"\x03\xe8"), Close(1002, "fragmented")),
        ("26 the last part of nothing", "5.4", masked(Continuation, b"?"), Close(1002, "no message is open")),
        ("26 a part of nothing", "5.4", more(b"?"), Close(1002, "no message is open")),
        ("27 a text inside a message", "5.4", [fragment(Text, false, b"a"), masked(Text, b"b")].concat(), Close(1002, "before the last")),
        ("28 length 5 in 16 bits", "5.2", with(Text, b"Hello", |h| h.length_form = LengthForm::Bits16), Close(1002, "16 bits")),
        ("28 length 5 in 64 bits", "5.2", with(Text, b"Hello", |h| h.length_form = LengthForm::Bits64), Close(1002, "64 bits")),
        ("29 the top bit of a length", "5.2", announcing(1 << 63), Close(1002, "highest bit")),
        ("30 2^60 bytes announced", "10.4", announcing(1 << 60), Close(1009, MAX_MESSAGE)),
        ("31 a message too big in small parts", "10.4", [fragment(Binary, false, &[0; 500]), more(&[0; 500]).repeat(200)].concat(), Close(1009, MAX_MESSAGE)),
        ("32 empty parts without end", "10.4", [fragment(Text, false, b""), more(b"").repeat(2000)].concat(), Close(1008, MAX_FRAGMENTS)),
        ("34 bad UTF-8 in part 2 of 3", "8.1", [fragment(Text, false, b"good"), more(b"\xff")].concat(), Close(1007, "UTF-8")),
        ("35 a text that ends inside a character", "8.1", masked(Text, b"\xe2\x82"), Close(1007, "UTF-8")),
        ("36 a Close of one byte", "5.5.1", masked(Opcode::Close, b"\x03"), Close(1002, "two bytes")),
        ("36 a Close of 126 bytes", "5.5", masked(Opcode::Close, &[3; 126]), Close(1002, "125")),
        ("38 a reason that is not UTF-8", "8.1", masked(Opcode::Close, b"\x03\xe8\xff"), Close(1007, "UTF-8")),
        ("HTTP after the handshake", "5.2", b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), Close(1002, "RSV")),
        // A frame with two faults: the server always names the same one of the two.
        ("the first of two bad frames", "8.1", [masked(Text, b"\xff"), b"\xc1\x80".to_vec()].concat(), Close(1007, "UTF-8")),
        ("RSV before opcode", "5.2", with(Reserved(3), b"", |h| h.rsv = 2), Close(1002, "RSV")),
        ("opcode before MASK", "5.2", Frame::new(Reserved(3), None, b"").encode(), Close(1002, "0x3")),
        ("MASK before control length", "5.1", Frame::new(Ping, None, &[0; 126]).encode(), Close(1002, "mask")),
        ("minimal length before size", "5.2", with(Text, b"", |h| { h.length_form = LengthForm::Bits64; h.payload_length = 1 << 63 | 1 << 60 }), Close(1002, "highest bit")),
        ("size before continuation", "10.4", with(Continuation, b"", |h| { h.length_form = LengthForm::Bits64; h.payload_length = 1 << 30 }), Close(1009, MAX_MESSAGE)),
    ];
    for rsv in [0b100, 0b010, 0b001] {
        rows.push(("22 RSV", "5.2", with(Text, b"Hello", |h| h.rsv = rsv), Close(1002, "RSV")));
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        rows.push(("23 a reserved opcode", "5.2", masked(Reserved(opcode), b""), Close(1002, "opcode")));
    }
    for bad in [&b"\xed\xa0\x80"[..], b"\xc0\xaf", b"\xff", b"\xf4\x90\x80\x80"] {
        rows.push(("33 bad UTF-8", "8.1", masked(Text, bad), Close(1007, "UTF-8")));
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
        rows.push(("37 a code that must not be sent", "7.4", close_of(code), Close(1002, "must not be sent")));
    }
    rows
}

/// Inputs that are correct, and faults that nothing can answer: the server serves or ignores them.
#[rustfmt::skip]
fn good_or_ignored() -> Vec<Row> {
    use Opcode::{Binary, Continuation, Ping, Pong, Text};
    let server = |opcode, payload: &[u8]| Frame::new(opcode, None, payload).encode();
    let bye = [close_of(1000), masked(Text, b"?"), masked(Ping, b"?"), close_of(1001), vec![0xff; 9]].concat();
    let fragments = [fragment(Text, false, b"5 \xe2"), masked(Ping, b"p"), fragment(Continuation, false, b""), masked(Continuation, b"\x82\xac"), close_of(1000)].concat();
    let pings = (0..10).flat_map(|n| masked(Ping, &[n])).chain(close_of(1000)).collect();
    let pongs: Vec<u8> = (0..10).flat_map(|n| server(Pong, &[n])).chain(server(Opcode::Close, b"\x03\xe8")).collect();
    vec![
        ("20 frames in the same packet as the request", "4.1", request("\r\n\r\n", "\r\n\r\n").into_iter().chain(masked(Text, b"Hello")).collect(), Served),
        ("39 frames after a Close", "5.5.1", bye, Frames(server(Opcode::Close, b"\x03\xe8"))),
        ("a Ping between the parts of a text", "5.4", fragments, Frames([server(Pong, b"p"), server(Text, "5 €".as_bytes()), server(Opcode::Close, b"\x03\xe8")].concat())),
        ("10 Pings in a row", "5.5.3", pings, Frames(pongs)),
        ("an unsolicited Pong", "5.5.3", [masked(Pong, b"?"), close_of(1000)].concat(), Frames(server(Opcode::Close, b"\x03\xe8"))),
        ("empty messages", "5.4", [masked(Text, b""), masked(Binary, b""), masked(Opcode::Close, b"")].concat(), Frames([server(Text, b""), server(Binary, b""), server(Opcode::Close, b"")].concat())),
        ("40 gone in mid-frame", "7.1.5", masked(Text, b"Hello")[..8].to_vec(), End),
        ("40 gone in mid-header", "7.1.5", vec![0x81], End),
        ("40 gone without a Close", "7.1.5", Vec::new(), End),
    ]
}

/// A server in a process of its own, so that a test can count what it uses.
fn strict_server() -> Serving {
    Serving::with(&[
        "--max-message",
        MAX_MESSAGE,
        "--max-fragments",
        MAX_FRAGMENTS,
        "--handshake-timeout",
        "2",
        "--close-timeout",
        "10",
        "--allow-origin",
        "https://good.example",
    ])
}

/// Sends the bytes of a row, in one piece or byte by byte, and expects its answer.
fn play(server: &Serving, (what, section, bytes, gets): &Row, bytewise: bool) {
    let named = format!("{what} ({section}){}", if bytewise { ", byte by byte" } else { "" });
    let send = |raw: &mut Raw, bytes: &[u8]| {
        for piece in bytes.chunks(if bytewise { 1 } else { bytes.len().max(1) }) {
            // After an early refusal the connection may be closed already.
            if raw.socket.write_all(piece).is_err() {
                break;
            }
        }
    };
    let good_text = masked(Opcode::Text, b"good");
    match gets {
        Status(status, word) => {
            let mut socket = dial(server.address);
            let _ = socket.write_all(bytes);
            let answer = read_to_end(&mut socket);
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{named}: {answer}");
            assert!(answer.contains(word), "{named} should name {word:?}: {answer}");
            let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
            assert!(body.lines().count() == 1 && body.ends_with('\n'), "{named}: {body:?}");
        }
        Close(code, word) => {
            let mut raw = Raw::open(server.address, "/echo", ORIGIN);
            // A good message comes first, because the server must still answer what came before the fault.
            send(&mut raw, &[&good_text, &**bytes].concat());
            assert_eq!(raw.text(), "good", "before {named}");
            let (found, reason) = raw.close();
            assert_eq!(found, *code, "{named}: {reason}");
            assert!(reason.contains(word), "{named} should name {word:?}: {reason}");
            // The reason may name the section or one above it: 5.5 for 5.5.1.
            let cited = reason.rsplit("RFC 6455 ").next().unwrap_or_default();
            let cited = cited.trim_end_matches(')');
            assert!(section.starts_with(cited) || cited.starts_with(section), "{named}: {reason}");
            raw.expect_end();
        }
        Served => {
            let mut socket = dial(server.address);
            socket.write_all(bytes).expect("the bytes leave");
            assert_eq!(Raw::read_head(socket).text(), "Hello", "{named}");
        }
        Frames(expected) => {
            let mut raw = Raw::open(server.address, "/echo", ORIGIN);
            send(&mut raw, bytes);
            let mut found = Vec::new();
            while let Some(frame) = raw.next_frame() {
                found.extend(frame.encode());
            }
            assert_eq!(found, *expected, "{named}");
        }
        End => {
            let mut raw = Raw::open(server.address, "/echo", ORIGIN);
            send(&mut raw, bytes);
            raw.socket.shutdown(Shutdown::Write).expect("it is open");
            raw.expect_end();
        }
    }
}

/// Expects that a new connection is served, and that the server keeps nothing of the one before.
fn expect_unharmed(server: &Serving, before: &Usage, after: &str) {
    let mut raw = Raw::open(server.address, "/echo", ORIGIN);
    raw.send_text("Hello");
    assert_eq!(raw.text(), "Hello", "after {after}");
    raw.send_close(1000, "");
    raw.close();
    raw.expect_end();
    drop(raw);
    wait_until(&format!("threads and descriptors to go after {after}"), || {
        let now = Usage::of(server);
        now.threads == before.threads && now.descriptors == before.descriptors
    });
}

#[test]
fn forty_bad_inputs_each_get_their_answer_and_leave_nothing_behind() {
    let server = strict_server();
    let rows: Vec<Row> =
        [bad_requests(), bad_frames(), good_or_ignored()].into_iter().flatten().collect();
    let numbers = rows.iter().filter_map(|(what, ..)| what.split(' ').next()?.parse::<u32>().ok());
    let mut numbers: Vec<u32> = numbers.collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers, (1..=40).collect::<Vec<_>>(), "the list is complete");

    let mut before = Usage::at_rest(&server);
    for round in 0..3 {
        // A row that takes a whole timeout is played once.
        for row in rows.iter().filter(|row| round == 0 || !matches!(row.3, Status(408, _))) {
            play(&server, row, false);
            expect_unharmed(&server, &before, row.0);
        }
        let now = Usage::of(&server);
        // Later rounds can use the memory that the allocator kept after the first.
        let grown = now.memory.saturating_sub(before.memory);
        assert!(round == 0 || grown <= 256, "round {round}: {before:?}, then {now:?}");
        before = now;
    }
}

#[test]
fn it_makes_no_difference_how_the_network_cuts_the_bytes() {
    let server = strict_server();
    let small = |row: &Row| row.2.len() < 1000;
    for row in bad_frames().iter().chain(&good_or_ignored()).filter(|row| small(row)) {
        play(&server, row, true);
    }
}

/// The last two of the forty bad inputs: silence after a Close, and a client that does not read.
#[test]
fn a_client_that_stays_after_a_close_or_never_reads_is_disconnected() {
    let server = Serving::with(&["--close-timeout", "0.2", "--max-backlog", "65536"]);
    let before = Usage::at_rest(&server);
    let mut mute = Raw::open(server.address, "/echo", ORIGIN);
    mute.send_bytes(&close_of(1000));
    mute.close();
    // The client keeps its side open, so the server cuts it off after its close timeout.
    expect_unharmed(&server, &before, "a Close without an end of the connection");

    let mut deaf = Raw::open(server.address, "/broadcast", ORIGIN);
    let mut talker = Raw::open(server.address, "/broadcast", ORIGIN);
    talker.send_text("joined");
    assert_eq!(deaf.text(), "joined");
    assert_eq!(talker.text(), "joined");
    deaf.shrink_receive_buffer();
    let large = vec![b'x'; 60_000];
    // More than its backlog and every buffer on the way can hold.
    for _ in 0..200 {
        talker.send(Opcode::Binary, &large);
        assert_eq!(talker.frame().payload, large);
    }
    drop(talker);
    let cut = || {
        deaf.socket.set_read_timeout(Some(Duration::from_millis(1))).expect("a timeout");
        Usage::of(&server).threads == before.threads
    };
    wait_until("the client that never reads to be disconnected", cut);
}

/// A request with a long answer: as many frames as a request line has room for.
fn long_explanation(server: &Serving) -> String {
    let (host, hex) = (server.address, "8100".repeat(2000));
    format!("GET /wire/explain?hex={hex} HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

#[test]
fn slow_readers_of_answers_hold_their_places_and_memory_only_for_a_while() {
    const PLACES: usize = 200;
    let server = Serving::with(&["--max-handshakes", &PLACES.to_string()]);
    let before = Usage::at_rest(&server);
    let request = long_explanation(&server);
    let mut slow: Vec<_> = (0..PLACES)
        .map(|_| {
            let mut socket = dial(server.address);
            socket.write_all(request.as_bytes()).expect("the request leaves");
            let mut first = [0; 12];
            socket.read_exact(&mut first).expect("an answer");
            assert_eq!(&first, b"HTTP/1.1 200");
            socket
        })
        .collect();
    let grown = Usage::of(&server).memory.saturating_sub(before.memory);
    assert!(grown < 100 * 1024, "{grown} KiB for {PLACES} slow readers");
    wait_until("a newcomer to get in", || {
        // Each slow reader takes a byte now and then.
        for socket in &mut slow {
            let _ = socket.read(&mut [0]);
        }
        let mut newcomer = dial(server.address);
        newcomer.write_all(request.as_bytes()).expect("the request leaves");
        // A refused newcomer gets a 503, or a reset if there are many.
        read_to_end(&mut newcomer).starts_with("HTTP/1.1 200 ")
    });
}

/// The number of clients that `/stats` lists.
const LISTED: usize = 512;

/// A server with eight clients more than `/stats` lists.
fn crowded_server() -> (Serving, Vec<Raw>) {
    let server = Serving::with(&[]);
    // Every character of this name is longer in a path.
    let path = format!("/room/{}", "%22".repeat(64));
    let clients = (0..LISTED + 8).map(|_| Raw::open(server.address, &path, "")).collect();
    (server, clients)
}

#[test]
fn stats_list_the_first_clients_and_count_the_others() {
    let (server, clients) = crowded_server();
    let stats = server.stats();
    assert_eq!((&stats["clients"], &stats["more_connected"]), (&clients.len().into(), &8.into()));
    let rows = stats["connected"].as_array().expect("a list");
    assert_eq!(rows.len(), LISTED);
    let length = stats.to_string().len();
    assert!(length < 256 * 1024, "{length} bytes");
}

/// The control is a client that has its short answer and stays. The server cuts it off first.
#[cfg(target_os = "linux")]
#[test]
fn a_long_answer_has_more_time_than_a_short_one() {
    let (server, _clients) = crowded_server();
    let before = Usage::of(&server).threads;
    let request = |target: &str| {
        let mut socket = dial(server.address);
        rustix::net::sockopt::set_socket_recv_buffer_size(&socket, 40 * 1024).expect("a socket");
        let host = server.address;
        let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        socket.write_all(request.as_bytes()).expect("the request leaves");
        socket
    };
    let mut slow = request("/stats");
    let mut answer = vec![0; 12];
    slow.read_exact(&mut answer).expect("the answer begins");
    let mut control = request("/nothing");
    assert!(read_to_end(&mut control).starts_with("HTTP/1.1 404 "));
    wait_until("the control to be cut off", || Usage::of(&server).threads <= before + 1);
    slow.read_to_end(&mut answer).expect("no reset");
    let answer = String::from_utf8(answer).expect("text");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(body.len() > 128 * 1024, "{} bytes", body.len());
    assert!(answer.contains(&format!("Content-Length: {}\r\n", body.len())), "all of it");
}
