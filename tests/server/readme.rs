//! The README and the documents beside it say what is true.

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use chalkwire::{Config, Mode};

use crate::common::*;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Held by the two tests that write the README with `UPDATE=1`, so that neither undoes the other's work.
static WRITING: Mutex<()> = Mutex::new(());

fn readme() -> String {
    std::fs::read_to_string(root().join("README.md")).expect("the README")
}

/// The README has the output of `--help` between two marks. `UPDATE=1` writes it there.
#[test]
fn the_readme_shows_the_options_as_help_does() {
    let _writing = WRITING.lock();
    let output = Command::new(env!("CARGO_BIN_EXE_chalkwire")).arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).expect("UTF-8");
    let (_, options) = help.split_once("Options:\n").expect("options");
    let block = format!("```text\n{}\n```\n", options.trim_end());
    let readme = readme();
    let (before, rest) = readme.split_once("<!-- help -->\n").expect("a mark");
    let (found, after) = rest.split_once("<!-- end of help -->\n").expect("a second mark");
    if std::env::var_os("UPDATE").is_some() {
        let updated = format!("{before}<!-- help -->\n{block}<!-- end of help -->\n{after}");
        std::fs::write(root().join("README.md"), updated).expect("the README is written");
    } else {
        assert_eq!(found, block, "`UPDATE=1 cargo test --test server readme` writes it again");
    }
}

/// The README shows a frame as `explain` prints it.
#[test]
fn the_readme_shows_a_frame_as_explain_does() {
    let _writing = WRITING.lock();
    let readme = readme();
    let (_, rest) = readme.split_once("$ chalkwire explain ").expect("the command");
    let (arguments, rest) = rest.split_once('\n').expect("a line");
    let (found, _) = rest.split_once("```").expect("the end of the block");
    let mut command = Command::new(env!("CARGO_BIN_EXE_chalkwire"));
    let output = command.arg("explain").args(arguments.split(' ')).output().unwrap();
    let expected = String::from_utf8(output.stdout).expect("UTF-8");
    if std::env::var_os("UPDATE").is_some() {
        let updated = readme.replacen(found, &expected, 1);
        std::fs::write(root().join("README.md"), updated).expect("the README is written");
    } else {
        assert_eq!(found, expected, "`UPDATE=1 cargo test --test server readme` writes it again");
    }
}

/// The README quotes a report of `check`.
#[test]
fn the_readme_quotes_check() {
    let readme = readme();
    let (_, rest) = readme.split_once("<!-- tests/check/").expect("a mark");
    let (file, rest) = rest.split_once(" -->\n```text\n").expect("a block");
    let (block, _) = rest.split_once("```").expect("its end");
    let report = std::fs::read_to_string(root().join("tests/check").join(file)).expect("a report");
    assert!(report.contains(block), "{file} does not say:\n{block}");
}

/// README's tree has each folder and each file directly below `src` once, and in the groups and the
/// order of `src/lib.rs`. Within a group the order is free, because rustfmt sorts `mod` lines by name.
#[test]
fn the_tree_in_the_readme_has_the_rooms_in_order() {
    let readme = readme();
    let (_, tree) = readme.split_once("\n### The tree\n").expect("the tree");
    let (tree, _) = tree.split_once("\n## ").expect("the end of the tree");
    let lib = std::fs::read_to_string(root().join("src/lib.rs")).expect("the library");
    let wrong = wrong_in_tree(tree, &lib, &below_src());
    assert!(wrong.is_empty(), "README's tree:\n{}", wrong.join("\n"));
}

/// The folders and files directly below `src`: `wire/`, `config.rs`.
fn below_src() -> Vec<String> {
    let entries = std::fs::read_dir(root().join("src")).expect("src").flatten();
    let names = entries.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        if entry.path().is_dir() { Some(name + "/") } else { Some(name) }
    });
    names.filter(|name| name.ends_with('/') || name.ends_with(".rs")).collect()
}

/// What is wrong with the first column of the table in `tree`: a sentence for each.
fn wrong_in_tree(tree: &str, lib: &str, below_src: &[String]) -> Vec<String> {
    let rows = tree.lines().filter_map(|line| line.strip_prefix("| ")?.split('|').next());
    let named: Vec<&str> = rows
        .flat_map(|cell| cell.split('`'))
        .filter(|word| word.ends_with('/') || word.ends_with(".rs"))
        .collect();
    let mut wrong = Vec::new();
    for entry in below_src {
        let times = named.iter().filter(|name| *name == entry).count();
        // A module may be a file with a folder of its own.
        let is_part = below_src.contains(&format!("{}.rs", entry.trim_end_matches('/')));
        if times != 1 && !(times == 0 && is_part) {
            wrong.push(format!("`{entry}` is there {times} times, not once"));
        }
    }
    let surplus = named.iter().filter(|name| !below_src.iter().any(|entry| entry == *name));
    wrong.extend(surplus.map(|name| format!("src does not have `{name}`")));

    let groups: Vec<Vec<&str>> = lib.split("\n\n").map(modules_in).collect();
    let group_of = |name: &str| {
        let module = name.trim_end_matches('/').trim_end_matches(".rs");
        groups.iter().position(|group| group.contains(&module))
    };
    let declared: Vec<(&str, usize)> =
        named.iter().filter_map(|name| Some((*name, group_of(name)?))).collect();
    for pair in declared.windows(2) {
        let [(before, earlier), (after, later)] = pair else { unreachable!("a window of 2") };
        if earlier > later {
            wrong.push(format!("`{after}` should stand before `{before}`, as in src/lib.rs"));
        }
    }
    wrong
}

/// The modules that a piece of `src/lib.rs` declares in files of their own.
fn modules_in(text: &str) -> Vec<&str> {
    let names = text.lines().filter_map(|line| {
        let line = line.strip_prefix("pub ").unwrap_or(line);
        line.strip_prefix("mod ")?.strip_suffix(';')
    });
    names.collect()
}

#[test]
fn a_wrong_tree_is_reported() {
    let lib = "//! A house.\n\npub mod server;\n\nmod outbox;\npub mod tap;\n\nmod config;\n";
    let below_src = ["lib.rs", "server/", "outbox/", "tap/", "config.rs"].map(str::to_owned);
    let tree = |names: &[&str]| {
        let rows: Vec<String> =
            names.iter().map(|name| format!("| `{name}` | what it does, `x.rs` |")).collect();
        wrong_in_tree(&rows.join("\n"), lib, &below_src)
    };
    let nothing: [&str; 0] = [];
    assert_eq!(tree(&["lib.rs", "server/", "tap/", "outbox/", "config.rs"]), nothing);
    for (names, expected) in [
        (&["lib.rs", "server/", "tap/", "config.rs"][..], "`outbox/` is there 0 times, not once"),
        (
            &["lib.rs", "server/", "outbox/", "tap/", "tap/", "config.rs"],
            "`tap/` is there 2 times, not once",
        ),
        (
            &["lib.rs", "server/", "outbox/", "tap/", "config.rs", "attic/"],
            "src does not have `attic/`",
        ),
        (
            &["lib.rs", "outbox/", "server/", "tap/", "config.rs"],
            "`server/` should stand before `outbox/`, as in src/lib.rs",
        ),
    ] {
        assert_eq!(tree(names), [expected]);
    }
}

/// A server answers at each path as the README's table says.
#[test]
fn each_path_answers_as_the_readme_says() {
    let server = serve(Config { mode: Mode::Echo, ..Config::default() });
    let readme = readme();
    let (_, table) = readme.split_once("| path | WebSocket | plain GET |\n").expect("the table");
    let mut rows = 0;
    for row in table.lines().skip(1).take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, path, websocket, plain, _] = cells[..] else { panic!("{row}") };
        let path = match path.trim_matches('`') {
            "any other path" => "/other".to_owned(),
            "/wire/…" => "/wire/rules".to_owned(),
            "/lab/…" => "/lab/lab.css".to_owned(),
            "/tutorial/…" => "/tutorial/".to_owned(),
            path => path.replace("NAME", "blue"),
        };
        let upgraded = server.status(&handshake(server.address, &path, ""));
        let expected = if websocket == "404" { 404 } else { 101 };
        assert_eq!(upgraded, expected, "a WebSocket at {path}");
        let got =
            server.status(&format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", server.address));
        let expected = plain.parse().unwrap_or(200);
        assert_eq!(got, expected, "a plain GET of {path}");
        rows += 1;
    }
    assert_eq!(rows, 10);
}

/// A link into the repository leads to a file that exists.
#[test]
fn each_link_leads_to_a_file() {
    for name in ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"] {
        let text = std::fs::read_to_string(root().join(name)).expect(name);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let local = !link.contains("://") && !link.starts_with('#');
            assert!(!local || root().join(link).exists(), "{name} links to {link}");
        }
    }
}

/// Each sentence of `src/limits.md` is followed by the name of the test that proves it.
#[test]
fn each_promise_names_its_test() {
    let limits = std::fs::read_to_string(root().join("src/limits.md")).expect("the page");
    let code = source_below("src") + &source_below("tests");
    let output = Command::new(env!("CARGO_BIN_EXE_chalkwire")).arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).expect("UTF-8");
    let mut promises = 0;
    for line in limits.lines().filter(|line| line.starts_with("- ")) {
        let (sentence, tests) = line.split_once(". `").expect("a sentence and its test");
        for test in tests.split(['`', ',', ' ']).filter(|test| !test.is_empty()) {
            let is_there = ["()", "("].iter().any(|end| code.contains(&format!("fn {test}{end}")));
            assert!(is_there, "{sentence}: no test is named {test}");
        }
        for flag in sentence.split('`').filter(|word| word.starts_with("--")) {
            assert!(help.contains(flag), "{sentence}: no flag is named {flag}");
        }
        promises += 1;
    }
    assert!(promises > 20, "{promises}");
}

/// The text of all `.rs` files in a folder and in the folders below it.
fn source_below(folder: &str) -> String {
    let mut text = String::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                text += &std::fs::read_to_string(path).expect("a source file");
            }
        }
    }
    text
}
