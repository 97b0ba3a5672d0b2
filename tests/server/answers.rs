//! HTTP answers as a whole: what HEAD gets, the headers that every answer has, and requests whose length or target is
//! not clear.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use chalkwire::Config;

use crate::common::*;

/// Requests, each with the status of its answer. `METHOD` stands for GET and then HEAD.
const REQUESTS: &[(&str, &str, &str)] = &[
    ("METHOD / HTTP/1.1", "", "200 "),
    ("METHOD /lab/base.css HTTP/1.1", "", "200 "),
    ("METHOD /tutorial/ HTTP/1.1", "", "200 "),
    ("METHOD /stats HTTP/1.1", "", "200 "),
    ("METHOD /wire/events HTTP/1.1", "", "200 "),
    ("METHOD /wire/rules HTTP/1.1", "", "200 "),
    ("METHOD /wire/explain?hex=8100 HTTP/1.1", "", "200 "),
    ("METHOD /wire/explain?hex=x HTTP/1.1", "", "400 "),
    ("METHOD /wire/break?rule=unmasked HTTP/1.1", "", "405 "),
    ("METHOD /stats HTTP/1.1", "Origin: http://evil.example\r\n", "403 "),
    ("METHOD /echo HTTP/1.1", "", "426 "),
    ("METHOD /nope HTTP/1.1", "", "404 "),
    ("METHOD /nope HTTP/1.1", "Upgrade: websocket\r\n", "404 "),
    ("METHOD * HTTP/1.1", "", "400 "),
    ("METHOD / HTTP/1.1", "Content-Length: 0\r\nContent-Length: 5\r\n", "400 "),
    ("METHOD / HTTP/1.1", "Space : before the colon\r\n", "400 "),
    ("METHOD / HTTP/2.0", "", "505 "),
];

/// The head of the answer to a request, and whether something came behind it.
fn answer_to(server: &Running, method: &str, line: &str, headers: &str) -> (String, bool) {
    let line = line.replace("METHOD", method);
    let mut socket = dial(server.address);
    let request = format!("{line}\r\nHost: {}\r\n{headers}\r\n", server.address);
    socket.write_all(request.as_bytes()).expect("the request leaves");
    let (head, mut rest) = read_head(socket);
    // The stream of events does not end, but its first bytes come right behind the head.
    (head, !rest.fill_buf().expect("bytes, or the end").is_empty())
}

fn read_head(socket: TcpStream) -> (String, BufReader<TcpStream>) {
    let mut reader = BufReader::new(socket);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut head).expect("a line") > 0, "the answer ends: {head}");
    }
    (head, reader)
}

/// A head without the digits in its `Content-Length`, because some bodies have a time in them or name the method.
fn without_digits(head: &str) -> String {
    let lines = head.lines().map(|line| match line.strip_prefix("Content-Length: ") {
        Some(length) => {
            format!("Content-Length: {}", length.trim_matches(|c: char| c.is_ascii_digit()))
        }
        None => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn head_gets_the_head_of_the_answer_to_get_and_never_a_body() {
    let server = serve(Config::default());
    for (line, headers, status) in REQUESTS {
        let (head, has_body) = answer_to(&server, "HEAD", line, headers);
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{line} {headers}: {head}");
        assert!(!has_body, "{line} {headers}: {head}");
        let (head_of_get, has_body) = answer_to(&server, "GET", line, headers);
        assert!(has_body, "{line} {headers}: {head_of_get}");
        assert_eq!(without_digits(&head), without_digits(&head_of_get), "{line} {headers}");
    }
}

/// The headers that every answer has, except the 101 of a WebSocket.
const ALWAYS: [&str; 5] = [
    "Cache-Control: no-store",
    "Content-Security-Policy: default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; \
     object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy: same-origin",
    "Referrer-Policy: no-referrer",
    "X-Content-Type-Options: nosniff",
];

fn expect_headers(head: &str) {
    for header in ALWAYS {
        let times = head.lines().filter(|line| *line == header).count();
        assert_eq!(times, 1, "{header}: {head}");
    }
}

#[test]
fn every_answer_has_the_headers_that_restrict_pages() {
    let server = serve(Config::default());
    for (line, headers, _) in REQUESTS {
        for method in ["GET", "HEAD", "POST"] {
            expect_headers(&answer_to(&server, method, line, headers).0);
        }
    }
    let long_line = format!("GET /{} HTTP/1.1", "a".repeat(16 * 1024));
    expect_headers(&answer_to(&server, "GET", &long_line, "").0);
    let long_head = format!("A: {}\r\n", "b".repeat(16 * 1024));
    expect_headers(&answer_to(&server, "GET", "GET / HTTP/1.1", &long_head).0);
}

#[test]
fn answers_of_a_full_or_impatient_server_have_the_same_headers() {
    let timeout = Duration::from_secs(1);
    let impatient = serve(Config { handshake_timeout: timeout, ..Config::default() });
    let mut socket = dial(impatient.address);
    socket.write_all(b"GET / HTTP/1.1\r\n").expect("the bytes leave");
    let (late, _) = read_head(socket);
    assert!(late.starts_with("HTTP/1.1 408 "), "{late}");
    expect_headers(&late);

    let full = serve(Config { max_clients: 1, ..Config::default() });
    let _client = full.connect("/echo");
    let full_of_clients = full.exchange(handshake(full.address, "/echo", "").as_bytes());
    assert!(full_of_clients.starts_with("HTTP/1.1 503 "), "{full_of_clients}");
    expect_headers(&full_of_clients);

    // The refuser answers without reading the request.
    let small = serve(Config { max_per_address: Some(1), ..Config::default() });
    let _silent = dial(small.address);
    let refused = read_to_end(&mut dial(small.address));
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    expect_headers(&refused);
}

#[test]
fn a_request_whose_length_is_not_clear_gets_400() {
    let server = serve(Config::default());
    for (headers, word) in [
        ("Content-Length: 0\r\nContent-Length: 5\r\n", "this one has 2 (RFC 9112 6.3)"),
        ("Content-Length: 0\r\nContent-Length: 0\r\n", "this one has 2 (RFC 9112 6.3)"),
        ("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", "has both (RFC 9112 6.3)"),
        ("Content-Length: 0, 0\r\n", "must be a number"),
    ] {
        let plain = server.get("/", headers);
        assert!(plain.starts_with("HTTP/1.1 400 ") && plain.contains(word), "{headers}: {plain}");
        let request = handshake(server.address, "/echo", headers);
        let websocket = server.exchange(request.as_bytes());
        assert!(websocket.starts_with("HTTP/1.1 400 "), "{headers}: {websocket}");
        assert!(websocket.contains(word), "{headers}: {websocket}");
    }
}

#[test]
fn the_host_in_the_request_target_replaces_the_header() {
    let server = serve(Config::default());
    let own = server.address.to_string();
    let ask = |target: &str, host: &str| {
        server.exchange(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes())
    };
    let evil = ask("http://evil.example/stats", &own);
    assert!(evil.starts_with("HTTP/1.1 403 ") && evil.contains("evil.example"), "{evil}");
    assert!(ask(&format!("http://{own}/stats"), "evil.example").starts_with("HTTP/1.1 200 "));
    assert!(ask("/stats", "evil.example").starts_with("HTTP/1.1 403 "));
    for target in
        ["*", &own, "https://localhost/stats", "http:///stats", "http://a@localhost/stats"]
    {
        let answer = ask(target, &own);
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("target"), "{answer}");
    }
}

#[test]
fn a_page_behind_a_tls_proxy_may_act_if_the_browser_confirms_its_origin() {
    let server = serve(Config::default());
    let own = server.address;
    let post = |origin: &str, headers: &str| {
        let request = format!(
            "POST /wire/break?rule=nothing HTTP/1.1\r\nHost: {own}\r\nOrigin: {origin}\r\n{headers}\r\n"
        );
        server.exchange(request.as_bytes())
    };
    let same = "Sec-Fetch-Site: same-origin\r\n";
    // The endpoint answers 400, because it does not know the rule.
    for (origin, headers) in [(format!("http://{own}"), ""), (format!("https://{own}"), same)] {
        let answer = post(&origin, headers);
        assert!(answer.contains("unknown rule"), "{origin}: {answer}");
    }
    for origin in ["null".to_owned(), format!("ftp://{own}")] {
        assert!(post(&origin, same).starts_with("HTTP/1.1 403 "), "{origin}");
    }
    let unconfirmed = post(&format!("https://{own}"), "");
    assert!(unconfirmed.starts_with("HTTP/1.1 403 "), "{unconfirmed}");
    assert!(unconfirmed.contains("Sec-Fetch-Site: same-origin"), "{unconfirmed}");
}

#[test]
fn a_client_that_ends_its_side_after_a_faulty_head_gets_an_answer() {
    let server = serve(Config::default());
    let mut socket = dial(server.address);
    // The fault is between two lengths at which the server parses the head.
    for byte in b"GET / HTTP/1.1\r\nHost: example\r\nSpace : before the colon\r\n" {
        socket.write_all(&[*byte]).expect("the bytes leave");
    }
    socket.shutdown(Shutdown::Write).expect("the end leaves");
    let answer = read_to_end(&mut socket);
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}
