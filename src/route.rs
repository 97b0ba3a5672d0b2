//! What each path is for.

use std::fmt;

use percent_encoding::percent_decode_str;

use crate::config::{MAX_ROOM_NAME, Mode};
use crate::tutorial;

/// The subprotocol spoken in rooms by clients that ask for it.
pub const CLASSROOM: &str = "classroom.v1";

/// What a WebSocket at some path is connected to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Service {
    /// Each message goes back to its sender.
    Echo(EchoAt),
    /// Each message goes to all members of the group, the sender too.
    Group(Group),
}

/// The two paths where messages come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EchoAt {
    /// `/`, with `--mode echo`.
    Root,
    /// `/echo`.
    Echo,
}

/// Clients who hear each other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Group {
    /// All at `/`, with `--mode broadcast`.
    Root,
    /// All at `/broadcast`.
    Broadcast,
    /// All in the room of this name that speak no subprotocol.
    Room(String),
    /// All in the room of this name that speak `classroom.v1`. They would not understand the
    /// others, nor be understood.
    Classroom(String),
}

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
    /// Something the lab page asks the server to do or to compute.
    Workbench,
}

/// A file of the lab page, embedded in the program.
#[derive(Debug, PartialEq, Eq)]
pub struct Asset {
    /// Where it is found.
    pub path: &'static str,
    /// What it is.
    pub content_type: &'static str,
    /// Its bytes.
    pub body: &'static [u8],
}

macro_rules! asset {
    ($name:literal, $content_type:literal) => {
        Asset {
            path: concat!("/lab/", $name),
            content_type: concat!($content_type, "; charset=utf-8"),
            body: include_bytes!(concat!("lab/page/", $name)),
        }
    };
}

/// The files of the lab page, and the style of the tutorial's pages. The lab page itself comes first,
/// because it is served at `/`; the others are served at the paths from which pages load them.
static ASSETS: [Asset; 29] = [
    asset!("index.html", "text/html"),
    asset!("base.css", "text/css"),
    asset!("lab.css", "text/css"),
    asset!("tutorial.css", "text/css"),
    asset!("main.js", "text/javascript"),
    asset!("classroom.js", "text/javascript"),
    asset!("close_form.js", "text/javascript"),
    asset!("connect_form.js", "text/javascript"),
    asset!("connection.js", "text/javascript"),
    asset!("connection_log.js", "text/javascript"),
    asset!("destination.js", "text/javascript"),
    asset!("dom.js", "text/javascript"),
    asset!("event_log.js", "text/javascript"),
    asset!("event_view.js", "text/javascript"),
    asset!("format.js", "text/javascript"),
    asset!("frame_parts.js", "text/javascript"),
    asset!("frame_view.js", "text/javascript"),
    asset!("ladder.js", "text/javascript"),
    asset!("link.js", "text/javascript"),
    asset!("notice.js", "text/javascript"),
    asset!("room_view.js", "text/javascript"),
    asset!("send_form.js", "text/javascript"),
    asset!("socket_facts.js", "text/javascript"),
    asset!("tabs.js", "text/javascript"),
    asset!("text_size.js", "text/javascript"),
    asset!("tools.js", "text/javascript"),
    asset!("wire_events.js", "text/javascript"),
    asset!("wire_labels.js", "text/javascript"),
    asset!("wire_view.js", "text/javascript"),
];

/// The lab page.
pub fn lab_page() -> &'static Asset {
    &ASSETS[0]
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
        _ if crate::workbench::PATHS.contains(&path) => return Some(Route::Workbench),
        _ => {}
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

impl Service {
    /// Chooses among the subprotocols that the client offers, in its order of preference
    /// (RFC 6455 section 4.2.2), and changes the service accordingly. None in common is no
    /// fault: the connection then has none.
    pub fn choose_subprotocol<'a>(
        &mut self,
        offered: impl Iterator<Item = &'a str>,
    ) -> Option<&'static str> {
        let Service::Group(Group::Room(name)) = self else { return None };
        for subprotocol in offered {
            if subprotocol == CLASSROOM {
                *self = Service::Group(Group::Classroom(std::mem::take(name)));
                return Some(CLASSROOM);
            }
        }
        None
    }

    /// The path as the statistics count it: all rooms together, or the table could grow without end.
    pub fn counted_as(&self) -> &'static str {
        match self {
            Service::Echo(EchoAt::Root) | Service::Group(Group::Root) => "/",
            Service::Echo(EchoAt::Echo) => "/echo",
            Service::Group(Group::Broadcast) => "/broadcast",
            Service::Group(Group::Room(_) | Group::Classroom(_)) => "/room",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // A peer's own words: escaped, so that they cannot disguise themselves in a log.
            Service::Group(Group::Room(name)) => write!(f, "/room/{}", name.escape_debug()),
            Service::Group(Group::Classroom(name)) => {
                write!(f, "/room/{} ({CLASSROOM})", name.escape_debug())
            }
            other => f.write_str(other.counted_as()),
        }
    }
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
            matches!(find("/lab/main.js"), Some(Route::Asset(asset)) if asset.path == "/lab/main.js")
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

    #[test]
    fn only_rooms_know_a_subprotocol() {
        let mut blue = Service::Group(Group::Room("blue".to_owned()));
        assert_eq!(blue.choose_subprotocol(["chat"].into_iter()), None);
        assert_eq!(blue.choose_subprotocol(["chat", CLASSROOM].into_iter()), Some(CLASSROOM));
        assert_eq!(blue, Service::Group(Group::Classroom("blue".to_owned())));
        let mut echo = Service::Echo(EchoAt::Echo);
        assert_eq!(echo.choose_subprotocol([CLASSROOM].into_iter()), None);
    }
}
