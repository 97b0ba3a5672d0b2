//! A request head or the head of an answer, with what its lines are for.

use serde::Serialize;

use crate::protocol::AcceptKey;

/// A request head, or the head of an answer.
#[derive(Debug, Clone, Serialize)]
pub struct HeadView {
    /// The first line.
    pub line: String,
    /// The header lines, in order.
    pub headers: Vec<HeaderView>,
    /// Bytes in all, the blank line included.
    pub length: usize,
    /// In the request of an opening handshake: how its answer is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accept: Option<AcceptKey>,
}

/// A header line.
#[derive(Debug, Clone, Serialize)]
pub struct HeaderView {
    /// The line as it came.
    pub line: String,
    /// WireEventKind it is for, where it is part of the handshake.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meaning: Option<&'static str>,
}

impl HeadView {
    /// Takes a head apart, also one that is none: it is then one line.
    pub fn of(head: &[u8]) -> HeadView {
        let text = String::from_utf8_lossy(head);
        let mut lines = text.trim_end().lines().map(str::to_owned);
        let line = lines.next().unwrap_or_default();
        let headers: Vec<HeaderView> = lines
            .map(|line| {
                let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
                HeaderView { meaning: meaning_of_header(&name), line }
            })
            .collect();
        let is_request = !line.starts_with("HTTP/");
        let key = headers.iter().find_map(|header| {
            let (name, value) = header.line.split_once(':')?;
            name.eq_ignore_ascii_case("Sec-WebSocket-Key").then(|| value.trim())
        });
        let accept = key.filter(|_| is_request).map(AcceptKey::of);
        HeadView { line, headers, length: head.len(), accept }
    }
}

fn meaning_of_header(name: &str) -> Option<&'static str> {
    Some(match name {
        "upgrade" => "the protocol to change to",
        "connection" => "a list; one item is Upgrade",
        "sec-websocket-key" => "16 random bytes in base64; no secret, no password",
        "sec-websocket-version" => "13 is RFC 6455",
        "sec-websocket-extensions" => "offered; declined, so that bytes stay readable",
        "sec-websocket-protocol" => "subprotocols; the server takes one or none",
        "sec-websocket-accept" => "made from the key: this server speaks WebSocket",
        "origin" => "where the page comes from; the server decides if it may",
        _ => return None,
    })
}
