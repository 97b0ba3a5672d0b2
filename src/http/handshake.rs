//! The opening handshake (RFC 6455 section 4.2): from a request head to a WebSocket, or to an
//! answer that says why not.

use std::io;

use bytes::Bytes;
use tungstenite::handshake::derive_accept_key;
use tungstenite::handshake::server::{Request, Response as Accepted};
use tungstenite::http::HeaderValue;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{HandshakeError, WebSocket, accept_hdr_with_config};

use crate::config::{Config, READ_BUFFER};
use crate::connection::routes;
use crate::connection::routes::Route;
use crate::connection::stream::ClientStream;
use crate::dispatcher::group::Service;
use crate::http::origin::Origins;
use crate::http::request::RequestHead;
use crate::http::response::Response;
use crate::lab::api::Endpoint;
use crate::lab::assets;

/// What a request is to get.
#[derive(Debug)]
pub enum Decision {
    /// A WebSocket.
    Upgrade(Upgrade),
    /// The statistics; the request may see them.
    Stats,
    /// The events of the wire; the request may see them.
    Watch,
    /// Something of the lab API; the request may use it.
    Lab(Endpoint),
    /// This answer.
    Answer(Response),
}

/// A handshake that will be accepted.
#[derive(Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// What the WebSocket is connected to.
    pub service: Service,
    /// The subprotocol chosen among those offered.
    pub subprotocol: Option<&'static str>,
    /// The client's `Sec-WebSocket-Key`: 16 random bytes in base64. It authenticates no one; that
    /// the server answers to it shows that it speaks WebSocket.
    pub key: String,
}

/// Decides what a request gets. The checks follow the order of RFC 6455 section 4.2.1, after
/// those that hold for every request.
pub fn decide(head: &RequestHead, config: &Config, origins: &Origins) -> Decision {
    let decision = examine(head, config, origins).unwrap_or_else(Decision::Answer);
    match decision {
        Decision::Answer(response) if head.method == "HEAD" => {
            Decision::Answer(response.without_body())
        }
        other => other,
    }
}

fn examine(head: &RequestHead, config: &Config, origins: &Origins) -> Result<Decision, Response> {
    let refuse = |status, why: &str| Err(Response::new(status, why));
    let hosts = head.get_all("Host").count();
    if hosts > 1 || (hosts == 0 && head.minor_version == 1) {
        return refuse(400, &format!("a request has one Host header, not {hosts}"));
    }
    let Some(route) = routes::find(&head.path, config.mode) else {
        return refuse(404, "there is nothing at this path");
    };
    let changes_something = matches!(route, Route::Lab(endpoint) if endpoint.needs_post());
    let wants_websocket = head.has_token("Upgrade", "websocket") || has_websocket_header(head);
    let (allowed, allow): (&[&str], _) = match (wants_websocket, changes_something) {
        (true, _) => (&["GET"], "GET"),
        (_, true) => (&["POST"], "POST"),
        _ => (&["GET", "HEAD"], "GET, HEAD"),
    };
    if !allowed.contains(&&*head.method) {
        let why = format!("only {allow} is allowed, not {:?}", head.method);
        return Err(Response::new(405, &why).header("Allow", allow));
    }
    match route {
        Route::Root(service) | Route::WebSocket(service) if wants_websocket => {
            examine_handshake(head, service, origins).map(Decision::Upgrade)
        }
        Route::WebSocket(_) => {
            Err(upgrade_required("only WebSocket is spoken here: open it with new WebSocket(url)"))
        }
        _ if wants_websocket => refuse(404, "there is no WebSocket at this path"),
        Route::Root(_) => Ok(Decision::Answer(asset(assets::lab_page()))),
        Route::Asset(found) => Ok(Decision::Answer(asset(found))),
        Route::Tutorial(file) => {
            let (content_type, body) = file.content();
            Ok(Decision::Answer(page(content_type, body)))
        }
        Route::Stats | Route::WireEvents | Route::Lab(_) => match origins.may_read_private(head) {
            Err(why) => refuse(403, &why),
            Ok(()) => Ok(match route {
                Route::Lab(endpoint) => Decision::Lab(endpoint),
                Route::Stats => Decision::Stats,
                _ => Decision::Watch,
            }),
        },
    }
}

/// The requirements on a client's opening handshake (RFC 6455 section 4.2.1, in its order).
fn examine_handshake(
    head: &RequestHead,
    mut service: Service,
    origins: &Origins,
) -> Result<Upgrade, Response> {
    let refuse = |status, why: &str| Err(Response::new(status, why));
    if head.minor_version != 1 {
        return refuse(400, "the opening handshake needs HTTP/1.1, not HTTP/1.0");
    }
    if !head.has_token("Upgrade", "websocket") {
        return Err(upgrade_required("the request has no \"Upgrade: websocket\""));
    }
    if !head.has_token("Connection", "Upgrade") {
        return refuse(400, "the request has no \"Connection: Upgrade\"");
    }
    let has_body = head.get("Transfer-Encoding").is_some()
        || head.get("Content-Length").is_some_and(|length| length != "0");
    if has_body {
        return refuse(400, "an opening handshake has no body");
    }
    let keys: Vec<&str> = head.get_all("Sec-WebSocket-Key").collect();
    let key = match keys[..] {
        [key] if is_key(key) => key.to_owned(),
        [_] => return refuse(400, "Sec-WebSocket-Key is not 16 bytes in base64"),
        _ => {
            let count = keys.len();
            return refuse(400, &format!("a handshake has one Sec-WebSocket-Key, not {count}"));
        }
    };
    match head.get("Sec-WebSocket-Version") {
        Some("13") => {}
        Some(_) => return Err(upgrade_required("Sec-WebSocket-Version is 13 here")),
        None => return refuse(400, "the request has no \"Sec-WebSocket-Version: 13\""),
    }
    if let Err(why) = origins.may_upgrade(head) {
        return refuse(403, &why);
    }
    let subprotocol = service.choose_subprotocol(head.tokens("Sec-WebSocket-Protocol"));
    Ok(Upgrade { service, subprotocol, key })
}

/// Headers that only an opening handshake has: someone who sends them and forgets `Upgrade`
/// means a WebSocket, not the page.
fn has_websocket_header(head: &RequestHead) -> bool {
    head.get("Sec-WebSocket-Key").is_some() || head.get("Sec-WebSocket-Version").is_some()
}

/// 426 names what to upgrade to (RFC 9110 section 15.5.22), and the version (RFC 6455 section 4.4).
fn upgrade_required(why: &str) -> Response {
    Response::new(426, why).header("Upgrade", "websocket").header("Sec-WebSocket-Version", "13")
}

fn asset(asset: &'static assets::Asset) -> Response {
    page(asset.content_type, Bytes::from_static(asset.body))
}

fn page(content_type: &str, body: Bytes) -> Response {
    // The page may load only what comes from here, and connect to any WebSocket.
    Response::with_body(200, content_type, body).header(
        "Content-Security-Policy",
        "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; frame-ancestors 'none'",
    )
}

/// Whether these are 16 bytes in base64: 22 digits and two equals signs (RFC 6455 section 4.1).
fn is_key(key: &str) -> bool {
    key.strip_suffix("==").is_some_and(|digits| {
        let is_digit = |b: u8| b.is_ascii_alphanumeric() || b == b'+' || b == b'/';
        digits.len() == 22 && digits.bytes().all(is_digit)
    })
}

/// The 22nd digit holds two bits of the key and four that mean nothing. RFC 6455 section 4.1
/// itself prints a key in which those are not 0, and tungstenite takes only keys in which they are.
fn canonical(key: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let last = key.as_bytes().get(21).and_then(|digit| DIGITS.iter().position(|d| d == digit));
    let last = DIGITS[last.unwrap_or_default() & 0b11_0000];
    format!("{}{}==", &key[..21], char::from(last))
}

/// tungstenite's side of the handshake: it writes the 101 and makes the WebSocket.
///
/// It is given a request of just what it looks at, since everything has been examined above and
/// by rules that are closer to the RFC: tungstenite wants `Connection` in one line and `Upgrade`
/// to be one word.
///
/// # Errors
/// When the connection is lost.
pub fn accept(
    upgrade: &Upgrade,
    mut stream: ClientStream,
    config: &Config,
) -> io::Result<WebSocket<ClientStream>> {
    stream.replay_request(format!(
        "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\n\r\n",
        canonical(&upgrade.key)
    ));
    let settings = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        // What tungstenite writes goes to the outbox at once, one frame at a time.
        .write_buffer_size(0)
        .max_message_size(Some(config.max_message))
        .max_frame_size(Some(config.max_message));
    let accept_key = derive_accept_key(upgrade.key.as_bytes());
    #[expect(clippy::result_large_err, reason = "tungstenite's type")]
    let add_headers = |_: &Request, mut response: Accepted| {
        if let Ok(value) = HeaderValue::from_str(&accept_key) {
            response.headers_mut().insert("Sec-WebSocket-Accept", value);
        }
        if let Some(subprotocol) = upgrade.subprotocol {
            let value = HeaderValue::from_static(subprotocol);
            response.headers_mut().insert("Sec-WebSocket-Protocol", value);
        }
        Ok(response)
    };
    let mut websocket = accept_hdr_with_config(stream, add_headers, Some(settings)).map_err(
        |error| match error {
            HandshakeError::Failure(error) => io::Error::other(error),
            HandshakeError::Interrupted(_) => io::ErrorKind::TimedOut.into(),
        },
    )?;
    websocket.get_mut().handshake_done();
    Ok(websocket)
}

/// The answer to a connection there is no room for, as bytes: it is sent without a thread.
pub(crate) fn no_room(why: &str) -> Vec<Bytes> {
    Response::new(503, why).encode()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatcher::group::EchoAt;
    use crate::http::request::{HeadResult, parse_head};

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

    /// A good handshake, with `changes` made to its text.
    fn handshake(changes: &[(&str, &str)]) -> Decision {
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
                decide(&head, &Config::default(), &Origins::new("a:1", &[]))
            }
            Some(HeadResult::Refused(response)) => Decision::Answer(response),
            other => panic!("{other:?}"),
        }
    }

    fn refusal(changes: &[(&str, &str)]) -> (u16, String) {
        match handshake(changes) {
            Decision::Answer(response) => (response.status, response.line()),
            other => panic!("not refused: {other:?}"),
        }
    }

    #[test]
    fn handshakes_that_naive_servers_refuse() {
        for changes in [
            &[] as &[(&str, &str)],
            &[("Connection: Upgrade", "Connection: keep-alive, Upgrade")],
            &[("Connection: Upgrade", "Connection: keep-alive\r\nConnection: upgrade")],
            &[("Upgrade: websocket", "UPGRADE: WebSocket")],
            &[("Upgrade: websocket", "Upgrade: h2c, websocket")],
            &[("Host: a", "Sec-WebSocket-Extensions: permessage-deflate\r\nHost: a\r\nX: y")],
            &[("Host: a", "Host: a\r\nContent-Length: 0")],
            &[("/echo", "/echo?token=1")],
            &[("/echo", "http://a/echo")],
            // Printed so in RFC 6455 section 4.1, with bits beyond the sixteen bytes.
            &[(KEY, "AQIDBAUGBwgJCgsMDQ4PEC==")],
        ] {
            match handshake(changes) {
                Decision::Upgrade(upgrade) => {
                    assert_eq!(upgrade.service, Service::Echo(EchoAt::Echo));
                }
                other => panic!("{changes:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn each_requirement_has_its_refusal() {
        let version = "Sec-WebSocket-Version: 13";
        let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
        for (changes, status, names) in [
            (("GET", "POST"), 405, "GET"),
            (("HTTP/1.1", "HTTP/1.0"), 400, "HTTP/1.1"),
            (("Host: a\r\n", ""), 400, "Host"),
            (("Host: a", "Host: a\r\nHost: b"), 400, "Host"),
            (("Upgrade: websocket\r\n", ""), 426, "Upgrade: websocket"),
            (("Upgrade: websocket", "Upgrade: h2c"), 426, "Upgrade: websocket"),
            (("Connection: Upgrade", "Connection: keep-alive"), 400, "Connection: Upgrade"),
            ((key, "X: y"), 400, "Sec-WebSocket-Key"),
            ((key, "Sec-WebSocket-Key: AAAA==\r\nX: y"), 400, "16 bytes"),
            (("ZSBub25jZQ==", "ZSBub25jZQ="), 400, "16 bytes"),
            (("ZSBub25jZQ==", "ZSBub25jZ!=="), 400, "16 bytes"),
            (("Host: a", "Host: a\r\nSec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA=="), 400, "one"),
            ((version, "X: y"), 400, "Sec-WebSocket-Version"),
            ((version, "Sec-WebSocket-Version: 8"), 426, "13"),
            ((version, "Sec-WebSocket-Version: x"), 426, "13"),
            (("/echo", "/nope"), 404, "nothing"),
            (("/echo", "/stats"), 404, "no WebSocket"),
            (("Host: a", "Host: a\r\nContent-Length: 5"), 400, "body"),
        ] {
            let (found, line) = refusal(&[changes]);
            assert_eq!(found, status, "{changes:?}: {line}");
            assert!(line.contains(names), "{changes:?}: {line}");
        }
    }

    #[test]
    fn an_upgrade_that_is_required_says_to_what() {
        let Decision::Answer(response) = handshake(&[("Version: 13", "Version: 8")]) else {
            panic!("accepted");
        };
        let text = String::from_utf8(response.encode().concat()).unwrap();
        for header in ["Upgrade: websocket", "Sec-WebSocket-Version: 13", "Connection: upgrade, "] {
            assert!(text.contains(header), "{header} in {text}");
        }
    }

    #[test]
    fn accept_keys_of_the_rfc() {
        assert_eq!(derive_accept_key(KEY.as_bytes()), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(derive_accept_key(b"AQIDBAUGBwgJCgsMDQ4PEA=="), "C/0nmHhBztSRGR1CwL6Tf4ZjwpY=");
    }

    #[test]
    fn a_key_with_stray_bits_has_a_canonical_form() {
        assert_eq!(canonical("AQIDBAUGBwgJCgsMDQ4PEC=="), "AQIDBAUGBwgJCgsMDQ4PEA==");
        assert_eq!(canonical(KEY), KEY);
        assert!(is_key("//////////////////////=="));
        assert_eq!(canonical("//////////////////////=="), "/////////////////////w==");
    }
}
