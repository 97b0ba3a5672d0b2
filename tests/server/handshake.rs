//! The opening handshake on a raw socket: which requests the server accepts, and how it refuses others.

use std::io::Write;
use std::time::Duration;

use chalkwire::Config;
use chalkwire::protocol::{Frame, Opcode};

use crate::common::*;

#[test]
fn the_rfcs_key_gets_the_rfcs_answer() {
    let server = serve(Config::default());
    let raw = server.connect("/echo");
    let head = raw.head.to_lowercase();
    assert!(head.contains("\r\nsec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"), "{head}");
    assert!(raw.head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{}", raw.head);
    assert!(!head.contains("sec-websocket-protocol"), "{head}");
    assert!(!head.contains("sec-websocket-extensions"), "{head}");
}

#[test]
fn a_key_with_stray_bits_is_answered_as_it_was_sent() {
    let server = serve(Config::default());
    let request = handshake(server.address, "/echo", "");
    let mut socket = dial(server.address);
    let request = request.replace("dGhlIHNhbXBsZSBub25jZQ==", "AQIDBAUGBwgJCgsMDQ4PEC==");
    socket.write_all(request.as_bytes()).unwrap();
    let raw = Raw::read_head(socket);
    // The server hashes the key as it was sent, not its canonical form.
    let accept = tungstenite::handshake::derive_accept_key(b"AQIDBAUGBwgJCgsMDQ4PEC==");
    assert!(raw.head.contains(&accept), "{}", raw.head);
}

#[test]
fn a_request_may_arrive_byte_by_byte() {
    let server = serve(Config::default());
    let mut socket = dial(server.address);
    for byte in handshake(server.address, "/echo", "").as_bytes() {
        socket.write_all(&[*byte]).unwrap();
    }
    let mut raw = Raw::read_head(socket);
    raw.send_text("Hello");
    assert_eq!(raw.text(), "Hello");
}

#[test]
fn frames_in_the_same_packet_as_the_request_are_not_lost() {
    let server = serve(Config::default());
    let long = "x".repeat(10_000);
    let leftover = frames([b"one".as_slice(), long.as_bytes(), b"three"].into_iter());
    // The last four bytes of the third frame come later.
    let (now, later) = leftover.split_at(leftover.len() - 4);
    let mut raw = Raw::open_with(server.address, "/echo", "", now);
    assert_eq!((raw.text(), raw.text()), ("one".to_owned(), long));
    raw.send_bytes(later);
    assert_eq!(raw.text(), "three");
}

#[test]
fn a_common_subprotocol_is_chosen_and_its_absence_is_not_an_error() {
    let server = serve(Config::default());
    let offer = "Sec-WebSocket-Protocol: chat, classroom.v1\r\n";
    let room = Raw::open(server.address, "/room/blue", offer).head.to_lowercase();
    assert!(room.contains("\r\nsec-websocket-protocol: classroom.v1\r\n"), "{room}");
    let echo = Raw::open(server.address, "/echo", offer).head.to_lowercase();
    assert!(!echo.contains("sec-websocket-protocol"), "{echo}");
}

#[test]
fn a_refusal_says_why() {
    let server = serve(Config::default());
    let good = handshake(server.address, "/echo", "");
    for (from, to, status, header, word) in [
        ("GET", "POST", 405, "Allow: GET", "POST"),
        ("/echo", "/nope", 404, "", "nothing"),
        ("/echo", "/wire/events", 404, "", "no WebSocket"),
        ("/echo", "/stats", 404, "", "no WebSocket"),
        ("Upgrade: websocket\r\n", "", 426, "Upgrade: websocket", "Upgrade"),
        ("Version: 13", "Version: 8", 426, "Sec-WebSocket-Version: 13", "13"),
        ("Connection: Upgrade\r\n", "", 400, "", "Connection"),
        ("Host:", "Hast:", 400, "", "Host"),
        ("HTTP/1.1", "HTTP/2.0", 505, "", "HTTP/1.1"),
        ("HTTP/1.1", "HTTP/1.0", 400, "", "HTTP/1.1"),
        ("Upgrade: websocket", "Upgrade : websocket", 400, "", "header name"),
    ] {
        assert!(good.contains(from));
        let answer = server.exchange(good.replace(from, to).as_bytes());
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{to}: {answer}");
        assert!(answer.contains(&format!("{header}\r\n")), "{to}: {answer}");
        let body = answer.split_once("\r\n\r\n").expect("a body").1;
        assert!(body.ends_with('\n') && body.lines().count() == 1, "one line: {body:?}");
        assert!(body.contains(word), "{to}: {body}");
    }
}

#[test]
fn a_plain_request_gets_the_page_or_a_426() {
    let server = serve(Config::default());
    let page = server.get("/", "");
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
    assert!(page.contains("Content-Type: text/html") && page.contains("<!doctype html>"));
    assert!(server.get("/?from=bookmark", "").starts_with("HTTP/1.1 200 "));
    for path in ["/echo", "/broadcast", "/room/blue"] {
        let answer = server.get(path, "");
        assert!(answer.starts_with("HTTP/1.1 426 Upgrade Required\r\n"), "{answer}");
        assert!(answer.contains("\r\nUpgrade: websocket\r\n"), "{answer}");
        assert!(answer.contains("\r\nSec-WebSocket-Version: 13\r\n"), "{answer}");
    }
    let head = server.exchange(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    let (fields, body) = head.split_once("\r\n\r\n").expect("a head");
    assert_eq!(body, "");
    let length = page.split_once("\r\n\r\n").unwrap().1.len();
    assert!(fields.contains(&format!("Content-Length: {length}")), "{fields}");
}

#[test]
fn a_head_request_gets_the_head_of_the_answer_only() {
    let server = serve(Config::default());
    for path in ["/", "/stats", "/wire/events", "/wire/rules", "/echo", "/nope"] {
        let request = format!("HEAD {path} HTTP/1.1\r\nHost: {}\r\n\r\n", server.address);
        let answer = server.exchange(request.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 "), "{path}: {answer}");
        assert!(answer.ends_with("\r\n\r\n"), "{path}: {answer}");
    }
}

#[test]
fn a_request_head_that_does_not_end_gets_408() {
    let server =
        serve(Config { handshake_timeout: Duration::from_millis(100), ..Config::default() });
    assert!(server.exchange(b"GET / HTTP/1.1\r\nHost:").starts_with("HTTP/1.1 408 "));
    // A connection without a single byte ends without an answer.
    assert_eq!(server.exchange(b""), "");
}

#[test]
fn a_request_head_has_limits() {
    let server = serve(Config::default());
    let line = [b"GET /", &*vec![b'a'; 16 * 1024]].concat();
    assert!(server.exchange(&line).starts_with("HTTP/1.1 414 "));
    let endless = [b"GET / HTTP/1.1\r\nA: ", &*vec![b'a'; 64 * 1024]].concat();
    assert!(server.exchange(&endless).starts_with("HTTP/1.1 431 "));
    let many = [b"GET / HTTP/1.1\r\n".to_vec(), b"A: b\r\n".repeat(200)].concat();
    assert!(server.exchange(&many).starts_with("HTTP/1.1 431 "));
    assert!(server.exchange(b"\x16\x03\x01\x02\x00\x01\x00\x01").contains("TLS"));
}

#[test]
fn only_pages_of_allowed_origins_may_connect() {
    let allow_origin = vec!["https://school.example".to_owned()];
    let server = serve(Config { allow_origin, ..Config::default() });
    let request = |origin: &str| handshake(server.address, "/echo", origin);
    for stranger in ["", "Origin: null\r\n", "Origin: https://evil.example\r\n"] {
        let answer = server.exchange(request(stranger).as_bytes());
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    }
    Raw::open(server.address, "/echo", "Origin: https://school.example\r\n");
    // Without a list, pages of every origin may connect.
    let open = serve(Config::default());
    Raw::open(open.address, "/echo", "Origin: null\r\n");
}

#[test]
fn only_this_servers_pages_may_read_the_statistics() {
    let server = serve(Config::default());
    let port = server.address.port();
    let ask = |host: &str, headers: &str| {
        server.exchange(format!("GET /stats HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n").as_bytes())
    };
    let own = format!("localhost:{port}");
    assert!(ask(&own, "").starts_with("HTTP/1.1 200 "));
    assert!(ask(&own, &format!("Origin: http://{own}\r\n")).starts_with("HTTP/1.1 200 "));
    for (host, headers) in [
        ("rebound.example", ""),
        (own.as_str(), "Origin: https://evil.example\r\n"),
        (own.as_str(), "Sec-Fetch-Site: cross-site\r\n"),
    ] {
        let answer = ask(host, headers);
        assert!(answer.starts_with("HTTP/1.1 403 "), "{host} {headers}: {answer}");
        assert!(!answer.contains("Access-Control"), "{answer}");
    }
}

#[test]
fn statistics_count_by_path() {
    let server = serve(Config::default());
    let mut echo = server.connect("/echo");
    let mut blue = server.connect("/room/blue");
    let mut red = server.connect("/room/red");
    echo.send_text("Hello");
    echo.text();
    blue.send(Opcode::Binary, &[0; 300]);
    blue.frame();
    let stats = server.stats();
    assert_eq!((&stats["clients"], &stats["clients_total"]), (&3.into(), &3.into()), "{stats}");
    assert_eq!(stats["paths"]["/room"]["clients"], 2, "{stats}");
    assert_eq!(stats["paths"]["/echo"]["messages_in"], 1, "{stats}");
    assert_eq!(stats["paths"]["/echo"]["bytes_in"], 11, "{stats}");
    assert_eq!(stats["paths"]["/room"]["bytes_in"], 308, "{stats}");
    assert_eq!(stats["messages_out"], 2, "{stats}");
    // The dispatcher, the drain thread, the watch thread, the refuser, three clients, and the
    // connection that asks.
    assert_eq!(stats["threads"], 8, "{stats}");
    assert_eq!(stats["connected"][1]["path"], "/room/blue", "{stats}");
    red.send_close(1000, "");
    red.close();
    drop(red);
    server.wait_for_stats("seven threads", |stats| stats["threads"] == 7);
    assert_eq!(server.stats()["clients"], 2);
}

#[test]
fn one_client_more_than_the_limit_gets_503() {
    let server = serve(Config { max_clients: 2, ..Config::default() });
    let _first = server.connect("/echo");
    let mut second = server.connect("/echo");
    let answer = server.exchange(handshake(server.address, "/echo", "").as_bytes());
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("room for 2 WebSockets"), "{answer}");
    // The page is still served, and the clients that were accepted stay.
    assert!(server.get("/", "").starts_with("HTTP/1.1 200 "));
    second.send_text("still here");
    assert_eq!(second.text(), "still here");
    second.send_close(1000, "");
    second.close();
    drop(second);
    server.wait_for_stats("a free place", |stats| stats["clients"] == 1);
    wait_until("a free place", || server.status(&handshake(server.address, "/echo", "")) == 101);
}

#[test]
fn connections_without_a_request_make_room_for_others() {
    let server = serve(Config { max_handshakes: 2, ..Config::default() });
    let mut oldest = dial(server.address);
    oldest.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    let mut other = dial(server.address);
    other.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    assert!(server.get("/", "").starts_with("HTTP/1.1 200 "));
    let answer = read_to_end(&mut oldest);
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.ends_with("because the request was not complete\n"), "{answer}");
    // The other one keeps its place.
    other.write_all(b"Host: a\r\n\r\n").unwrap();
    assert!(read_to_end(&mut other).starts_with("HTTP/1.1 200 "));
}

#[test]
fn the_first_frame_of_a_client_may_be_a_close() {
    let server = serve(Config::default());
    let close = Frame::new(Opcode::Close, Some(KEY), &[0x03, 0xe8]).encode();
    let mut raw = Raw::open_with(server.address, "/echo", "", &close);
    assert_eq!(raw.close(), (1000, String::new()));
    raw.expect_end();
}
