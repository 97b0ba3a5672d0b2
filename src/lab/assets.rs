//! The files of the lab page, embedded in the program so that it runs without any other file.

/// A file of the lab page.
#[derive(Debug, PartialEq, Eq)]
pub struct Asset {
    /// The path at which the server serves it.
    pub path: &'static str,
    /// The value of its `Content-Type` header.
    pub content_type: &'static str,
    /// The bytes of the file.
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

/// The lab page itself, then the files that it and the tutorial's pages load. The page comes first and is served at
/// `/`, the others at their `path`.
static ASSETS: [Asset; 31] = [
    asset!("index.html", "text/html"),
    asset!("base.css", "text/css"),
    asset!("lab.css", "text/css"),
    asset!("tutorial.css", "text/css"),
    asset!("main.js", "text/javascript"),
    asset!("access.js", "text/javascript"),
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
    asset!("wire_source.js", "text/javascript"),
    asset!("wire_view.js", "text/javascript"),
];

/// The lab page itself, which the server serves at `/`.
pub fn lab_page() -> &'static Asset {
    &ASSETS[0]
}

/// The file of the lab page that the server serves at `path`. The page itself is not among them.
pub fn find(path: &str) -> Option<&'static Asset> {
    ASSETS[1..].iter().find(|asset| asset.path == path)
}
