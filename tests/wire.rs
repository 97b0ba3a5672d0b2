//! The wire view: watchers see what crossed the wire, and a slow watcher delays nobody.

#![allow(clippy::unwrap_used)]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chalkwire::Config;
use chalkwire::protocol::{Frame, Opcode};
use common::*;
use serde_json::Value;

/// A watcher that receives Server-Sent Events, as the page does.
struct Watching {
    lines: BufReader<TcpStream>,
}

impl Watching {
    fn begin(server: &Running) -> Watching {
        let mut socket = dial(server.address);
        let host = server.address;
        let request = format!("GET /wire/events HTTP/1.1\r\nHost: {host}\r\n\r\n");
        socket.write_all(request.as_bytes()).unwrap();
        let mut lines = BufReader::new(socket);
        let mut head = String::new();
        // Up to the id of this run. The watch thread adds the watcher at about the same time.
        while !head.contains("\nid: ") {
            assert!(lines.read_line(&mut head).unwrap() > 0, "{head}");
        }
        assert!(head.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"));
        // The blank line behind it, so that the next bytes are an event.
        lines.read_line(&mut head).unwrap();
        let mut watching = Watching { lines };
        // The watcher is on the list when it sees something.
        let mut probe = server.connect("/room/probe");
        wait_until("the first event", || {
            probe.send_text("probe");
            watching.lines.get_ref().set_read_timeout(Some(Duration::from_millis(20))).unwrap();
            let seen = watching.lines.fill_buf().is_ok_and(|bytes| !bytes.is_empty());
            watching.lines.get_ref().set_read_timeout(Some(DEADLINE)).unwrap();
            seen
        });
        probe.send_close(1000, "");
        drop(probe);
        watching.until(|event| event["kind"] == "end");
        watching
    }

    /// The next event; `None` at the end of the stream.
    fn next(&mut self) -> Option<Value> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            // The server sends comments while nothing happens.
            assert!(Instant::now() < deadline, "no event came");
            let mut line = String::new();
            if self.lines.read_line(&mut line).expect("a line") == 0 {
                return None;
            }
            if let Some(json) = line.strip_prefix("data: ") {
                return Some(serde_json::from_str(json).expect("JSON"));
            }
        }
    }

    /// All events up to and including the first that is `wanted`.
    fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut seen = Vec::new();
        loop {
            let event = self.next().expect("more events");
            let found = wanted(&event);
            seen.push(event);
            if found {
                return seen;
            }
        }
    }
}

fn frames(events: &[Value]) -> Vec<&Value> {
    events.iter().filter(|event| event["kind"] == "frame").collect()
}

#[test]
fn a_watcher_sees_the_bytes_that_crossed_the_wire() {
    let server = serve(Config::default());
    let mut watching = Watching::begin(&server);
    let mut raw = server.connect("/echo");
    let sent = Frame::new(Opcode::Text, Some([1, 2, 3, 0xfe]), b"Hello").encode();
    raw.send_bytes(&sent);
    let received = raw.frame().encode();
    raw.send_close(1001, "bye");
    raw.close();
    drop(raw);
    let events = watching.until(|event| event["kind"] == "end");
    let kinds: Vec<_> = events.iter().map(|event| event["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["request", "response", "frame", "frame", "frame", "frame", "end"]);
    let numbers: Vec<_> = events.iter().map(|event| event["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7]);

    assert_eq!(events[0]["accept"]["accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_eq!(events[0]["line"], "GET /echo HTTP/1.1");
    assert_eq!(events[1]["line"], "HTTP/1.1 101 Switching Protocols");

    let hex = |bytes: &[u8]| chalkwire::text::hex(bytes);
    let (hello, echo) = (&events[2], &events[3]);
    assert_eq!((&hello["from"], &echo["from"]), (&"client".into(), &"server".into()));
    assert_eq!(hello["masking_key"], "01 02 03 fe");
    assert_eq!(hello["header"], hex(&sent[..6]));
    assert_eq!(hello["wire"]["start"], hex(&sent[6..]));
    assert_eq!(hello["payload"]["start"], "48 65 6c 6c 6f");
    assert_eq!(echo["header"], hex(&received[..2]));
    assert_eq!(echo["wire"]["start"], hex(&received[2..]));
    assert_eq!(echo["masking_key"], Value::Null);

    assert_eq!(events[4]["close"]["code"], 1001);
    assert_eq!(
        (&events[4]["close"]["answer"], &events[5]["close"]["answer"]),
        (&false.into(), &true.into())
    );
    assert_eq!(events[6]["how"], "the client closed with 1001 (going away) \"bye\"");
}

#[test]
fn the_view_joins_fragments_and_matches_a_pong_with_its_ping() {
    let server =
        serve(Config { ping_interval: Some(Duration::from_millis(50)), ..Config::default() });
    let mut watching = Watching::begin(&server);
    let mut raw = server.connect("/echo");
    let ping = raw.frame();
    raw.send(Opcode::Pong, &ping.payload);
    raw.send_bytes(&fragment(Opcode::Text, false, b"5 \xe2"));
    raw.send_bytes(&fragment(Opcode::Ping, true, b"between"));
    raw.send_bytes(&fragment(Opcode::Continuation, true, b"\x82\xac"));
    let events = watching.until(|event| event["part"]["last"] == true);
    let frames = frames(&events);
    let of = |name: &str| *frames.iter().find(|frame| frame["name"] == name).expect(name);
    let (ping, pong) = (of("PING"), of("PONG"));
    assert_eq!(pong["answers"]["ping"], ping["number"]);
    assert!(pong["answers"]["milliseconds"].as_f64().is_some_and(|time| time > 0.0));
    let first = of("TEXT");
    let last = of("CONTINUATION");
    assert_eq!((&first["part"]["part"], &last["part"]["part"]), (&1.into(), &2.into()));
    assert_eq!(last["part"]["first"], first["number"]);
    assert_eq!(last["part"]["message"], "5 €");
}

#[test]
fn a_broken_rule_is_shown_at_the_frame_that_broke_it() {
    let server = serve(Config::default());
    let mut watching = Watching::begin(&server);
    for (bytes, rule, missing) in [
        (Frame::new(Opcode::Text, Some(KEY), b"caf\xc3").encode(), "not UTF-8", 0),
        (Frame::new(Opcode::Close, Some(KEY), b"\x03").encode(), "a code of two bytes", 0),
        (vec![0x81, 0x02, b'h', b'i'], "a client must mask every frame", 0),
        (vec![0xc1, 0x80, 1, 2, 3, 4], "RSV bits are 100", 0),
        (
            vec![0x82, 0xff, 0, 0x10, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4],
            "at most 16777216 bytes",
            1_u64 << 52,
        ),
    ] {
        let mut raw = server.connect("/echo");
        // A valid frame in front, in the same write.
        let valid = Frame::new(Opcode::Text, Some(KEY), b"good").encode();
        raw.send_bytes(&[valid, bytes.clone()].concat());
        assert_eq!(raw.text(), "good");
        let code = raw.close().0;
        drop(raw);
        let events = watching.until(|event| event["kind"] == "end");
        let frames = frames(&events);
        assert_eq!(frames[0]["fault"], Value::Null);
        let faulty = frames.iter().find(|frame| !frame["fault"].is_null()).expect("the fault");
        assert!(faulty["fault"]["sentence"].as_str().unwrap().contains(rule), "{faulty}");
        assert_eq!(faulty["fault"]["code"], code);
        assert_eq!(faulty["missing"], missing);
        let header = faulty["header"].as_str().unwrap();
        assert!(chalkwire::text::hex(&bytes).starts_with(header), "{header}");
    }
    // Half a frame, then the end of the connection.
    let mut raw = server.connect("/echo");
    raw.send_bytes(&Frame::new(Opcode::Text, Some(KEY), b"Hello").encode()[..8]);
    drop(raw);
    let events = watching.until(|event| event["kind"] == "end");
    assert_eq!(frames(&events)[0]["missing"], 3);
}

#[test]
fn a_refusal_is_shown_but_the_requests_of_the_page_are_not() {
    let server = serve(Config::default());
    let mut watching = Watching::begin(&server);
    server.get("/", "");
    server.stats();
    server.get("/lab/lab.css", "");
    server.get("/echo", "");
    let events = watching.until(|event| event["kind"] == "end");
    assert_eq!(events[0]["line"], "GET /echo HTTP/1.1");
    assert_eq!(events[1]["line"], "HTTP/1.1 426 Upgrade Required");
    assert!(events[2]["how"].as_str().unwrap().starts_with("refused: 426 "), "{}", events[2]);
    assert_eq!(events.len(), 3);
}

#[test]
fn a_watcher_that_comes_later_sees_the_handshake_and_whole_frames() {
    let server = serve(Config::default());
    let mut raw = server.connect("/echo");
    let frame = Frame::new(Opcode::Binary, Some(KEY), &[7; 3000]).encode();
    raw.send_bytes(&frame);
    raw.frame();
    // Watching begins while half a frame is on its way.
    raw.send_bytes(&frame[..2000]);
    server.wait_for_stats("half a frame", |stats| stats["bytes_in"] == 3008 + 2000);
    let mut socket = dial(server.address);
    let host = server.address;
    let request = format!("GET /wire/events HTTP/1.1\r\nHost: {host}\r\n\r\n");
    socket.write_all(request.as_bytes()).unwrap();
    let mut watching = Watching { lines: BufReader::new(socket) };
    let kept = watching.until(|event| event["kind"] == "response");
    assert_eq!(kept[0]["line"], "GET /echo HTTP/1.1");
    raw.send_bytes(&frame[2000..]);
    raw.frame();
    let mut expected = Vec::new();
    for n in 0..3 {
        raw.send_text(&format!("text {n}"));
        raw.text();
        expected.push(format!("text {n}"));
    }
    let events = watching.until(|event| event["from"] == "server" && event["text"] == "text 2");
    let from_client: Vec<_> =
        frames(&events).into_iter().filter(|frame| frame["from"] == "client").cloned().collect();
    let texts: Vec<_> = from_client.iter().map(|frame| frame["text"].as_str().unwrap()).collect();
    assert_eq!(texts, expected, "the view begins with a whole frame and leaves nothing out");
    let gap = events.iter().find_map(|event| event["gap"].as_str());
    assert_eq!(gap, Some("what came before was not watched"));
}

#[test]
fn a_connection_without_earlier_frames_has_no_gap() {
    let server = serve(Config::default());
    let mut raw = server.connect("/echo");
    server.wait_for_stats("the client", |stats| stats["clients"] == 1);
    let mut watching = Watching::begin(&server);
    raw.send_text("first");
    let events = watching.until(|event| event["text"] == "first");
    assert!(events.iter().all(|event| event["gap"].is_null()), "{events:?}");
}

#[test]
fn only_pages_of_this_server_may_watch() {
    let server = serve(Config::default());
    for headers in ["Origin: https://evil.example\r\n", "Sec-Fetch-Site: cross-site\r\n"] {
        let answer = server.get("/wire/events", headers);
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    }
    let answer = server.exchange(b"GET /wire/events HTTP/1.1\r\nHost: rebound.example\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
}

#[test]
fn a_watcher_that_stops_reading_delays_nobody_and_is_told_how_much_it_missed() {
    const ECHOES: usize = 200_000;
    let server = serve(Config::default());
    let mut watching = Watching::begin(&server);
    let mut raw = server.connect("/echo");
    let mut writer = raw.socket.try_clone().unwrap();
    let writing = std::thread::spawn(move || {
        for n in 0..ECHOES {
            let frame = Frame::new(Opcode::Text, Some(KEY), n.to_string().as_bytes());
            writer.write_all(&frame.encode()).unwrap();
        }
    });
    for n in 0..ECHOES {
        assert_eq!(raw.text(), n.to_string());
    }
    writing.join().unwrap();
    raw.send_close(1000, "");
    raw.close();
    drop(raw);
    // Now it reads again. It gets the frames for which there was room, and the number of the others.
    let mut shown = 0_u64;
    let mut told = 0_u64;
    let enough = Arc::new(AtomicBool::new(false));
    let wake = std::thread::spawn({
        let (address, enough) = (server.address, Arc::clone(&enough));
        move || {
            // The server tells the number with the next event, so something has to happen.
            while !enough.load(Ordering::Relaxed) {
                let mut raw = Raw::open(address, "/room/wake", "");
                raw.send_text("wake");
                raw.text();
                raw.send_close(1000, "");
                raw.close();
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    });
    let mut woken = false;
    while !(woken && told > 0) {
        let event = watching.next().expect("an event");
        woken |= event["line"] == "GET /room/wake HTTP/1.1";
        // The events that this watcher was too slow for. When the watch thread is too slow, the
        // connection has a gap instead.
        told += event["events"].as_u64().unwrap_or_default();
        shown += u64::from(event["kind"] == "frame");
    }
    enough.store(true, Ordering::Relaxed);
    wake.join().unwrap();
    assert!(shown > 100, "it saw only {shown} frames");
    assert!(told > 1000, "it was told of only {told} others");
}

#[test]
fn one_watcher_too_many_gets_503() {
    let server = serve(Config::default());
    let host = server.address;
    let request = format!("GET /wire/events HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let mut watching = Vec::new();
    for _ in 0..64 {
        let mut socket = dial(server.address);
        socket.write_all(request.as_bytes()).unwrap();
        let mut line = String::new();
        BufReader::new(socket.try_clone().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "HTTP/1.1 200 OK\r\n");
        watching.push(socket);
    }
    let answer = server.exchange(request.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("64 watch already"), "{answer}");
}

#[test]
fn watching_ends_with_the_server() {
    let server = serve(Config::default());
    let mut watching = Watching::begin(&server);
    server.stop();
    while watching.next().is_some() {}
    // That is long before the close timeout, because the server waits for no client here.
    drop(watching);
    server.end();
}

/// The output of the program with `--wire`, and a client whose messages are hostile to a terminal.
fn terminal(view: &str) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_chalkwire"))
        .args(["--listen", "127.0.0.1:0", "--wire", view])
        .env("RUST_LOG", "off")
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut first = String::new();
    stdout.read_line(&mut first).unwrap();
    let address = first.trim().rsplit("http://").next().unwrap().trim_end_matches('/');
    let mut raw = Raw::open(address.parse().unwrap(), "/echo", "X-Evil: \t\u{202e}\r\n");
    for text in
        ["Hello", "\x1b[2J\x1b]0;pwned\x07", "a\nb\rc\u{202e}d", "ping", "你好".repeat(40).as_str()]
    {
        raw.send_text(text);
        raw.text();
    }
    raw.send(Opcode::Binary, &[0xff; 70_000]);
    raw.frame();
    raw.send(Opcode::Ping, b"\x1b[31m");
    raw.frame();
    raw.send_close(1000, "\x1b[31mbye");
    raw.close();
    drop(raw);
    let mut text = String::new();
    while !text.contains("  END  ") {
        assert!(stdout.read_line(&mut text).unwrap() > 0, "{text}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    text
}

#[test]
fn the_terminal_shows_all_in_80_columns_and_escapes_what_clients_send() {
    use unicode_width::UnicodeWidthStr;
    let summary = terminal("summary");
    let full = terminal("full");
    for text in [&summary, &full] {
        for line in text.lines() {
            assert!(line.width() <= 80 || line.contains("key + GUID"), "{}: {line}", line.width());
            assert!(!line.contains(|c: char| c.is_control() || c == '\u{202e}'), "{line:?}");
        }
    }
    assert_eq!(summary.lines().count(), 19, "one line for each event:\n{summary}");
    assert!(summary.contains("CLIENT -> SERVER  TEXT \"Hello\", 11 bytes"), "{summary}");
    assert!(summary.contains("TEXT \"ping\"; not a PING frame"), "{summary}");
    assert!(full.contains("= 48 65 6c 6c 6f  payload XOR key  \"Hello\""), "{full}");
    assert!(full.contains("= base64      s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{full}");
    assert!(full.contains("bytes not shown"), "{full}");
}
