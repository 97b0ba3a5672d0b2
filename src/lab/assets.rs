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
static ASSETS: [Asset; 12] = [
    asset!("index.html", "text/html"),
    asset!("base.css", "text/css"),
    asset!("lab.css", "text/css"),
    asset!("tutorial.css", "text/css"),
    asset!("lab.js", "text/javascript"),
    asset!("connection.js", "text/javascript"),
    asset!("link.js", "text/javascript"),
    asset!("log.js", "text/javascript"),
    asset!("room.js", "text/javascript"),
    asset!("wire.js", "text/javascript"),
    asset!("frame.js", "text/javascript"),
    asset!("bench.js", "text/javascript"),
];

/// The lab page.
pub fn lab_page() -> &'static Asset {
    &ASSETS[0]
}

/// The part of the lab page that is served at `path`.
pub fn find(path: &str) -> Option<&'static Asset> {
    ASSETS[1..].iter().find(|asset| asset.path == path)
}
