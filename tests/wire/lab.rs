//! The lab API: what the lab page asks the server to compute or to do.

use std::time::Duration;

use chalkwire::Config;
use chalkwire::lab::run_violation::{ThisServer, run_violation};
use chalkwire::lab::violations::{VIOLATIONS, Violation};
use chalkwire::protocol::Opcode;
use serde_json::{Value, json};

use crate::common::*;

/// The secret of a tab.
const TAB: &str = "0123456789abcdef0123456789abcdef";

/// The status and the body of an answer of the lab API.
pub fn ask(server: &Running, method: &str, target: &str) -> (u16, Value) {
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
fn each_violation_gets_its_close_code() {
    let server = serve(Config { ping_interval: Some(Duration::from_secs(1)), ..Config::default() });
    assert!(VIOLATIONS.len() >= 15);
    for violation in &VIOLATIONS {
        let Violation { id, rfc, close, .. } = violation;
        let outcome = run_violation(violation, &ThisServer::at(server.address)).expect(id);
        assert_eq!(outcome.closed, *close, "{id}: {}", outcome.reason);
        assert_eq!(outcome.sent, (violation.bytes)(), "{id}");
        // The reason names the section. When the client sends a Close itself, the server only answers it.
        let section = format!("RFC 6455 {}", rfc.trim_end_matches(".1"));
        let is_named = outcome.reason.contains(&section);
        assert!(is_named || matches!(close, None | Some(1000)), "{id}: {}", outcome.reason);
        let same_id = VIOLATIONS.iter().filter(|other| other.id == *id).count();
        assert_eq!(same_id, 1, "{id}");
    }
    // A client that breaks no rule is still served.
    let mut raw = server.connect("/echo");
    raw.send_text("Hello");
    while raw.frame().header.opcode != Opcode::Text {}
    server.wait_for_stats("only that client is left", |stats| stats["clients"] == 1);
}

#[test]
fn the_page_lists_violations_and_runs_one() {
    let server = serve(Config::default());
    let (status, rules) = ask(&server, "GET", "/wire/rules");
    assert_eq!((status, rules.as_array().map(Vec::len)), (200, Some(VIOLATIONS.len())));
    let (status, outcome) = ask(&server, "POST", "/wire/break?rule=unmasked");
    assert_eq!((status, &outcome["closed"]), (200, &1002.into()), "{outcome}");
    assert_eq!(outcome["sent"], "81 05 48 65 6c 6c 6f");
    assert_eq!(outcome["rfc"], "5.1");
    assert_eq!(outcome["received"].as_str().map(|hex| &hex[..2]), Some("88"), "{outcome}");
    let (status, why) = ask(&server, "POST", "/wire/break?rule=none");
    assert_eq!((status, why.as_str().is_some_and(|why| why.contains("unknown rule"))), (400, true));
}

#[test]
fn a_rule_can_be_broken_on_a_server_that_restricts_origins() {
    let allow_origin = vec!["https://school.example/".to_owned()];
    let server = serve(Config { allow_origin, ..Config::default() });
    let (status, outcome) = ask(&server, "POST", "/wire/break?rule=unmasked");
    assert_eq!((status, &outcome["closed"]), (200, &1002.into()), "{outcome}");
    // The origins of other clients are still checked.
    let request = handshake(server.address, "/echo", "Origin: https://evil.example\r\n");
    assert_eq!(server.status(&request), 403);
}

#[test]
fn endpoints_that_send_something_need_post_and_the_pages_own_origin() {
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
fn accept_keys_frames_and_bytes_are_computed_and_errors_explained() {
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
    let (_, parts) = ask(&server, "GET", &format!("/wire/explain?hex={}", "8100".repeat(1000)));
    assert_eq!(parts.as_array().map(Vec::len), Some(65), "64 frames, and a word on the others");
    assert_eq!((&parts[64]["kind"], &parts[64]["bytes"]), (&"rest".into(), &1872.into()));
    let sentence = parts[64]["sentence"].as_str().expect("a sentence");
    assert!(sentence.starts_with("1872 more bytes; "), "{sentence}");
    for (target, why) in [
        ("/wire/explain?hex=8z", "expected a second hex digit at position 2"),
        ("/wire/explain", "no bytes"),
        ("/wire/frame?mask=37", "4 bytes, not 1"),
        ("/wire/frame?opcode=16", "opcode must be a number from 0 to 15"),
        ("/wire/frame?code=65536", "code must be a number from 0 to 65535"),
        ("/wire/accept", "which key"),
    ] {
        let (status, body) = ask(&server, "GET", target);
        assert_eq!(status, 400, "{target}");
        assert!(body.as_str().is_some_and(|body| body.contains(why)), "{target}: {body}");
    }
}

#[test]
fn the_server_sends_what_the_page_asks_for() {
    let server = serve(Config::default());
    let mut raw = server.connect(&format!("/echo?tab={TAB}"));
    server.wait_for_stats("the client", |stats| stats["clients"] == 1);
    let client = server.stats()["connected"][0]["client"].as_u64().expect("a number");
    let ask = |what: &str| ask(&server, "POST", &format!("/wire/ask?tab={TAB}&what={what}"));
    assert_eq!(ask("ping"), (200, json!({ "client": client })));
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
    for (what, why) in [
        ("bytes&count=65537", "count must be a number from 0 to 65536"),
        ("bytes", "which count"),
        ("close&code=1006", "1000 to 1003"),
        ("nothing", "ping, fragments, bytes or close"),
    ] {
        let (status, body) = ask(what);
        assert_eq!(status, 400, "{what}");
        assert!(body.as_str().is_some_and(|body| body.contains(why)), "{what}: {body}");
    }
    assert_eq!(ask("close&code=4001").0, 200);
    assert_eq!(raw.close(), (4001, "requested on the lab page".to_owned()));
    raw.send_close(4001, "");
    raw.expect_end();
    server.wait_for_stats("its end", |stats| stats["clients"] == 0);
    let (status, why) = ask("ping");
    assert_eq!(status, 400);
    assert!(why.as_str().is_some_and(|why| why.contains("not have an open connection")), "{why}");
}
