//! The opening handshake (RFC 6455 section 4.2): a request head comes in; a [`Handshake`] or a
//! [`Refusal`] comes out. Nothing here reads from a socket or writes to one.

use ::http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use ::http::{HeaderValue, Response, StatusCode};
use bytes::Bytes;
use tungstenite::handshake::derive_accept_key;
use tungstenite::handshake::server::write_response;

use super::origin::Origins;
use super::refusal::Refusal;
use super::request::RequestHead;
use crate::protocol::accept_key::is_valid_key;

/// A handshake that the server accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    /// The client's `Sec-WebSocket-Key`: 16 random bytes in base64. It does not say who the client
    /// is. The answer is made from it, and so shows that the server speaks WebSocket.
    key: String,
    /// The subprotocol that the server chose among those that the client offers.
    pub subprotocol: Option<&'static str>,
}

impl Handshake {
    /// The answer `101 Switching Protocols`, as bytes. tungstenite computes the accept value from
    /// the key and writes the head.
    pub fn response(&self) -> Bytes {
        let accept = derive_accept_key(self.key.as_bytes());
        let accept = HeaderValue::try_from(accept).expect("base64 fits a header");
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        if let Some(subprotocol) = self.subprotocol {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(subprotocol));
        }
        let mut bytes = Vec::with_capacity(256);
        write_response(&mut bytes, &response).expect("a Vec takes every head of visible ASCII");
        bytes.into()
    }
}

/// Checks the requirements on a client's opening handshake, in the order of RFC 6455 section
/// 4.2.1. `known` are the subprotocols that are spoken at this path.
///
/// tungstenite has rules of its own, but they are narrower than the RFC: they want `Connection` in one
/// line, and a single word in `Upgrade`.
///
/// # Errors
/// The first requirement that the request does not meet.
pub fn examine(
    head: &RequestHead,
    known: &[&'static str],
    origins: &Origins,
) -> Result<Handshake, Refusal> {
    if head.minor_version != 1 {
        return Err(Refusal::HandshakeVersion);
    }
    if !head.has_token("Upgrade", "websocket") {
        return Err(Refusal::NoUpgrade);
    }
    if !head.has_token("Connection", "Upgrade") {
        return Err(Refusal::NoConnectionUpgrade);
    }
    let has_body = head.get("Transfer-Encoding").is_some()
        || head.get("Content-Length").is_some_and(|length| length != "0");
    if has_body {
        return Err(Refusal::HandshakeBody);
    }
    let keys: Vec<&str> = head.get_all("Sec-WebSocket-Key").collect();
    let key = match keys[..] {
        [key] if is_valid_key(key) => key.to_owned(),
        [_] => return Err(Refusal::InvalidKey),
        _ => return Err(Refusal::KeyCount(keys.len())),
    };
    let versions: Vec<&str> = head.get_all("Sec-WebSocket-Version").collect();
    match versions[..] {
        ["13"] => {}
        [] => return Err(Refusal::NoVersion),
        [_] => return Err(Refusal::OtherVersion),
        _ => return Err(Refusal::VersionCount(versions.len())),
    }
    origins.may_upgrade(head).map_err(Refusal::Origin)?;
    // The client offers subprotocols in its order of preference. Having none in common is not an
    // error: the connection then speaks none of them (RFC 6455 section 4.2.2).
    let mut offered = head.tokens("Sec-WebSocket-Protocol");
    let subprotocol = offered.find_map(|name| known.iter().find(|known| **known == name).copied());
    Ok(Handshake { key, subprotocol })
}

/// Whether a request means to open a WebSocket. A client that sends a header that only a handshake has,
/// but forgets `Upgrade`, wants a WebSocket and not the page.
pub fn wants_websocket(head: &RequestHead) -> bool {
    head.has_token("Upgrade", "websocket")
        || head.get("Sec-WebSocket-Key").is_some()
        || head.get("Sec-WebSocket-Version").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::request::{HeadResult, parse_head};

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

    /// A good handshake, with `changes` made to its text.
    fn handshake(changes: &[(&str, &str)]) -> Result<Handshake, Refusal> {
        let mut text = format!(
            "GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        for (from, to) in changes {
            assert!(text.contains(from), "{from}");
            text = text.replace(from, to);
        }
        match parse_head(text.as_bytes(), 4096) {
            Some(HeadResult::Head(head, _)) => {
                examine(&head, &["chess.v1", "chess.v2"], &Origins::new("a:1", &[]))
            }
            Some(HeadResult::Refused(refusal)) => Err(refusal),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn good_handshakes_that_naive_servers_refuse_are_accepted() {
        for changes in [
            &[] as &[(&str, &str)],
            &[("Connection: Upgrade", "Connection: keep-alive, Upgrade")],
            &[("Connection: Upgrade", "Connection: keep-alive\r\nConnection: upgrade")],
            &[("Upgrade: websocket", "UPGRADE: WebSocket")],
            &[("Upgrade: websocket", "Upgrade: h2c, websocket")],
            &[("Host: a", "Sec-WebSocket-Extensions: permessage-deflate\r\nHost: a\r\nX: y")],
            &[("Host: a", "Host: a\r\nContent-Length: 0")],
            // Printed like this in RFC 6455 section 4.1, with bits beyond the sixteen bytes.
            &[(KEY, "AQIDBAUGBwgJCgsMDQ4PEC==")],
        ] {
            assert!(handshake(changes).is_ok(), "{changes:?}: {:?}", handshake(changes));
        }
    }

    #[test]
    fn each_requirement_has_its_refusal() {
        let version = "Sec-WebSocket-Version: 13";
        let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
        for (change, status, names) in [
            (("HTTP/1.1", "HTTP/1.0"), 400, "HTTP/1.1"),
            (("Upgrade: websocket\r\n", ""), 426, "Upgrade: websocket"),
            (("Upgrade: websocket", "Upgrade: h2c"), 426, "Upgrade: websocket"),
            (("Connection: Upgrade", "Connection: keep-alive"), 400, "Connection: Upgrade"),
            ((key, "X: y"), 400, "this one has 0"),
            ((key, "Sec-WebSocket-Key: AAAA==\r\nX: y"), 400, "16 bytes"),
            (("ZSBub25jZQ==", "ZSBub25jZQ="), 400, "16 bytes"),
            (("ZSBub25jZQ==", "ZSBub25jZ!=="), 400, "16 bytes"),
            (("ZSBub25jZQ==", "ZSBub25jZQAA"), 400, "16 bytes"),
            (
                ("Host: a", "Host: a\r\nSec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA=="),
                400,
                "this one has 2 (RFC 6455 11.3.1)",
            ),
            ((version, "X: y"), 400, "Sec-WebSocket-Version"),
            ((version, "Sec-WebSocket-Version: 8"), 426, "13 (RFC 6455 4.4)"),
            ((version, "Sec-WebSocket-Version: x"), 426, "13"),
            (
                (version, "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 8"),
                400,
                "this one has 2 (RFC 6455 11.3.5)",
            ),
            (("Host: a", "Host: a\r\nContent-Length: 5"), 400, "body"),
        ] {
            let refusal = handshake(&[change]).expect_err("a refusal");
            assert_eq!(refusal.status(), status, "{change:?}: {refusal}");
            assert!(refusal.to_string().contains(names), "{change:?}: {refusal}");
        }
    }

    #[test]
    fn the_first_subprotocol_offered_that_is_known_is_chosen() {
        let chosen = |offer: &str| {
            let header = format!("Host: a\r\nSec-WebSocket-Protocol: {offer}");
            handshake(&[("Host: a", &header)]).expect("a handshake").subprotocol
        };
        assert_eq!(chosen("go, chess.v2, chess.v1"), Some("chess.v2"));
        assert_eq!(chosen("go"), None);
    }

    #[test]
    fn the_answer_of_section_1_3() {
        let offer = "Host: a\r\nSec-WebSocket-Protocol: chess.v1";
        let response = handshake(&[("Host: a", offer)]).expect("a handshake").response();
        assert_eq!(
            String::from_utf8_lossy(&response),
            "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
             sec-websocket-protocol: chess.v1\r\n\r\n"
        );
    }

    #[test]
    fn a_key_with_stray_bits_is_answered_as_it_was_sent() {
        let key = "AQIDBAUGBwgJCgsMDQ4PEC==";
        let handshake = handshake(&[(KEY, key)]).expect("a handshake");
        let accept = derive_accept_key(key.as_bytes());
        assert!(String::from_utf8_lossy(&handshake.response()).contains(&accept));
        assert_ne!(accept, derive_accept_key(b"AQIDBAUGBwgJCgsMDQ4PEA=="));
    }
}
