//! What the README says is so.

mod common;

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use chalkwire::{Config, Mode};
use common::*;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// With `UPDATE=1` two tests write the README, one after the other.
static WRITING: Mutex<()> = Mutex::new(());

fn readme() -> String {
    std::fs::read_to_string(root().join("README.md")).expect("the README")
}

/// The output of `--help` stands in the README between two marks. `UPDATE=1` writes it there.
#[test]
fn the_command_line_is_the_programs_own() {
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
        assert_eq!(found, block, "UPDATE=1 cargo test --test readme writes it anew");
    }
}

/// The frame that is taken apart in the README is what `explain` prints.
#[test]
fn the_explained_frame_is_the_programs_own() {
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
        assert_eq!(found, expected, "UPDATE=1 cargo test --test readme writes it anew");
    }
}

/// What `check` says in the README is what it says of that server.
#[test]
fn the_checks_words_are_its_own() {
    let readme = readme();
    let (_, rest) = readme.split_once("<!-- tests/check/reports/").expect("a mark");
    let (file, rest) = rest.split_once(" -->\n```text\n").expect("a block");
    let (block, _) = rest.split_once("```").expect("its end");
    let report =
        std::fs::read_to_string(root().join("tests/check/reports").join(file)).expect("a report");
    assert!(report.contains(block), "{file} does not say:\n{block}");
}

/// The map of the tree names all modules, and only those.
#[test]
fn the_map_names_every_module() {
    let readme = readme();
    let mut files: Vec<String> = std::fs::read_dir(root().join("src"))
        .expect("src")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".rs"))
        .collect();
    files.sort();
    for file in &files {
        let times = readme.matches(&format!("`{file}`")).count();
        assert_eq!(times, 1, "README should have `{file}` once, in its map of the tree");
    }
    let named = readme.split('`').filter(|word| word.ends_with(".rs") && !word.contains('/'));
    for name in named {
        assert!(files.iter().any(|file| file == name), "there is no src/{name}");
    }
}

/// The table of paths, held against a server.
#[test]
fn the_paths_are_what_the_table_says() {
    let server = serve(Config { mode: Mode::Echo, ..Config::default() });
    let readme = readme();
    let (_, table) = readme.split_once("| path | WebSocket | plain GET |\n").expect("the table");
    let mut rows = 0;
    for row in table.lines().skip(1).take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, path, websocket, plain, _] = cells[..] else { panic!("{row}") };
        let path = match path.trim_matches('`') {
            "others" => "/others".to_owned(),
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

/// Links within the repository lead somewhere.
#[test]
fn links_lead_somewhere() {
    for name in ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"] {
        let text = std::fs::read_to_string(root().join(name)).expect(name);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let local = !link.contains("://") && !link.starts_with('#');
            assert!(!local || root().join(link).exists(), "{name} links to {link}");
        }
    }
}

/// Each sentence about limits and faults, and the test that holds it.
#[test]
fn each_promise_names_its_test() {
    let limits = std::fs::read_to_string(root().join("src/limits.md")).expect("the page");
    let mut code = String::new();
    for directory in ["src", "src/dispatcher", "src/outbox", "tests"] {
        for file in std::fs::read_dir(root().join(directory)).expect("a directory").flatten() {
            if file.path().extension().is_some_and(|extension| extension == "rs") {
                code += &std::fs::read_to_string(file.path()).expect("a file");
            }
        }
    }
    let output = Command::new(env!("CARGO_BIN_EXE_chalkwire")).arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).expect("UTF-8");
    let mut promises = 0;
    for line in limits.lines().filter(|line| line.starts_with("- ")) {
        let (sentence, tests) = line.split_once(". `").expect("a sentence, and its test");
        for test in tests.split(['`', ',', ' ']).filter(|test| !test.is_empty()) {
            let is_there = ["()", "("].iter().any(|end| code.contains(&format!("fn {test}{end}")));
            assert!(is_there, "{sentence}: there is no test {test}");
        }
        for flag in sentence.split('`').filter(|word| word.starts_with("--")) {
            assert!(help.contains(flag), "{sentence}: there is no {flag}");
        }
        promises += 1;
    }
    assert!(promises > 20, "{promises}");
}
