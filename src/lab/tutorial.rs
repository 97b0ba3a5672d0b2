//! The tutorial as pages. The program embeds the Markdown of the chapters and the programs that they show; a request
//! for a chapter turns its Markdown into HTML.

use bytes::Bytes;

use super::markdown::{html_of, html_of_text};

/// A file of the tutorial: a page, or a program that a page shows or links to.
#[derive(Debug, PartialEq, Eq)]
pub struct File {
    /// The path of the file in the repository.
    pub path: &'static str,
    text: &'static str,
}

macro_rules! file {
    ($($part:literal),+) => {
        File {
            path: concat!($($part),+),
            text: include_str!(concat!("../../", $($part),+)),
        }
    };
}

/// The files of a chapter: its text, its solutions, its program, and the other files in the
/// program's folder.
macro_rules! chapter {
    ($name:literal $(, $more:literal)*) => {
        &[
            file!("tutorial/", $name, ".md"),
            file!("tutorial/solutions/", $name, ".md"),
            file!("tutorial/solutions/", $name, ".rs"),
            file!("examples/", $name, "/main.rs"),
            $(file!("examples/", $name, "/", $more)),*
        ]
    };
}

/// The chapters, in order: this list is the only one.
const CHAPTERS: &[&[File]] = &[
    chapter!("01_polling_and_push", "page.html", "wrong_unasked_answer.rs"),
    chapter!("02_tcp_echo", "wrong_one_at_a_time.rs"),
    chapter!("03_handshake", "wrong_old_answer.rs"),
    chapter!("04_frames", "wrong_one_order.rs", "wrong_one_read_one_frame.rs"),
    chapter!("05_echo", "page.html", "wrong_sends_the_object.rs"),
    chapter!("06_browser_api", "page.html", "wrong_ignores_subprotocols.rs"),
    chapter!("07_broadcast", "page.html", "wrong_growing_list.rs", "wrong_lock_around_read.rs"),
    chapter!("08_rooms", "page.html", "rooms.rs"),
    chapter!("09_subprotocol", "page.html", "languages.rs", "offer.rs", "wrong_chooses_for_you.rs"),
    chapter!("10_binary_and_fragments", "page.html", "wrong_file_as_text.rs"),
    chapter!(
        "11_heartbeat",
        "page.html",
        "reconnect.rs",
        "relay.rs",
        "wrong_no_ping.rs",
        "wrong_onerror_only.rs"
    ),
    chapter!(
        "12_closing",
        "page.html",
        "upload.rs",
        "wrong_close_destroyed.rs",
        "wrong_stop_at_close.rs"
    ),
    chapter!(
        "13_slow_clients",
        "demonstration.rs",
        "member.rs",
        "outbox.rs",
        "wrong_everyone_waits.rs"
    ),
    chapter!("14_hostile_clients", "wrong_no_limits.rs"),
    chapter!("15_fanout_cost", "child_server.rs", "crowd.rs", "plot.rs", "wrong_polite_crowd.rs"),
];

/// The files that belong to no single chapter. The contents come first.
static OTHERS: [File; 11] = [
    file!("tutorial/README.md"),
    file!("tutorial/15_fanout_cost.svg"),
    file!("examples/common/accept_or_page.rs"),
    file!("examples/common/by_hand.rs"),
    file!("examples/common/connection.rs"),
    file!("examples/common/goodbye.rs"),
    file!("examples/common/handshake.rs"),
    file!("examples/common/linger.rs"),
    file!("examples/common/raw_client.rs"),
    file!("examples/common/request.rs"),
    file!("examples/common/visitor.rs"),
];

/// All files that the server offers below `/tutorial/`.
pub fn files() -> impl Iterator<Item = &'static File> {
    CHAPTERS.iter().copied().flatten().chain(&OTHERS)
}

/// The file that the server offers at `path`.
pub fn find(path: &str) -> Option<&'static File> {
    if path == "/tutorial" {
        return OTHERS.first();
    }
    files().find(|file| file.address() == path)
}

impl File {
    /// The path at which the server offers the file.
    pub fn address(&self) -> String {
        let inside = self.path.strip_prefix("tutorial/").unwrap_or(self.path);
        let name = inside.strip_suffix(".md").unwrap_or(inside);
        format!("/tutorial/{}", if name == "README" { "" } else { name })
    }

    /// The value of the `Content-Type` header, and the body: Markdown as a page, anything else unchanged.
    pub fn content(&self) -> (&'static str, Bytes) {
        match self.path.rsplit_once('.') {
            Some((_, "md")) => ("text/html; charset=utf-8", self.page().into()),
            Some((_, "svg")) => ("image/svg+xml", Bytes::from_static(self.text.as_bytes())),
            _ => ("text/plain; charset=utf-8", Bytes::from_static(self.text.as_bytes())),
        }
    }

    /// The text of the first heading; the path for a file without one.
    fn title(&self) -> &'static str {
        self.text.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or(self.path)
    }

    fn page(&self) -> String {
        let title = html_of_text(self.title());
        let (links, article) =
            (self.page_links(), html_of(self.text, |link| address_of(link, self.path)));
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n\
             <meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <title>{title} · Chalkwire</title>\n\
             <link rel=\"icon\" href=\"data:,\">\n\
             <link rel=\"stylesheet\" href=\"/lab/base.css\">\n\
             <link rel=\"stylesheet\" href=\"/lab/tutorial.css\">\n\
             </head>\n<body>\n\
             <header><a href=\"/tutorial/\"><b>Chalkwire</b> tutorial</a>\
             <nav aria-label=\"The server\"><a href=\"/\">Lab</a> \
             <a href=\"/#/echo!wire\">Wire view</a></nav></header>\n\
             <main>\n{links}<article>\n{article}</article>\n{links}</main>\n</body>\n</html>\n"
        )
    }

    /// Links to the previous and the next page. A solution leads back to its chapter.
    fn page_links(&self) -> String {
        let contents = OTHERS.first();
        let place = CHAPTERS.iter().position(|files| files.contains(self));
        let chapter = |n: usize| CHAPTERS.get(n).and_then(|files| files.first());
        let (previous, next) = match place {
            None => (None, chapter(0)),
            Some(n) if chapter(n) != Some(self) => (chapter(n), None),
            Some(0) => (contents, chapter(1)),
            Some(n) => (chapter(n - 1), chapter(n + 1)),
        };
        let link = |file: Option<&File>, rel: &str, mark: [&str; 2]| match file {
            None => "<span></span>".to_owned(),
            Some(file) => {
                let (href, title) = (file.address(), html_of_text(file.title()));
                format!("<a rel=\"{rel}\" href=\"{href}\">{}{title}{}</a>", mark[0], mark[1])
            }
        };
        format!(
            "<nav class=\"turn\" aria-label=\"Chapters\">{}{}</nav>\n",
            link(previous, "prev", ["← ", ""]),
            link(next, "next", ["", " →"])
        )
    }
}

/// The address for a link in the file at `path`; `None` when the server does not offer the target.
fn address_of(link: &str, path: &str) -> Option<String> {
    if link.starts_with('#') || link.contains("://") {
        return Some(link.to_owned());
    }
    let (target, heading) = match link.split_once('#') {
        Some((target, heading)) => (target, format!("#{heading}")),
        None => (link, String::new()),
    };
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    let target = parts.join("/");
    let file = files().find(|file| file.path == target)?;
    Some(file.address() + &heading)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "tutorial/solutions/x.md";

    #[test]
    fn addresses_follow_the_files() {
        let address = |path| File { path, text: "" }.address();
        assert_eq!(address("tutorial/README.md"), "/tutorial/");
        assert_eq!(address("tutorial/03_x.md"), "/tutorial/03_x");
        assert_eq!(address("tutorial/solutions/03_x.md"), "/tutorial/solutions/03_x");
        assert_eq!(address("examples/03_x/main.rs"), "/tutorial/examples/03_x/main.rs");
        for file in files() {
            assert_eq!(find(&file.address()), Some(file));
        }
        assert_eq!(find("/tutorial"), find("/tutorial/"));
        for nothing in ["/tutorial/README", "/tutorial/README.md", "/tutorial/99_x", "/tutorial//"]
        {
            assert_eq!(find(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn a_link_leads_to_a_page_or_is_removed() {
        let found = |link: &str| address_of(link, HERE);
        assert_eq!(found("../README.md").as_deref(), Some("/tutorial/"));
        assert_eq!(found("./../README.md#a-b").as_deref(), Some("/tutorial/#a-b"));
        assert_eq!(found("https://a/b").as_deref(), Some("https://a/b"));
        assert_eq!(found("#a").as_deref(), Some("#a"));
        for outside in ["../../src/lib.rs", "../../../../x", "README.md"] {
            assert_eq!(found(outside), None, "{outside}");
        }
        let page = html_of("[a `b`](../../src/lib.rs) [c](../README.md)", found);
        assert_eq!(page, "<p>a <code>b</code> <a href=\"/tutorial/\">c</a></p>\n");
    }
}
