//! The tutorial as the server shows it: the server has every page, and everything that a page links
//! to.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use chalkwire::Config;
use chalkwire::lab::tutorial;

use crate::common::*;
use crate::tree;

/// Sends a request without a body. Returns the status, head and body of the answer.
fn request(server: &Running, method: &str, path: &str) -> (u16, String, String) {
    let host = server.address;
    let text =
        server.exchange(format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes());
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    (status, head.to_owned(), body.to_owned())
}

/// Compares the list in `src/lab/tutorial.rs` with the files on disk.
#[test]
fn every_file_of_the_tutorial_is_served() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found: Vec<PathBuf> = tree::programs(root);
    for (directory, extension) in [
        ("tutorial", "md"),
        ("tutorial", "svg"),
        ("tutorial/solutions", "md"),
        (tree::COMMON, "rs"),
    ] {
        found.extend(tree::files(root, directory, extension));
    }
    // The book's list of chapters.
    found.retain(|file| file != Path::new("tutorial/SUMMARY.md"));
    let found: BTreeSet<String> =
        found.iter().map(|file| file.to_string_lossy().replace('\\', "/")).collect();
    let served: BTreeSet<String> = tutorial::files().map(|file| file.path.to_owned()).collect();
    let missing: Vec<_> = found.difference(&served).collect();
    let extra: Vec<_> = served.difference(&found).collect();
    assert!(
        missing.is_empty() && extra.is_empty(),
        "the lists of files in src/lab/tutorial.rs lack {missing:#?} and have too much {extra:#?}"
    );
}

#[test]
fn every_page_answers_and_leads_to_what_is_there() {
    let server = serve(Config::default());
    let mut links = BTreeSet::new();
    for file in tutorial::files() {
        let address = file.address();
        let (status, head, body) = request(&server, "GET", &address);
        assert_eq!(status, 200, "{address}");
        if !file.path.ends_with(".md") {
            assert!(!head.contains("text/html"), "{address}: a program is shown, not run");
            continue;
        }
        assert!(head.contains("Content-Type: text/html; charset=utf-8"), "{address}: {head}");
        assert!(head.contains("Content-Security-Policy: default-src 'self'"), "{address}: {head}");
        assert!(!body.contains("style=") && !body.contains("<script"), "{address} has styles");
        assert!(body.matches("<nav class=\"turn\"").count() == 2, "{address}");
        let targets = ["href=\"", "src=\""].iter().flat_map(|mark| body.split(mark).skip(1));
        for target in targets.filter_map(|rest| rest.split('"').next()) {
            links.insert((address.clone(), target.to_owned()));
        }
    }
    for (address, target) in links {
        if target.contains(':') {
            continue;
        }
        let (path, name) = target.split_once('#').unwrap_or((&target, ""));
        let path = if path.is_empty() { &*address } else { path };
        let (status, _, body) = request(&server, "GET", path);
        assert_eq!(status, 200, "{address} links to {target}");
        // In the lab's address, the part after the # is not a heading.
        let is_there = path == "/" || name.is_empty() || body.contains(&format!(" id=\"{name}\""));
        assert!(is_there, "{address} links to {target}: there is no such heading");
    }
}

#[test]
fn other_paths_get_404_and_head_has_no_body() {
    let server = serve(Config::default());
    for nothing in [
        "/tutorial/99_nothing",
        "/tutorial/README",
        "/tutorial/../Cargo.toml",
        "/tutorial/solutions/",
    ] {
        assert_eq!(request(&server, "GET", nothing).0, 404, "{nothing}");
    }
    let (status, head, body) = request(&server, "HEAD", "/tutorial/");
    assert_eq!((status, &*body), (200, ""));
    let (_, full_head, full_body) = request(&server, "GET", "/tutorial/");
    assert_eq!(head, full_head);
    assert!(head.contains(&format!("Content-Length: {}", full_body.len())), "{head}");
    assert_eq!(request(&server, "POST", "/tutorial/").0, 405);
    assert_eq!(server.status(&handshake(server.address, "/tutorial/", "")), 404);
}
