//! The wire view over Server-Sent Events: watchers see the bytes that crossed the wire, and watching does
//! not slow the clients down.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chalkwire::Config;
use chalkwire::protocol::{Frame, Opcode};
use serde_json::Value;

use crate::common::program::{Serving, Usage};
use crate::common::*;

/// A watcher over Server-Sent Events, like the lab page.
pub struct Watching {
    lines: BufReader<TcpStream>,
    /// The events up to the end of the first connection of its own: handshakes from before it came, and the probe.
    pub before: Vec<Value>,
}

impl Watching {
    /// The watcher at the other end of a socket on which the request has been sent.
    fn over(socket: TcpStream) -> Watching {
        Watching { lines: BufReader::new(socket), before: Vec::new() }
    }

    pub fn begin(server: &Running) -> Watching {
        Watching::begin_as(server, "")
    }

    /// Watches with the secrets in `query`.
    pub fn begin_as(server: &Running, query: &str) -> Watching {
        let mut socket = dial(server.address);
        let host = server.address;
        let request = format!("GET /wire/events?{query} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        socket.write_all(request.as_bytes()).unwrap();
        let mut watching = Watching::over(socket);
        let mut head = String::new();
        // The id of this run comes first. By then the watcher is on the list, or will be soon.
        while !head.contains("\nid: ") {
            assert!(watching.lines.read_line(&mut head).unwrap() > 0, "{head}");
        }
        assert!(head.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"));
        // A blank line follows. After it, the next line belongs to an event.
        watching.lines.read_line(&mut head).unwrap();
        // Watching has begun when the watcher sees an event.
        let mut probe = server.connect(&format!("/room/probe?{query}"));
        wait_until("the first event", || {
            probe.send_text("probe");
            watching.lines.get_ref().set_read_timeout(Some(Duration::from_millis(20))).unwrap();
            let seen = watching.lines.fill_buf().is_ok_and(|bytes| !bytes.is_empty());
            watching.lines.get_ref().set_read_timeout(Some(DEADLINE)).unwrap();
            seen
        });
        probe.send_close(1000, "");
        drop(probe);
        watching.before = watching.until(|event| event["kind"] == "end");
        watching
    }

    /// The next event; `None` at the end of the stream.
    fn next(&mut self) -> Option<Value> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            // The server sends comments even if nothing happens, so reading never times out.
            assert!(Instant::now() < deadline, "waited in vain for an event");
            let mut line = String::new();
            if self.lines.read_line(&mut line).expect("a line") == 0 {
                return None;
            }
            if let Some(json) = line.strip_prefix("data: ") {
                return Some(serde_json::from_str(json).expect("JSON"));
            }
        }
    }

    /// All events up to and including the first that is wanted.
    pub fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
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
fn the_view_shows_the_bytes_that_crossed_the_wire() {
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
fn fragments_become_one_message_and_a_pong_names_its_ping() {
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
fn a_fault_is_shown_at_its_frame() {
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
        // A good frame comes first, in the same write.
        let good = Frame::new(Opcode::Text, Some(KEY), b"good").encode();
        raw.send_bytes(&[good, bytes.clone()].concat());
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
    // The connection ends in the middle of a frame.
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
fn a_late_watcher_still_sees_the_handshake_and_whole_frames() {
    let server = serve(Config::default());
    let mut raw = server.connect("/echo");
    let frame = Frame::new(Opcode::Binary, Some(KEY), &[7; 3000]).encode();
    raw.send_bytes(&frame);
    raw.frame();
    // Watching begins when the server has read half of a frame.
    raw.send_bytes(&frame[..2000]);
    server.wait_for_stats("half a frame", |stats| stats["bytes_in"] == 3008 + 2000);
    let mut socket = dial(server.address);
    let host = server.address;
    let request = format!("GET /wire/events HTTP/1.1\r\nHost: {host}\r\n\r\n");
    socket.write_all(request.as_bytes()).unwrap();
    let mut watching = Watching::over(socket);
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
    assert_eq!(texts, expected, "every frame from the first frame boundary on");
    let gap = events.iter().find_map(|event| event["gap"].as_str());
    assert_eq!(gap, Some("what came before was not watched"));
}

#[test]
fn no_gap_is_reported_when_nothing_was_missed() {
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
fn a_watcher_that_stops_reading_delays_nobody_and_learns_how_much_it_missed() {
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
    // The watcher reads again. It finds the events that had room, and the number of those that had not.
    let mut shown = 0_u64;
    let mut told = 0_u64;
    let enough = Arc::new(AtomicBool::new(false));
    let wake = std::thread::spawn({
        let (address, enough) = (server.address, Arc::clone(&enough));
        move || {
            // The number is sent with the next event, so something must happen.
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
        // This counts the events for which this watcher was too slow. When the watch thread is too slow, the
        // view reports a gap of the connection instead.
        told += event["events"].as_u64().unwrap_or_default();
        shown += u64::from(event["kind"] == "frame");
    }
    enough.store(true, Ordering::Relaxed);
    wake.join().unwrap();
    assert!(shown > 100, "the watcher saw {shown} frames");
    assert!(told > 1000, "the watcher was told of {told} missed events");
}

#[test]
fn one_watcher_more_than_the_limit_gets_503() {
    let server = serve(Config::default());
    let _watching: Vec<_> = (0..64).map(|_| watch_as_a_page(server.address)).collect();
    let answer = server.get("/wire/events", "");
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("64 pages watch the wire already"), "{answer}");
}

/// The stream of a page that watches, from its first line on.
fn watch_as_a_page(address: SocketAddr) -> TcpStream {
    let mut socket = dial(address);
    let request = format!("GET /wire/events HTTP/1.1\r\nHost: {address}\r\n\r\n");
    socket.write_all(request.as_bytes()).unwrap();
    let mut status = [0; 17];
    socket.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 200 OK\r\n");
    socket
}

#[cfg(unix)]
#[test]
fn watchers_that_leave_give_their_places_back_while_nothing_crosses_the_wire() {
    let server = serve(Config::default());
    let before = server.stats();
    for _ in 0..2 {
        let pages: Vec<_> = (0..64).map(|_| watch_as_a_page(server.address)).collect();
        // Each page closes its side, and reads on, so that we see what it still gets.
        for page in &pages {
            page.shutdown(std::net::Shutdown::Write).unwrap();
        }
        for page in pages {
            for line in BufReader::new(page).lines().map_while(Result::ok) {
                assert!(!line.contains("still here"), "the server noticed only at a comment");
            }
        }
        server
            .wait_for_stats("their threads to end", |stats| stats["threads"] == before["threads"]);
    }
}

/// A server with 160 requests behind it, each 16 KiB of line feeds. Many watchers then come and do not read.
#[test]
fn requests_of_many_lines_cost_a_bounded_amount_of_memory_while_many_watch() {
    let server = Serving::with(&[]);
    let before = Usage::at_rest(&server);
    let poison = [&[b'\n'; 16_383][..], b"G"].concat();
    for _ in 0..160 {
        let mut socket = dial(server.address);
        socket.write_all(&poison).unwrap();
        let answer = read_to_end(&mut socket);
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
    let mut pages: Vec<_> = (0..16).map(|_| watch_as_a_page(server.address)).collect();
    // The server adds watchers in order. When the last one has the kept handshakes, so have the others.
    let mut last = Watching::over(pages.pop().expect("a page"));
    for _ in 0..64 {
        let request = last.next().expect("a kept request");
        assert_eq!((&request["kind"], &request["more_lines"]), (&"request".into(), &16_283.into()));
        assert_eq!(last.next().expect("its refusal")["kind"], "response");
    }
    let grown = Usage::of(&server).memory.saturating_sub(before.memory);
    assert!(grown < 64 * 1024, "{grown} KiB");
}

#[test]
fn a_server_that_stops_ends_every_event_stream() {
    let server = serve(Config::default());
    let mut watching = Watching::begin(&server);
    server.stop();
    while watching.next().is_some() {}
    // The server does not wait for its close timeout, because a watcher has nothing to answer.
    drop(watching);
    server.end();
}
