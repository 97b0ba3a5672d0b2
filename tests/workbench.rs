//! What the lab page lets the server do and compute.

mod common;

use std::time::Duration;

use chalkwire::Config;
use chalkwire::lab::violations::{VIOLATIONS, run_violation};
use chalkwire::protocol::Opcode;
use common::*;
use serde_json::Value;

/// Status and body of an answer of the workbench.
fn ask(server: &Running, method: &str, target: &str) -> (u16, Value) {
    let host = server.address;
    let origin = format!("Origin: http://{host}");
    let request = format!(
        "{method} {target} HTTP/1.1\r\nHost: {host}\r\n{origin}\r\nContent-Length: 0\r\n\r\n"
    );
    let answer = server.exchange(request.as_bytes());
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    (status, serde_json::from_str(body).unwrap_or_else(|_| body.into()))
}

#[test]
fn each_rule_that_is_broken_gets_its_close_code() {
    let server = serve(Config { ping_interval: Some(Duration::from_secs(1)), ..Config::default() });
    assert!(VIOLATIONS.len() >= 15);
    for rule in &VIOLATIONS {
        let outcome = run_violation(rule, server.address).expect("it can be broken");
        assert_eq!(outcome.closed, rule.close, "{}: {}", rule.id, outcome.reason);
        // The reason names the section; a Close that was asked for is answered with its own.
        let told =
            outcome.reason.contains(&format!("RFC 6455 {}", rule.rfc.trim_end_matches(".1")));
        assert!(told || matches!(rule.close, None | Some(1000)), "{}: {}", rule.id, outcome.reason);
        let same = VIOLATIONS.iter().filter(|other| other.id == rule.id).count();
        assert_eq!(same, 1, "{}", rule.id);
    }
    // And someone who breaks none is still served.
    let mut raw = server.connect("/echo");
    raw.send_text("Hello");
    while raw.frame().header.opcode != Opcode::Text {}
    server.wait_for_stats("nobody else", |stats| stats["clients"] == 1);
}

#[test]
fn a_rule_is_broken_on_demand_and_seen_by_who_watches() {
    let server = serve(Config::default());
    let (status, rules) = ask(&server, "GET", "/wire/rules");
    assert_eq!((status, rules.as_array().map(Vec::len)), (200, Some(VIOLATIONS.len())));
    let (status, outcome) = ask(&server, "POST", "/wire/break?rule=unmasked");
    assert_eq!((status, &outcome["closed"]), (200, &1002.into()), "{outcome}");
    assert_eq!(outcome["sent"], "81 05 48 65 6c 6c 6f");
    assert_eq!(outcome["rfc"], "5.1");
    let (status, why) = ask(&server, "POST", "/wire/break?rule=none");
    assert_eq!((status, why.as_str().is_some_and(|why| why.contains("no such rule"))), (400, true));
}

#[test]
fn what_does_something_wants_post_and_the_pages_own_origin() {
    let server = serve(Config::default());
    for target in ["/wire/break?rule=unmasked", "/wire/ask?client=1&what=ping"] {
        assert_eq!(ask(&server, "GET", target).0, 405);
    }
    let host = server.address;
    let foreign = format!(
        "POST /wire/break?rule=unmasked HTTP/1.1\r\nHost: {host}\r\nOrigin: https://evil.example\r\n\r\n"
    );
    assert!(server.exchange(foreign.as_bytes()).starts_with("HTTP/1.1 403 "));
}

#[test]
fn keys_frames_and_bytes_are_computed_by_the_servers_own_code() {
    let server = serve(Config::default());
    let (_, accept) = ask(&server, "GET", "/wire/accept?key=dGhlIHNhbXBsZSBub25jZQ%3D%3D");
    assert_eq!(accept["accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    let (_, frame) = ask(&server, "GET", "/wire/frame?text=Hello&mask=37fa213d");
    assert_eq!(frame[0]["wire"]["start"], "7f 9f 4d 51 58");
    let (_, frame) = ask(&server, "GET", "/wire/frame?text=%E4%BD%A0&opcode=9&fin=0&rsv=4");
    assert_eq!(frame[0]["header"], "49 03");
    assert_eq!(frame[0]["fault"]["code"], 1002);
    let (_, parts) = ask(&server, "GET", "/wire/explain?hex=01034865%206c%2080%2002%206c6f");
    assert_eq!(parts[1]["part"]["message"], "Hello");
    for (target, why) in [
        ("/wire/explain?hex=8z", "expected a second hex digit at position 2"),
        ("/wire/explain", "no bytes"),
        ("/wire/frame?mask=37", "4 bytes, not 1"),
        ("/wire/frame?opcode=16", "0 to 15"),
        ("/wire/accept", "which key"),
    ] {
        let (status, body) = ask(&server, "GET", target);
        assert_eq!(status, 400, "{target}");
        assert!(body.as_str().is_some_and(|body| body.contains(why)), "{target}: {body}");
    }
}

#[test]
fn the_server_sends_what_it_is_asked_for() {
    let server = serve(Config::default());
    let mut raw = server.connect("/echo");
    server.wait_for_stats("the client", |stats| stats["clients"] == 1);
    let client = server.stats()["connected"][0]["client"].as_u64().expect("a number");
    let ask = |what: &str| ask(&server, "POST", &format!("/wire/ask?client={client}&what={what}"));
    assert_eq!(ask("ping").0, 200);
    let ping = raw.frame();
    assert_eq!((ping.header.opcode, &*ping.payload), (Opcode::Ping, &b"asked"[..]));
    assert_eq!(ask("fragments").0, 200);
    let kinds: Vec<_> = (0..4).map(|_| raw.frame().header).map(|h| (h.opcode, h.fin)).collect();
    let expected = [
        (Opcode::Text, false),
        (Opcode::Continuation, false),
        (Opcode::Ping, true),
        (Opcode::Continuation, true),
    ];
    assert_eq!(kinds, expected);
    for count in [126, 65_536] {
        assert_eq!(ask(&format!("bytes&count={count}")).0, 200);
        assert_eq!(raw.frame().payload.len(), count);
    }
    assert_eq!(ask("bytes&count=65537").0, 400);
    assert_eq!(ask("close&code=1006").0, 400);
    assert_eq!(ask("close&code=4001").0, 200);
    assert_eq!(raw.close(), (4001, "requested on the lab page".to_owned()));
    raw.send_close(4001, "");
    raw.expect_end();
    server.wait_for_stats("its end", |stats| stats["clients"] == 0);
    assert_eq!(ask("ping").0, 400);
}
