//! What each path is for.

use percent_encoding::percent_decode_str;

use crate::config::{MAX_ROOM_NAME, Mode};
use crate::dispatcher::group::{EchoAt, Group, Service};
use crate::lab::api::Endpoint;
use crate::lab::assets::{ASSETS, Asset};
use crate::lab::tutorial;

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// The lab page, and a WebSocket at the same path.
    Root(Service),
    /// A WebSocket only.
    WebSocket(Service),
    /// A part of the lab page.
    Asset(&'static Asset),
    /// A page of the tutorial, or a program that it shows.
    Tutorial(&'static tutorial::File),
    /// The statistics.
    Stats,
    /// What crosses the wire, live.
    WireEvents,
    /// Something that the lab page asks the server to do or to compute.
    Lab(Endpoint),
}

/// What is at `path`, still percent-encoded. `None` for nothing.
pub fn find(path: &str, mode: Mode) -> Option<Route> {
    let root = match mode {
        Mode::Echo => Service::Echo(EchoAt::Root),
        Mode::Broadcast => Service::Group(Group::Root),
    };
    match path {
        "/" => return Some(Route::Root(root)),
        "/echo" => return Some(Route::WebSocket(Service::Echo(EchoAt::Echo))),
        "/broadcast" => return Some(Route::WebSocket(Service::Group(Group::Broadcast))),
        "/stats" => return Some(Route::Stats),
        "/wire/events" => return Some(Route::WireEvents),
        _ => {}
    }
    if let Some(endpoint) = Endpoint::find(path) {
        return Some(Route::Lab(endpoint));
    }
    if let Some(name) = path.strip_prefix("/room/") {
        let name = percent_decode_str(name).decode_utf8().ok()?;
        let printable = !name.is_empty() && !name.contains(char::is_control);
        let room = Service::Group(Group::Room(name.to_string()));
        return (printable && name.len() <= MAX_ROOM_NAME).then_some(Route::WebSocket(room));
    }
    let asset = ASSETS[1..].iter().find(|asset| asset.path == path).map(Route::Asset);
    asset.or_else(|| tutorial::find(path).map(Route::Tutorial))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(name: &str) -> Option<Route> {
        Some(Route::WebSocket(Service::Group(Group::Room(name.to_owned()))))
    }

    #[test]
    fn each_path_has_its_service() {
        let find = |path: &str| find(path, Mode::Echo);
        assert_eq!(find("/"), Some(Route::Root(Service::Echo(EchoAt::Root))));
        assert_eq!(find("/echo"), Some(Route::WebSocket(Service::Echo(EchoAt::Echo))));
        assert_eq!(find("/room/blue"), room("blue"));
        assert_eq!(find("/room/%E8%93%9D%20%2F"), room("蓝 /"));
        for nothing in ["", "*", "/nope", "/echo/", "/room", "/room/", "/room/%ff", "/room/%00"] {
            assert_eq!(find(nothing), None, "{nothing}");
        }
        assert_eq!(find(&format!("/room/{}", "a".repeat(64))), room(&"a".repeat(64)));
        assert_eq!(find(&format!("/room/{}", "a".repeat(65))), None);
        assert_eq!(find("/lab/index.html"), None, "the page has one address: /");
        assert!(
            matches!(find("/lab/lab.js"), Some(Route::Asset(asset)) if asset.path == "/lab/lab.js")
        );
        assert!(matches!(
            find("/tutorial/"),
            Some(Route::Tutorial(file)) if file.path == "tutorial/README.md"
        ));
        assert_eq!(find("/tutorial/99_nothing"), None);
    }

    #[test]
    fn broadcast_mode_changes_the_root_only() {
        assert_eq!(find("/", Mode::Broadcast), Some(Route::Root(Service::Group(Group::Root))));
        assert_eq!(find("/echo", Mode::Broadcast), find("/echo", Mode::Echo));
    }
}
