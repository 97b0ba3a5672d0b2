//! Servers with one mistake each, and servers that are not finished. What the check says about each of them is
//! in `tests/check/reports`. `UPDATE=1 cargo test --test check` writes these reports.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::common::student::stages::Stage;
use crate::common::student::{Mistake, Student};
use crate::{check, url};

/// How many servers are tested at the same time. Most of the time is spent waiting for servers that send
/// nothing, so this is more than there are processors.
const AT_ONCE: usize = 24;

/// The report on a server, without the steps that pass, and with a port that does not change.
fn report(address: SocketAddr) -> String {
    let (code, stdout, stderr) = check(&[&url(address)]);
    let kept = stdout.lines().filter(|line| !line.starts_with("  PASS"));
    let mut lines: Vec<&str> = Vec::new();
    for line in kept {
        // The title of a group without any step left.
        if line.is_empty() && lines.last().is_some_and(|last| last.starts_with(char::is_numeric)) {
            lines.pop();
            continue;
        }
        lines.push(line);
    }
    let code = code.map_or("none".to_owned(), |code| code.to_string());
    let text = format!("{}\n{stderr}exit code {code}\n", lines.join("\n"));
    text.replace(&address.port().to_string(), "9000")
}

/// Compares a report with its file, or writes the file.
fn compare(name: &str, found: &str) -> Result<(), String> {
    let wide =
        found.lines().find(|line| line.chars().count() > 80 && !line.starts_with("chalkwire"));
    if let Some(wide) = wide {
        return Err(format!("{name}: wider than 80 columns: {wide}"));
    }
    let path = folder().join(format!("{name}.txt"));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, found).expect("the file is written");
        return Ok(());
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    if found == expected {
        return Ok(());
    }
    let differs =
        found.lines().zip(expected.lines()).position(|(found, expected)| found != expected);
    let line = differs.unwrap_or(found.lines().count().min(expected.lines().count())) + 1;
    Err(format!("{}:{line}: the report is now:\n{found}", path.display()))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check/reports")
}

/// A wrong server, and the name of its report.
#[derive(Clone, Copy)]
enum Wrong {
    Mistake(Mistake),
    Stage(Stage),
}

impl Wrong {
    fn all() -> impl Iterator<Item = Wrong> {
        let mistakes = Mistake::ALL.iter().copied().map(Wrong::Mistake);
        // The unfinished servers first, because they take longest.
        Stage::ALL.iter().copied().map(Wrong::Stage).chain(mistakes)
    }

    fn name(self) -> String {
        match self {
            Wrong::Mistake(mistake) => mistake.name().to_owned(),
            Wrong::Stage(stage) => format!("stage_{}", stage.name()),
        }
    }

    fn start(self) -> Student {
        match self {
            Wrong::Mistake(mistake) => Student::start(Some(mistake)),
            Wrong::Stage(stage) => Student::start_at(stage),
        }
    }

    /// What an unfinished server must be told to write next.
    fn next(self) -> &'static str {
        match self {
            Wrong::Mistake(_) => "",
            Wrong::Stage(Stage::Handshake) => "First to fix: 2.1, a text message comes back.",
            Wrong::Stage(Stage::Frames) => "First to fix: 5.1, your server answers a Ping.",
            Wrong::Stage(Stage::ControlFrames) => {
                "First to fix: 6.1, a frame without a mask is refused."
            }
        }
    }
}

#[test]
fn each_mistake_and_each_unfinished_server_has_its_report() {
    let waiting: Mutex<VecDeque<Wrong>> = Mutex::new(Wrong::all().collect());
    let differences: Mutex<Vec<String>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().expect("no panic").pop_front();
                    let Some(wrong) = next else { return };
                    let server = wrong.start();
                    let found = report(server.address);
                    let result = match found.contains(wrong.next()) {
                        true => compare(&wrong.name(), &found),
                        false => Err(format!("{} does not say {:?}", wrong.name(), wrong.next())),
                    };
                    if let Err(why) = result {
                        differences.lock().expect("no panic").push(why);
                    }
                }
            });
        }
    });
    let differences = differences.into_inner().expect("no panic");
    assert!(
        differences.is_empty(),
        "UPDATE=1 cargo test --test check writes the reports\n{}",
        differences.join("\n")
    );
}

#[test]
fn every_report_has_its_server() {
    let mut expected: Vec<String> = Wrong::all().map(Wrong::name).collect();
    expected.sort();
    let mut found: Vec<String> = std::fs::read_dir(folder())
        .expect("the reports")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| Some(name.strip_suffix(".txt")?.to_owned()))
        .collect();
    found.sort();
    assert_eq!(found, expected);
}
