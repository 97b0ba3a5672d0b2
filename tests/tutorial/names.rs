//! Words in backticks that look like a path, a flag or an item of the code must exist.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use crate::command::CargoRun;
use crate::document::{Document, Problem};
use crate::tree::{example_name, programs};

/// Everything that exists: files, flags, and words of the code.
pub struct Known {
    files: BTreeSet<String>,
    flags: BTreeSet<String>,
    words: BTreeSet<String>,
}

/// Flags of cargo, and of other programs that a reader may have.
const FOREIGN_FLAGS: [&str; 8] = [
    "--quiet",
    "--release",
    "--example",
    "--examples",
    "--test",
    "--bin",
    "--locked",
    "--no-buffer",
];

/// A word that begins with one of these directories must be a path that exists.
const DIRECTORIES: [&str; 8] =
    ["src/", "examples/", "tests/", "tutorial/", "bench/", "fuzz/", "../", ".ci/"];
const EXTENSIONS: [&str; 7] = [".rs", ".md", ".html", ".js", ".css", ".toml", ".svg"];

/// Everything that exists. Gathered once, because each program is asked for its flags.
pub fn known() -> &'static Known {
    static KNOWN: LazyLock<Known> = LazyLock::new(|| Known::gather(crate::root()));
    &KNOWN
}

impl Known {
    fn gather(root: &Path) -> Known {
        let mut known =
            Known { files: BTreeSet::new(), flags: BTreeSet::new(), words: BTreeSet::new() };
        for directory in ["src", "examples", "tests", "tutorial", "bench", "fuzz", ".ci"] {
            known.add_directory(root, Path::new(directory));
        }
        for file in ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "Cargo.toml", "Cargo.lock"] {
            known.files.insert(file.to_owned());
        }
        known.flags.extend(FOREIGN_FLAGS.map(str::to_owned));
        known.add_help(root, "cargo run --quiet -- --help");
        let commands = known.commands(root);
        for command in commands {
            known.add_help(root, &format!("cargo run --quiet -- {command} --help"));
        }
        for name in programs(root).iter().filter_map(|file| example_name(file)) {
            // Another test reports a program that is not built.
            known.add_help(root, &format!("cargo run --quiet --example {name} -- --help"));
        }
        known
    }

    fn add_directory(&mut self, root: &Path, directory: &Path) {
        let Ok(entries) = std::fs::read_dir(root.join(directory)) else { return };
        for entry in entries.flatten() {
            let path = directory.join(entry.file_name());
            if entry.path().is_dir() && entry.file_name() != "target" {
                self.add_directory(root, &path);
                continue;
            }
            let extension = path.extension().and_then(|extension| extension.to_str());
            // These checks name things that do not exist. The test in a browser does not.
            let is_check = path.starts_with("tests/tutorial") && !path.ends_with("browser.rs");
            if matches!(extension, Some("rs" | "js" | "html" | "css" | "py")) && !is_check {
                let text = std::fs::read_to_string(root.join(&path)).unwrap_or_default();
                let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
                self.words.extend(words.map(str::to_owned));
            }
            self.files.insert(path.to_string_lossy().replace('\\', "/"));
        }
    }

    fn help(&self, root: &Path, command: &str) -> String {
        let program = CargoRun::parse(command).and_then(|run| run.program(root, false));
        let output = program.and_then(|program| program.run(root, Duration::from_secs(10)));
        output.map(|output| output.stdout).unwrap_or_default()
    }

    fn add_help(&mut self, root: &Path, command: &str) {
        let help = self.help(root, command);
        let words = help.split(|c: char| !c.is_alphanumeric() && c != '-');
        self.flags.extend(words.filter(|word| word.starts_with("--")).map(str::to_owned));
    }

    /// The sub-commands, from the list at the end of the help.
    fn commands(&self, root: &Path) -> Vec<String> {
        let help = self.help(root, "cargo run --quiet -- --help");
        let (_, list) = help.split_once("Commands:\n").unwrap_or_default();
        let names = list.lines().filter_map(|line| line.strip_prefix("  "));
        let names = names.filter(|line| !line.starts_with(' '));
        names.filter_map(|line| Some(line.split_whitespace().next()?.to_owned())).collect()
    }

    /// The problem of a piece of code whose text is in `directory`; `None` if all its names exist.
    fn complaint(&self, code: &str, directory: &Path) -> Option<String> {
        for word in code.split_whitespace() {
            let flag = word.split(['=', ',', ';', ':', ')']).next().unwrap_or_default();
            let is_flag = flag.len() > 2 && flag.starts_with("--");
            if is_flag && !self.flags.contains(flag) {
                return Some(format!("no program has the flag `{flag}`"));
            }
            let missing = looks_like_a_path(word) && !self.has_file(word, directory);
            if missing {
                return Some(format!("there is no file `{word}`"));
            }
        }
        if !code.contains(char::is_whitespace) {
            let missing = items(code).into_iter().find(|item| !self.words.contains(*item))?;
            return Some(format!("`{missing}` is nowhere in the code"));
        }
        None
    }

    fn has_file(&self, word: &str, directory: &Path) -> bool {
        let mut relative = PathBuf::new();
        for part in directory.join(word).components() {
            match part {
                std::path::Component::ParentDir => drop(relative.pop()),
                part => relative.push(part),
            }
        }
        let relative = relative.to_string_lossy().replace('\\', "/");
        let word = word.trim_start_matches("./").trim_end_matches('/');
        self.files.iter().any(|file| {
            *file == relative
                || file.starts_with(&format!("{word}/"))
                || file
                    .strip_suffix(word)
                    .is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
        })
    }
}

fn looks_like_a_path(word: &str) -> bool {
    let plain = word.chars().all(|c| c.is_alphanumeric() || "_-./".contains(c));
    let named = EXTENSIONS.iter().any(|extension| {
        word.strip_suffix(extension).is_some_and(|name| !name.is_empty() && !name.ends_with('/'))
    });
    let begins = DIRECTORIES.iter().any(|directory| word.starts_with(directory));
    // An absolute path is a path of a server, and cargo makes the files in target.
    plain && (named || begins) && !word.starts_with('/') && !word.starts_with("target/")
}

/// The names of functions and types in a word such as `Server::bind()`.
fn items(code: &str) -> Vec<&str> {
    let path = code.split('(').next().unwrap_or_default();
    let is_call = code.contains("()");
    let path = path.trim_start_matches(['&', '.']).split('<').next().unwrap_or_default();
    let parts: Vec<&str> = path.split("::").flat_map(|part| part.split('.')).collect();
    let is_name = |part: &&str| {
        !part.is_empty()
            && !part.starts_with(|c: char| c.is_ascii_digit())
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    if !parts.iter().all(is_name) {
        return Vec::new();
    }
    let last = parts.len() - 1;
    let counts = |n: usize, part: &str| {
        let is_snake_case =
            part.contains('_') && part.starts_with(|c: char| c.is_ascii_lowercase());
        is_camel_case(part) || is_snake_case || path.contains("::") || (is_call && n == last)
    };
    parts.iter().enumerate().filter(|(n, part)| counts(*n, part)).map(|(_, part)| *part).collect()
}

fn is_camel_case(word: &str) -> bool {
    let capitals = word.chars().filter(char::is_ascii_uppercase).count();
    word.starts_with(|c: char| c.is_ascii_uppercase())
        && capitals >= 2
        && word.contains(|c: char| c.is_ascii_lowercase())
}

/// Checks everything in backticks in the prose of a document.
pub fn check(known: &Known, document: &Document) -> Vec<Problem> {
    let directory = document.file.parent().unwrap_or(Path::new(""));
    let mut problems = Vec::new();
    for (index, line) in document.prose() {
        for code in line.split('`').skip(1).step_by(2) {
            let complaint = known.complaint(code, directory);
            problems.extend(complaint.map(|what| document.problem(index, what)));
        }
    }
    problems
}

#[test]
fn a_word_that_looks_like_a_name_must_exist() {
    let known = known();
    let directory = Path::new("tutorial/solutions");
    for fine in [
        "src/http/handshake.rs",
        "handshake.rs",
        "../../src/http/handshake.rs",
        "src/lab/",
        "--ping-interval",
        "cargo run --quiet --example x",
        "read_head()",
        "Service::subprotocols()",
        "FrameHeader",
        "/room/blue",
        "text/html",
        "Sec-WebSocket-Key",
        "close code",
        "1006",
        "target/x.svg",
        "ws://127.0.0.1:8080/",
        "&mut",
        "vec![]",
        "x",
    ] {
        assert_eq!(known.complaint(fine, directory), None, "{fine}");
    }
    for wrong in [
        "src/upgrad.rs",
        "upgrad.rs",
        "../src/http/handshake.rs/x.rs",
        "--ping-intervals",
        "no_such_fn()",
        "no_such_fn",
        "Service::no_such_thing()",
        "FrameHeaderly",
        "cargo run -- --no-such",
    ] {
        assert!(known.complaint(wrong, directory).is_some(), "{wrong}");
    }
    let document = Document::parse(Path::new("tutorial/a.md"), "a\nb `--nope` c\n");
    assert_eq!(check(known, &document)[0].line, 2);
}
