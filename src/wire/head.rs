//! A request head or the head of an answer, with what its lines are for.

use data_encoding::BASE64;
use serde::Serialize;
use sha1::{Digest, Sha1};

use super::hex;

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
    /// What it is for, where it is part of the handshake.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meaning: Option<&'static str>,
}

/// How `Sec-WebSocket-Accept` is made from `Sec-WebSocket-Key` (RFC 6455 section 4.2.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AcceptKey {
    /// What the client sent.
    pub key: String,
    /// The key with the GUID behind it.
    pub key_and_guid: String,
    /// SHA-1 of that: 20 bytes.
    pub sha1: String,
    /// Those in base64: what the server answers.
    pub accept: String,
}

/// The GUID that RFC 6455 section 1.3 puts behind every key: nobody else would use it by accident.
pub const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

impl AcceptKey {
    /// The answer to `key`, step by step.
    pub fn of(key: &str) -> AcceptKey {
        let key_and_guid = format!("{key}{GUID}");
        let sha1 = Sha1::digest(key_and_guid.as_bytes());
        AcceptKey {
            key: key.to_owned(),
            sha1: hex(&sha1),
            accept: BASE64.encode(&sha1),
            key_and_guid,
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rfcs_keys_and_their_answers() {
        let first = AcceptKey::of("dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(first.sha1, "b3 7a 4f 2c c0 62 4f 16 90 f6 46 06 cf 38 59 45 b2 be c4 ea");
        assert_eq!(first.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(
            AcceptKey::of("AQIDBAUGBwgJCgsMDQ4PEA==").accept,
            "C/0nmHhBztSRGR1CwL6Tf4ZjwpY="
        );
        // The same as the server answers.
        let key = "AQIDBAUGBwgJCgsMDQ4PEC==";
        let served = tungstenite::handshake::derive_accept_key(key.as_bytes());
        assert_eq!(AcceptKey::of(key).accept, served);
    }
}
