//! Request heads: what the server reads, and what it answers.

use chalkwire::Config;
use chalkwire::connection::routes::{self, Route};
use chalkwire::http::head_reader::HeadParser;
use chalkwire::http::origin::Origins;
use chalkwire::http::request::{HeadResult, parse_head};
use chalkwire::http::response::Response;
use tungstenite::handshake::derive_accept_key;

/// The limit of a request head in these tests: small, so that some inputs reach it.
const MAX_HEAD: usize = 1024;

/// A request head gets the same result when it comes byte by byte. What the parser puts off is decided at the end of the
/// time.
fn expect_same_however_cut(bytes: &[u8]) {
    let at_once = parse_head(bytes, MAX_HEAD);
    let mut parser = HeadParser::new(MAX_HEAD);
    let bytewise = (1..=bytes.len()).find_map(|end| parser.take(&bytes[..end]));
    let bytewise = bytewise.or_else(|| parse_head(bytes, MAX_HEAD));
    assert_eq!(format!("{bytewise:?}"), format!("{at_once:?}"), "byte by byte, and at once");
}

/// A request head is read as soon as it is complete and not before, and the server answers every head
/// with one line, or with what it asks for.
pub fn head(bytes: &[u8]) {
    expect_same_however_cut(bytes);
    let Some(HeadResult::Head(head, length)) = parse_head(bytes, MAX_HEAD) else {
        if let Some(HeadResult::Refused(refusal)) = parse_head(bytes, MAX_HEAD) {
            expect_one_line(&refusal.response());
        }
        return;
    };
    assert!(length <= MAX_HEAD && bytes[..length].ends_with(b"\n"));
    match parse_head(&bytes[..length], MAX_HEAD) {
        Some(HeadResult::Head(same, again)) => assert!(same == head && again == length),
        other => panic!("{head:?} by itself is {other:?}"),
    }
    for end in length.saturating_sub(20)..length {
        assert!(parse_head(&bytes[..end], MAX_HEAD).is_none(), "{head:?} cut at {end}");
    }
    let origins = Origins::new("127.0.0.1:8080", &[]);
    match routes::find(&head, &Config::default(), &origins) {
        Err(refusal) => expect_one_line(&refusal.response()),
        Ok(Route::WebSocket(_, handshake)) => {
            let key = head.get("Sec-WebSocket-Key").expect("a key");
            let answer = String::from_utf8_lossy(&handshake.response()).into_owned();
            assert!(answer.contains(&derive_accept_key(key.as_bytes())), "{answer}");
        }
        Ok(_) => {}
    }
}

/// The body of a refusal is one line without control characters.
pub fn expect_one_line(response: &Response) {
    let bytes = response.encode().concat();
    let text = String::from_utf8(bytes).expect("an answer is text");
    let (_, body) = text.split_once("\r\n\r\n").expect("a head and a body");
    assert!(body.is_empty() || body.lines().count() == 1, "{text}");
    let said = body.trim_end();
    assert!(!said.contains(char::is_control), "{text:?} lets control characters through");
}
