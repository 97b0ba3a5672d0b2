//! Routes: decides whether a request gets a WebSocket, a page, live data, or a refusal.

use ::http::Method;
use percent_encoding::percent_decode_str;

use crate::config::{Config, MAX_ROOM_NAME, Mode};
use crate::dispatcher::group::{EchoAt, Group, Service};
use crate::http::handshake::{self, Handshake};
use crate::http::origin::Origins;
use crate::http::refusal::Refusal;
use crate::http::request::RequestHead;
use crate::http::response::Response;
use crate::lab::api::Endpoint;
use crate::lab::{assets, tutorial};

/// The answer that a request gets, unless it is refused.
#[derive(Debug, PartialEq, Eq)]
pub enum Route {
    /// A WebSocket that is connected to this service.
    WebSocket(Service, Handshake),
    /// A page, or a file that belongs to one.
    Page(Response),
    /// The statistics. [`find`] has checked that the request may read them.
    Stats,
    /// The events of the wire, live. [`find`] has checked that the request may read them.
    WireEvents,
    /// An endpoint of the lab API. [`find`] has checked that the request may use it.
    Lab(Endpoint),
}

/// Decides what a request gets. The checks that hold for every request come first.
///
/// # Errors
/// The reason why the request is refused.
pub fn find(head: &RequestHead, config: &Config, origins: &Origins) -> Result<Route, Refusal> {
    let handshake = handshake::wants_websocket(head);
    let hosts = head.get_all("Host").count();
    if hosts > 1 || (hosts == 0 && head.minor_version == 1) {
        return Err(Refusal::HostCount { count: hosts, handshake });
    }
    head.check_body_length().map_err(Refusal::BodyLength)?;
    if handshake { websocket(head, config, origins) } else { plain(head, config, origins) }
}

/// The route of a request that wants a WebSocket.
fn websocket(head: &RequestHead, config: &Config, origins: &Origins) -> Result<Route, Refusal> {
    let service = service_at(&head.path, config.mode);
    if service.is_none() && page_at(&head.path).is_none() && private_at(&head.path).is_none() {
        return Err(Refusal::NothingHere);
    }
    check_method(head, &[Method::GET], true)?;
    let service = service.ok_or(Refusal::NoWebSocketHere)?;
    let handshake = handshake::examine(head, service.subprotocols(), origins)?;
    Ok(Route::WebSocket(service.speaking(handshake.subprotocol), handshake))
}

/// The route of every other request.
fn plain(head: &RequestHead, config: &Config, origins: &Origins) -> Result<Route, Refusal> {
    let page = page_at(&head.path);
    let private = private_at(&head.path);
    if page.is_none() && private.is_none() && service_at(&head.path, config.mode).is_none() {
        return Err(Refusal::NothingHere);
    }
    let needs_post = matches!(private, Some(Route::Lab(endpoint)) if endpoint.needs_post());
    let allowed: &[Method] =
        if needs_post { &[Method::POST] } else { &[Method::GET, Method::HEAD] };
    check_method(head, allowed, false)?;
    match (page, private) {
        (Some(page), _) => Ok(Route::Page(page)),
        (None, Some(private)) => {
            origins.may_read_private(head).map_err(Refusal::Private)?;
            Ok(private)
        }
        (None, None) => Err(Refusal::WebSocketOnly),
    }
}

fn check_method(head: &RequestHead, allowed: &[Method], handshake: bool) -> Result<(), Refusal> {
    if allowed.iter().any(|method| *method == *head.method) {
        return Ok(());
    }
    let allow = match allowed {
        [Method::GET] => "GET",
        [Method::POST] => "POST",
        _ => "GET, HEAD",
    };
    Err(Refusal::MethodNotAllowed { allow, method: head.method.clone(), handshake })
}

/// The service of a WebSocket at `path`, which is still percent-encoded.
fn service_at(path: &str, mode: Mode) -> Option<Service> {
    match (path, mode) {
        ("/", Mode::Echo) => return Some(Service::Echo(EchoAt::Root)),
        ("/", Mode::Broadcast) => return Some(Service::Group(Group::Root)),
        ("/echo", _) => return Some(Service::Echo(EchoAt::Echo)),
        ("/broadcast", _) => return Some(Service::Group(Group::Broadcast)),
        _ => {}
    }
    let name = percent_decode_str(path.strip_prefix("/room/")?).decode_utf8().ok()?;
    let is_name =
        !name.is_empty() && name.len() <= MAX_ROOM_NAME && !name.contains(char::is_control);
    is_name.then(|| Service::Group(Group::Room(name.into_owned())))
}

/// The page or file at `path`.
fn page_at(path: &str) -> Option<Response> {
    if path == "/" {
        return Some(asset(assets::lab_page()));
    }
    if let Some(found) = assets::find(path) {
        return Some(asset(found));
    }
    let (content_type, body) = tutorial::find(path)?.content();
    Some(Response::ok(content_type, body))
}

fn asset(asset: &'static assets::Asset) -> Response {
    Response::ok(asset.content_type, bytes::Bytes::from_static(asset.body))
}

/// The route at `path` that only this server's own page may use.
fn private_at(path: &str) -> Option<Route> {
    match path {
        "/stats" => Some(Route::Stats),
        "/wire/events" => Some(Route::WireEvents),
        _ => Endpoint::find(path).map(Route::Lab),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatcher::group::CLASSROOM;
    use crate::http::request::{HeadResult, parse_head};

    const HANDSHAKE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

    fn answer(line: &str, headers: &str, mode: Mode) -> Result<Route, Refusal> {
        let text = format!("{line} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n");
        let Some(HeadResult::Head(head, _)) = parse_head(text.as_bytes(), 4096) else {
            panic!("not a head: {text}");
        };
        find(&head, &Config { mode, ..Config::default() }, &Origins::new("127.0.0.1:1", &[]))
    }

    fn service(path: &str, mode: Mode) -> Result<Service, Refusal> {
        match answer(&format!("GET {path}"), HANDSHAKE, mode)? {
            Route::WebSocket(service, _) => Ok(service),
            other => panic!("{path}: {other:?}"),
        }
    }

    #[test]
    fn each_path_has_its_service() {
        let find = |path: &str| service(path, Mode::Echo);
        let room = |name: &str| Ok(Service::Group(Group::Room(name.to_owned())));
        assert_eq!(find("/"), Ok(Service::Echo(EchoAt::Root)));
        assert_eq!(find("/echo"), Ok(Service::Echo(EchoAt::Echo)));
        assert_eq!(find("/echo?token=1"), Ok(Service::Echo(EchoAt::Echo)));
        assert_eq!(find("http://a/echo"), Ok(Service::Echo(EchoAt::Echo)));
        assert_eq!(find("/room/blue"), room("blue"));
        assert_eq!(find("/room/%E8%93%9D%20%2F"), room("蓝 /"));
        for nothing in ["/nope", "/echo/", "/room", "/room/", "/room/%ff", "/room/%00"] {
            assert_eq!(find(nothing), Err(Refusal::NothingHere), "{nothing}");
        }
        assert_eq!(find(&format!("/room/{}", "a".repeat(64))), room(&"a".repeat(64)));
        assert_eq!(find(&format!("/room/{}", "a".repeat(65))), Err(Refusal::NothingHere));
        assert_eq!(find("/stats"), Err(Refusal::NoWebSocketHere));
    }

    #[test]
    fn the_mode_changes_the_root_only() {
        assert_eq!(service("/", Mode::Broadcast), Ok(Service::Group(Group::Root)));
        assert_eq!(service("/echo", Mode::Broadcast), service("/echo", Mode::Echo));
    }

    #[test]
    fn a_room_speaks_classroom_v1_with_clients_that_offer_it() {
        let headers = format!("{HANDSHAKE}Sec-WebSocket-Protocol: chat, {CLASSROOM}\r\n");
        let Ok(Route::WebSocket(service, handshake)) =
            answer("GET /room/blue", &headers, Mode::Echo)
        else {
            panic!("a WebSocket");
        };
        assert_eq!(service, Service::Group(Group::Classroom("blue".to_owned())));
        assert_eq!(handshake.subprotocol, Some(CLASSROOM));
        let Ok(Route::WebSocket(service, handshake)) = answer("GET /echo", &headers, Mode::Echo)
        else {
            panic!("a WebSocket");
        };
        assert_eq!((service, handshake.subprotocol), (Service::Echo(EchoAt::Echo), None));
    }

    #[test]
    fn plain_requests() {
        let get = |path: &str| answer(&format!("GET {path}"), "", Mode::Echo);
        for page in ["/", "/lab/base.css", "/tutorial/"] {
            assert!(matches!(get(page), Ok(Route::Page(_))), "{page}");
        }
        assert_eq!(
            get("/lab/index.html"),
            Err(Refusal::NothingHere),
            "the page has one address: /"
        );
        assert_eq!(get("/tutorial/99_nothing"), Err(Refusal::NothingHere));
        assert_eq!(get("/echo"), Err(Refusal::WebSocketOnly));
        assert_eq!(get("/stats"), Ok(Route::Stats));
        assert_eq!(get("/wire/events"), Ok(Route::WireEvents));
        assert_eq!(get("/wire/rules"), Ok(Route::Lab(Endpoint::Violations)));
        let other_page = answer("GET /stats", "Origin: http://evil.example\r\n", Mode::Echo);
        assert!(matches!(other_page, Err(Refusal::Private(_))), "{other_page:?}");
    }

    #[test]
    fn each_path_has_its_methods() {
        let status = |line: &str, headers: &str| {
            answer(line, headers, Mode::Echo)
                .map_or_else(|refusal| refusal.status().as_u16(), |_| 200)
        };
        assert_eq!(status("HEAD /", ""), 200);
        assert_eq!(status("PUT /", ""), 405);
        assert_eq!(status("POST /echo", HANDSHAKE), 405);
        assert_eq!(status("HEAD /echo", HANDSHAKE), 405);
        assert_eq!(status("GET /wire/break", ""), 405);
        assert_eq!(status("POST /wire/break", "Origin: http://127.0.0.1\r\n"), 200);
    }

    #[test]
    fn a_request_has_one_host() {
        let text = format!("GET /echo HTTP/1.1\r\n{HANDSHAKE}\r\n");
        let twice = text.replace("Upgrade: web", "Host: a\r\nHost: b\r\nUpgrade: web");
        for (text, count) in [(text, 0), (twice, 2)] {
            let Some(HeadResult::Head(head, _)) = parse_head(text.as_bytes(), 4096) else {
                panic!("a head");
            };
            let found = find(&head, &Config::default(), &Origins::new("a:1", &[]));
            assert_eq!(found, Err(Refusal::HostCount { count, handshake: true }));
        }
    }
}
