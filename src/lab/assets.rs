//! The files of the lab page.

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
            body: include_bytes!(concat!("page/", $name)),
        }
    };
}

/// The lab page itself, which is at `/`, and its parts and the tutorial's style, at the paths they
/// are loaded from.
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

/// The part of the lab page that is served at `path`.
pub fn find(path: &str) -> Option<&'static Asset> {
    ASSETS[1..].iter().find(|asset| asset.path == path)
}
