//! A request or response head, with the meaning of each line that belongs to the opening handshake.

use serde::Serialize;

use crate::config::{MAX_HEADERS, MAX_KEY_SHOWN};
use crate::protocol::{AcceptKey, BrokenRule};

/// A request or response head.
#[derive(Debug, Clone, Serialize)]
pub struct HeadView {
    /// The first line.
    pub line: String,
    /// The first 100 header lines, in order.
    pub headers: Vec<HeaderView>,
    /// The number of lines after them that are not shown.
    pub more_lines: usize,
    /// The length of the head in bytes, with the blank line.
    pub length: usize,
    /// In the request of an opening handshake: how the server makes its answer to the key, unless the key has more
    /// than 64 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accept: Option<AcceptKey>,
    /// In a response that refuses an opening handshake: the rule that the request broke.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broken_rule: Option<BrokenRuleView>,
}

/// A header line.
#[derive(Debug, Clone, Serialize)]
pub struct HeaderView {
    /// The line as it crossed the wire.
    pub line: String,
    /// What the line is for, if it belongs to the handshake.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meaning: Option<&'static str>,
}

/// A broken rule of the opening handshake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BrokenRuleView {
    /// What is wrong with the request, as a sentence.
    pub sentence: String,
    /// The section of RFC 6455 that has the rule, such as `4.2.1`.
    pub rfc: &'static str,
}

impl HeadView {
    /// Takes a head apart. Bytes that are not a head become one line without headers.
    pub fn of(head: &[u8]) -> HeadView {
        let text = String::from_utf8_lossy(head);
        let mut lines = text.trim_end().lines();
        let line = lines.next().unwrap_or_default().to_owned();
        // A head of 16 KiB can have 16,383 lines, and each shown line takes many times its bytes.
        let headers: Vec<HeaderView> = lines
            .by_ref()
            .take(MAX_HEADERS)
            .map(|line| {
                let line = line.to_owned();
                let lower = line.to_ascii_lowercase();
                let (name, value) = lower.split_once(':').unwrap_or((&lower, ""));
                HeaderView { meaning: meaning_of_header(name, value), line }
            })
            .collect();
        let more_lines = lines.count();
        let is_request = !line.starts_with("HTTP/");
        let key = headers.iter().find_map(|header| {
            let (name, value) = header.line.split_once(':')?;
            name.eq_ignore_ascii_case("Sec-WebSocket-Key").then(|| value.trim())
        });
        let key = key.filter(|key| is_request && key.len() <= MAX_KEY_SHOWN);
        let accept = key.map(AcceptKey::of);
        HeadView { line, headers, more_lines, length: head.len(), accept, broken_rule: None }
    }

    /// Takes the head of a refusal apart, and adds the rule that the request broke.
    pub fn of_response(head: &[u8], broken_rule: Option<BrokenRule>) -> HeadView {
        let broken_rule =
            broken_rule.map(|rule| BrokenRuleView { sentence: rule.sentence, rfc: rule.section });
        HeadView { broken_rule, ..HeadView::of(head) }
    }

    /// The bytes of memory that it takes, roughly.
    pub fn memory(&self) -> usize {
        let lines: usize =
            self.headers.iter().map(|header| size_of::<HeaderView>() + header.line.len()).sum();
        let accept = self.accept.as_ref().map_or(0, |accept| 2 * accept.key_and_guid.len());
        let rule = self.broken_rule.as_ref().map_or(0, |rule| rule.sentence.len());
        size_of::<HeadView>() + self.line.len() + lines + accept + rule
    }
}

/// The meaning of a header, whose name and value are in lower case.
fn meaning_of_header(name: &str, value: &str) -> Option<&'static str> {
    Some(match name {
        "upgrade" => "the protocol to change to",
        "connection" if value.contains("upgrade") => "a list; one item is Upgrade",
        "connection" if value.contains("close") => "the connection ends after the answer",
        "sec-websocket-key" => "16 random bytes in base64, not a password",
        "sec-websocket-version" => "13 is RFC 6455",
        "sec-websocket-extensions" => "offered; declined, so that bytes stay readable",
        "sec-websocket-protocol" => "subprotocols; the server takes one or none",
        "sec-websocket-accept" => "made from the key: this server speaks WebSocket",
        "origin" => "where the page comes from; the server decides if it may",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_header_says_what_happens_to_the_connection() {
        let meaning = |value: &str| {
            let head = format!("GET / HTTP/1.1\r\nCONNECTION: {value}\r\n\r\n");
            HeadView::of(head.as_bytes()).headers[0].meaning
        };
        assert_eq!(meaning("keep-alive, Upgrade"), Some("a list; one item is Upgrade"));
        assert_eq!(meaning("close"), Some("the connection ends after the answer"));
        assert_eq!(meaning("keep-alive"), None);
    }

    #[test]
    fn a_head_of_line_feeds_is_shown_in_a_hundred_lines() {
        let head = [&[b'\n'; 16_383][..], b"G"].concat();
        let view = HeadView::of(&head);
        assert_eq!((view.headers.len(), view.more_lines), (MAX_HEADERS, 16_283));
        assert!(view.memory() < head.len(), "{} bytes", view.memory());
        let usual = HeadView::of(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!((usual.headers.len(), usual.more_lines), (1, 0));
    }

    #[test]
    fn a_refusal_names_the_rule_that_the_request_broke() {
        let head = b"HTTP/1.1 400 Bad Request\r\n\r\n";
        let rule = BrokenRule { sentence: "the key is missing".to_owned(), section: "4.2.1" };
        let json = |rule| serde_json::to_value(HeadView::of_response(head, rule)).unwrap();
        let refused = json(Some(rule));
        assert_eq!(refused["line"], "HTTP/1.1 400 Bad Request");
        assert_eq!(refused["broken_rule"]["sentence"], "the key is missing");
        assert_eq!(refused["broken_rule"]["rfc"], "4.2.1");
        assert!(json(None).get("broken_rule").is_none());
    }
}
