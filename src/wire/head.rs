//! A request or response head, with the meaning of each line that belongs to the opening handshake, and without
//! the credentials in it.

use serde::Serialize;

use super::credentials::{CredentialKind, Credentials, HIDDEN_MEANING, hide_secrets};
use crate::config::{MAX_HEADERS, MAX_KEY_SHOWN};
use crate::protocol::{AcceptKey, BrokenRule};

/// A request or response head.
#[derive(Debug, Clone, Serialize)]
pub struct HeadView {
    /// The first line, without the secrets of tabs and of the teacher.
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
    /// The line as it crossed the wire. A credential in it is hidden unless [`Credentials::Shown`] was asked for.
    pub line: String,
    /// What the line is for, if it belongs to the handshake or has a credential.
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
    ///
    /// Everything that shows a head calls this, so this is where secrets end.
    pub fn of(head: &[u8], credentials: Credentials) -> HeadView {
        let text = String::from_utf8_lossy(head);
        let mut lines = text.trim_end().lines();
        let line = hide_secrets(lines.next().unwrap_or_default());
        let mut kind_before = None;
        // A head of 16 KiB can have 16,383 lines, and each shown line takes many times its bytes.
        let headers: Vec<HeaderView> = lines
            .by_ref()
            .take(MAX_HEADERS)
            .map(|line| header(line, credentials, &mut kind_before))
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
    pub fn of_response(
        head: &[u8],
        broken_rule: Option<BrokenRule>,
        credentials: Credentials,
    ) -> HeadView {
        let broken_rule =
            broken_rule.map(|rule| BrokenRuleView { sentence: rule.sentence, rfc: rule.section });
        HeadView { broken_rule, ..HeadView::of(head, credentials) }
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

/// Takes a header line apart. `kind_before` is the kind of the header before it: a line that begins with a space
/// continues that header. (The server refuses such a line, but shows it.)
fn header(
    line: &str,
    credentials: Credentials,
    kind_before: &mut Option<CredentialKind>,
) -> HeaderView {
    let (name, value) = match line.split_once(':') {
        _ if line.starts_with([' ', '\t']) => ("", line),
        Some((name, value)) => (name, value),
        None => (line, ""),
    };
    let lower_name = name.trim_end().to_ascii_lowercase();
    if !name.is_empty() {
        *kind_before = CredentialKind::of_header(&lower_name);
    }
    match (*kind_before, credentials) {
        (None, _) => {
            let meaning = meaning_of_header(&lower_name, &value.to_ascii_lowercase());
            HeaderView { line: hide_secrets(line), meaning }
        }
        (Some(_), Credentials::Shown) => {
            HeaderView { line: hide_secrets(line), meaning: Some("a credential") }
        }
        (Some(kind), Credentials::Hidden) => {
            let colon = if name.is_empty() { "" } else { ":" };
            let line = format!("{name}{colon}{}", kind.hide(value));
            HeaderView { line, meaning: Some(HIDDEN_MEANING) }
        }
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
            HeadView::of(head.as_bytes(), Credentials::Hidden).headers[0].meaning
        };
        assert_eq!(meaning("keep-alive, Upgrade"), Some("a list; one item is Upgrade"));
        assert_eq!(meaning("close"), Some("the connection ends after the answer"));
        assert_eq!(meaning("keep-alive"), None);
    }

    #[test]
    fn a_head_of_line_feeds_is_shown_in_a_hundred_lines() {
        let head = [&[b'\n'; 16_383][..], b"G"].concat();
        let view = HeadView::of(&head, Credentials::Hidden);
        assert_eq!((view.headers.len(), view.more_lines), (MAX_HEADERS, 16_283));
        assert!(view.memory() < head.len(), "{} bytes", view.memory());
        let usual = HeadView::of(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", Credentials::Hidden);
        assert_eq!((usual.headers.len(), usual.more_lines), (1, 0));
    }

    #[test]
    fn a_refusal_names_the_rule_that_the_request_broke() {
        let head = b"HTTP/1.1 400 Bad Request\r\n\r\n";
        let rule = BrokenRule { sentence: "the key is missing".to_owned(), section: "4.2.1" };
        let view = |rule| HeadView::of_response(head, rule, Credentials::Hidden);
        let json = |rule| serde_json::to_value(view(rule)).unwrap();
        let refused = json(Some(rule));
        assert_eq!(refused["line"], "HTTP/1.1 400 Bad Request");
        assert_eq!(refused["broken_rule"]["sentence"], "the key is missing");
        assert_eq!(refused["broken_rule"]["rfc"], "4.2.1");
        assert!(json(None).get("broken_rule").is_none());
    }

    #[test]
    fn credentials_are_shown_only_on_request_and_secrets_never() {
        let head = b"GET /echo?tab=5ec HTTP/1.1\r\nCOOKIE : a=w0rd;\r\n\tb=w0rd\r\nHost: a\r\n\
            Authorization: Basic w0rd\r\nReferer: http://a/?teacher=5ec\r\n w0\r\nProxy-Authorization:w0rd";
        let lines = |credentials| {
            let view = HeadView::of(head, credentials);
            assert_eq!(view.line, "GET /echo?tab=(hidden) HTTP/1.1");
            assert_eq!(view.length, head.len());
            view.headers.into_iter().map(|header| (header.line, header.meaning)).collect::<Vec<_>>()
        };
        let expected = [
            ("COOKIE : a=(4 bytes, hidden);", Some(HIDDEN_MEANING)),
            ("\tb=(4 bytes, hidden)", Some(HIDDEN_MEANING)),
            ("Host: a", None),
            ("Authorization: Basic (4 bytes, hidden)", Some(HIDDEN_MEANING)),
            ("Referer: http://a/?teacher=(hidden)", None),
            (" w0", None),
            ("Proxy-Authorization:(4 bytes, hidden)", Some(HIDDEN_MEANING)),
        ];
        assert_eq!(lines(Credentials::Hidden), expected.map(|(line, why)| (line.to_owned(), why)));
        let shown = lines(Credentials::Shown);
        assert_eq!(shown[0], ("COOKIE : a=w0rd;".to_owned(), Some("a credential")));
        assert_eq!(shown[1].0, "\tb=w0rd");
        assert_eq!(shown[3].0, "Authorization: Basic w0rd");
        assert_eq!(shown[4].0, "Referer: http://a/?teacher=(hidden)");
        assert_eq!(shown[6].0, "Proxy-Authorization:w0rd");
    }
}
