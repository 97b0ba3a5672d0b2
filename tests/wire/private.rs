//! What the wire view hides from whom: credentials, the secrets of tabs and of the teacher, and with `--wire-for`
//! the connections of others.

use std::io::{BufRead, BufReader, Write};

use chalkwire::protocol::Opcode;
use chalkwire::{Config, WireFor};
use serde_json::Value;

use crate::common::*;
use crate::lab::ask;
use crate::printing::Printing;
use crate::watch::Watching;

/// The secrets of two tabs.
const ANA: &str = "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf";
const BEN: &str = "b0b1b2b3b4b5b6b7b8b9babbbcbdbebf";

/// Header lines with credentials. Each has the word that must not be shown.
const CREDENTIALS: &str = "Cookie: session=w0rd-w0rd-w0rd; theme=w0rd\r\nAuthorization: Basic w0rd\r\n\
    Proxy-Authorization: Bearer w0rd\r\n";

fn serve_for(wire_for: WireFor) -> Running {
    serve(Config { wire_for: Some(wire_for), ..Config::default() })
}

/// The query with the teacher's secret.
fn teacher_query(server: &Running) -> &str {
    let link = server.teacher_link.as_deref().expect("the link");
    let (address, query) = link.split_once('?').expect("a query");
    assert_eq!(address, format!("http://{}/", server.address));
    assert!(query.starts_with("teacher=") && query.len() == "teacher=".len() + 32, "{query}");
    query
}

/// A client of `tab` that has sent this text to `/echo` and has its echo.
fn client_that_says(server: &Running, tab: &str, text: &str) -> Raw {
    let mut raw = server.connect(&format!("/echo?tab={tab}"));
    raw.send_text(text);
    assert_eq!(raw.text(), text);
    raw
}

/// The events up to the first with this text, from when watching began.
fn seen_until(mut watching: Watching, text: &str) -> Vec<Value> {
    let mut seen = std::mem::take(&mut watching.before);
    seen.extend(watching.until(|event| event["text"] == text));
    seen
}

/// Whether all these events are on the page's own connections, as the server says.
fn all_own(events: &[Value]) -> bool {
    events.iter().all(|event| event["own"] == true)
}

fn has_text(events: &[Value], text: &str) -> bool {
    events.iter().any(|event| event["text"] == text)
}

#[test]
fn a_page_sees_its_own_connections_only_under_own() {
    let server = serve_for(WireFor::Own);
    assert_eq!(server.teacher_link, None);
    // Ana's handshake is kept, and so are those of a program without a tab: one accepted, one refused.
    let _ana_before = client_that_says(&server, ANA, "before");
    let _program_before = server.connect("/echo");
    server.get("/echo", "");
    let ana = Watching::begin_as(&server, &format!("tab={ANA}"));
    let ben = Watching::begin_as(&server, &format!("tab={BEN}"));
    let ana_lines: Vec<_> = ana.before.iter().filter_map(|event| event["line"].as_str()).collect();
    assert!(ana_lines.contains(&"GET /echo?tab=(hidden) HTTP/1.1"), "{ana_lines:?}");

    let _ana = client_that_says(&server, ANA, "from Ana");
    server.connect("/echo").send_text("from a program");
    server.get("/echo", "");
    let _ben = client_that_says(&server, BEN, "from Ben");
    let _ana_again = client_that_says(&server, ANA, "from Ana again");
    let seen = seen_until(ben, "from Ben");
    assert!(all_own(&seen) && !has_text(&seen, "from Ana"), "{seen:?}");
    assert!(!seen.iter().any(|event| event["line"] == "GET /echo HTTP/1.1"), "{seen:?}");
    let seen = seen_until(ana, "from Ana again");
    assert!(all_own(&seen) && has_text(&seen, "from Ana") && !has_text(&seen, "from Ben"));
}

#[test]
fn everyone_sees_all_connections_under_everyone_and_knows_its_own() {
    let server = serve_for(WireFor::Everyone);
    let ben = Watching::begin_as(&server, &format!("tab={BEN}"));
    let _ana = client_that_says(&server, ANA, "from Ana");
    let _ben = client_that_says(&server, BEN, "from Ben");
    let seen = seen_until(ben, "from Ben");
    let own = |text: &str| {
        let event = seen.iter().find(|event| event["text"] == text).expect(text);
        event["own"].as_bool()
    };
    assert_eq!((own("from Ana"), own("from Ben")), (None, Some(true)));
}

#[test]
fn only_the_teachers_link_shows_all_connections_under_teacher() {
    let server = serve_for(WireFor::Teacher);
    let right = teacher_query(&server);
    let wrong = "teacher=00000000000000000000000000000000";
    let teacher = Watching::begin_as(&server, right);
    let others: Vec<_> = [format!("tab={BEN}"), format!("tab={BEN}&{wrong}")]
        .iter()
        .map(|query| Watching::begin_as(&server, query))
        .collect();
    let _ana = client_that_says(&server, ANA, "from Ana");
    let _ben = client_that_says(&server, BEN, "from Ben");
    let seen = seen_until(teacher, "from Ben");
    assert!(has_text(&seen, "from Ana"), "{seen:?}");
    assert!(seen.iter().all(|event| event["own"].is_null()), "{seen:?}");
    for watching in others {
        let seen = seen_until(watching, "from Ben");
        assert!(all_own(&seen) && !has_text(&seen, "from Ana"), "{seen:?}");
    }
    // The server tells each page what it may see.
    for (query, sees_all) in [(right, true), (wrong, false), ("", false)] {
        let (_, access) = ask(&server, "GET", &format!("/wire/access?{query}"));
        assert_eq!(access["wire_for"], "teacher");
        assert_eq!((&access["sees_all"], &access["teacher"]), (&sees_all.into(), &sees_all.into()));
    }
}

#[test]
fn commands_on_the_connection_of_another_tab_are_refused_even_from_the_same_address() {
    let server = serve_for(WireFor::Teacher);
    let mut ana = client_that_says(&server, ANA, "hello");
    let mut program = server.connect("/echo");
    server.wait_for_stats("both", |stats| stats["clients"] == 2);
    let (_, stats) = ask(&server, "GET", &format!("/stats?{}", teacher_query(&server)));
    let numbers: Vec<_> = (0..2).map(|n| stats["connected"][n]["client"].clone()).collect();
    let order = |query: &str, n: usize, what: &str| {
        ask(&server, "POST", &format!("/wire/ask?client={}&what={what}&{query}", numbers[n]))
    };
    let tab = |tab: &str| format!("tab={tab}");
    for query in ["", &tab(BEN), "tab=", "teacher=00000000000000000000000000000000"] {
        for n in 0..2 {
            let (status, why) = order(query, n, "close&code=1000");
            let why = why.as_str().expect("a sentence");
            assert!(status == 400 && why.contains("belongs to another tab"), "{query}: {why}");
            assert!(why.contains("teacher's link"), "{why}");
        }
    }
    let (status, _) = order(&tab(ANA), 1, "ping");
    assert_eq!(status, 400, "a connection without a secret is not Ana's");
    assert_eq!(order(&tab(ANA), 0, "ping").0, 200);
    assert_eq!(ana.frame().header.opcode, Opcode::Ping, "nothing came before it");
    assert_eq!(order(teacher_query(&server), 1, "ping").0, 200);
    assert_eq!(program.frame().header.opcode, Opcode::Ping);
    assert_eq!(order(teacher_query(&server), 0, "close&code=1000").0, 200);
    assert_eq!(ana.close().0, 1000);
}

#[test]
fn beyond_loopback_the_statistics_show_a_stranger_the_totals_only() {
    let server = serve_at("0.0.0.0:0", Config::default());
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], server.address.port()));
    let mut ana = Raw::open(address, &format!("/room/secret?tab={ANA}"), "");
    ana.send_text("hello");
    ana.text();
    let get = |path: &str| -> Value {
        let answer = server.get(path, "");
        serde_json::from_str(answer.split_once("\r\n\r\n").expect("a head").1).expect("JSON")
    };
    wait_until("her row", || get(&format!("/stats?tab={ANA}"))["connected"][0].is_object());
    for query in ["", "?tab=", &format!("?tab={BEN}")] {
        let stats = get(&format!("/stats{query}"));
        assert_eq!(stats["connected"], serde_json::json!([]), "{query}");
        assert_eq!(
            (&stats["clients"], &stats["paths"]["/room"]["messages_in"]),
            (&1.into(), &1.into())
        );
    }
    let own = get(&format!("/stats?tab={ANA}"));
    assert_eq!(own["connected"][0]["path"], "/room/secret");
    assert_eq!(get("/wire/access")["wire_for"], "own");
    // On loopback nothing is hidden.
    let local = serve(Config::default());
    let _client = local.connect("/echo");
    local.wait_for_stats("its row", |stats| stats["connected"][0]["path"] == "/echo");
    assert_eq!(ask(&local, "GET", "/wire/access").1["wire_for"], "everyone");
}

#[test]
fn a_credential_is_never_in_an_event_unless_the_server_is_told_to_show_it() {
    for show_credentials in [false, true] {
        let server = serve(Config { show_credentials, ..Config::default() });
        // One handshake is kept, one crosses while somebody watches, and one is not even a request.
        let _kept = Raw::open(server.address, "/echo", CREDENTIALS);
        let mut watching = Watching::begin(&server);
        let _live = Raw::open(server.address, "/broadcast", CREDENTIALS);
        let bad =
            format!("GET /bad HTTP/1.1\r\n{CREDENTIALS}Cookie : x=w0rd\r\n folded=w0rd\r\n\r\n");
        assert!(server.exchange(bad.as_bytes()).starts_with("HTTP/1.1 400 "));
        let mut seen = std::mem::take(&mut watching.before);
        seen.extend(watching.until(|event| event["line"] == "GET /bad HTTP/1.1"));
        for path in ["/echo", "/broadcast", "/bad"] {
            let line = format!("GET {path} HTTP/1.1");
            let event = seen.iter().find(|event| event["line"] == line).expect(path).to_string();
            assert_eq!(event.contains("w0rd"), show_credentials, "{event}");
            let cookies = "Cookie: session=(14 bytes, hidden); theme=(4 bytes, hidden)";
            assert_eq!(event.contains(cookies), !show_credentials, "{event}");
            let meaning = "a credential; --show-credentials shows it";
            assert_eq!(event.contains(meaning), !show_credentials, "{event}");
        }
    }
}

/// What the program prints, on stdout with `--wire full` and in its log, while a client connects with secrets.
fn printed(flags: &[&str]) -> String {
    let mut program = Printing::start(&[&["--wire", "full"], flags].concat(), "debug");
    let address = program.address;
    for path in ["/echo", "/nothing", "/stats", "/"] {
        let target = format!("{path}?tab={ANA}&teacher={BEN}");
        let headers = format!("{CREDENTIALS}Referer: http://{address}/?teacher={BEN}\r\n");
        if path == "/echo" {
            let mut raw = Raw::open(address, &target, &headers);
            raw.send_close(1000, "");
            raw.close();
        } else {
            let request = format!("GET {target} HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n");
            let mut socket = dial(address);
            socket.write_all(request.as_bytes()).unwrap();
            read_to_end(&mut socket);
        }
        let ends = if path == "/echo" { 1 } else { 2 };
        program.read_until(|text| text.matches("  END  ").count() >= ends);
    }
    let mut text = std::mem::take(&mut program.text);
    // The log has a thread of its own. Its line about the last request comes last.
    let mut log = BufReader::new(program.child.stderr.take().expect("a pipe"));
    while !text.contains("\"/\" -> 200") {
        assert!(log.read_line(&mut text).unwrap() > 0, "{text}");
    }
    text
}

#[test]
fn the_terminal_and_the_log_show_credentials_only_on_request_and_secrets_never() {
    for flags in [&[][..], &["--show-credentials"]] {
        let text = printed(flags);
        assert!(text.contains("GET /echo?tab=(hidden)&teacher=(hidden) HTTP/1.1"), "{text}");
        assert!(text.contains("\"/nothing\" -> 404"), "the log has the path: {text}");
        assert!(!text.contains(ANA) && !text.contains(BEN), "{text}");
        assert_eq!(text.contains("w0rd"), !flags.is_empty(), "{text}");
    }
}

#[test]
fn the_program_prints_the_teachers_link_behind_its_address() {
    let lines = |flags: &[&str]| {
        let program = Printing::start(flags, "off");
        let url = format!("http://{}/", program.address);
        // It serves when it has printed everything.
        stats(program.address);
        (url, program.end())
    };
    let (url, rest) = lines(&["--wire-for", "teacher"]);
    let link = rest.strip_prefix("The teacher's link, which shows all connections: ").expect("it");
    let secret = link.strip_prefix(&format!("{url}?teacher=")).expect(link).trim_end();
    assert!(secret.len() == 32 && secret.bytes().all(|byte| byte.is_ascii_hexdigit()), "{link}");
    assert_eq!(lines(&[]).1, "");
}

#[test]
fn a_page_sees_the_rule_that_it_has_broken_as_its_own_connection() {
    let server = serve_for(WireFor::Own);
    let (status, outcome) = ask(&server, "POST", &format!("/wire/break?rule=unmasked&tab={ANA}"));
    assert_eq!((status, &outcome["closed"]), (200, &1002.into()), "{outcome}");
    let watching = Watching::begin_as(&server, &format!("tab={ANA}"));
    let line = "GET /echo?break=unmasked&tab=(hidden) HTTP/1.1";
    let event = watching.before.iter().find(|event| event["line"] == line).expect("the request");
    assert_eq!(event["own"], true);
}
