//! Servers with one mistake each, and servers that are not finished. `tests/check/reports` has the report on each
//! of them. `UPDATE=1 cargo test --test check` writes these reports.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::common::student::stages::Stage;
use crate::common::student::{Mistake, Student};
use crate::{check, url};

/// How many servers are tested at the same time. Most of the time is spent waiting for servers that send
/// nothing, so this is more than there are processors.
const AT_ONCE: usize = 32;

/// Seconds that a server may take for an answer. Where a server sends nothing, the check waits for all of them.
const TIMEOUT: &str = "1";

/// The same for a second try: on a busy computer, a server that answers may take longer than the first timeout.
const LONG_TIMEOUT: &str = "3";

/// The report on a server, without the steps that pass. The port and the timeout are replaced, so that they are
/// always the same.
fn report(address: SocketAddr, timeout: &str) -> String {
    let (code, stdout, stderr) = check(&[&url(address), "--timeout", timeout]);
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
        .replace(&format!("within {timeout} s"), "within 2 s")
}

/// Compares a report with its file. With `UPDATE=1` the last try writes the file.
fn compare(name: &str, found: &str, is_last_try: bool) -> Result<(), String> {
    let wide =
        found.lines().find(|line| line.chars().count() > 80 && !line.starts_with("chalkwire"));
    if let Some(wide) = wide {
        return Err(format!("{name}: wider than 80 columns: {wide}"));
    }
    let path = folder().join(format!("{name}.txt"));
    let expected = std::fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    if found == expected {
        return Ok(());
    }
    let differs =
        found.lines().zip(expected.lines()).position(|(found, expected)| found != expected);
    let line = differs.unwrap_or(found.lines().count().min(expected.lines().count())) + 1;
    if is_last_try && std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, found).expect("the file is written");
        return Ok(());
    }
    Err(format!("{}:{line}: the report is now:\n{found}", path.display()))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check/reports")
}

/// A broken server, and the name of its report.
#[derive(Clone, Copy)]
enum Broken {
    Mistake(Mistake),
    Stage(Stage),
}

impl Broken {
    fn all() -> impl Iterator<Item = Broken> {
        let mistakes = Mistake::ALL.iter().copied().map(Broken::Mistake);
        // The unfinished servers first, because they take longest.
        Stage::ALL.iter().copied().map(Broken::Stage).chain(mistakes)
    }

    fn name(self) -> String {
        match self {
            Broken::Mistake(mistake) => mistake.name().to_owned(),
            Broken::Stage(stage) => format!("stage_{}", stage.name()),
        }
    }

    fn start(self) -> Student {
        match self {
            Broken::Mistake(mistake) => Student::start(Some(mistake)),
            Broken::Stage(stage) => Student::start_at(stage),
        }
    }

    /// Compares the report on this server with its file.
    fn test(self, timeout: &str) -> Result<(), String> {
        let server = self.start();
        let found = report(server.address, timeout);
        if !found.contains(self.next()) {
            return Err(format!("{} does not say {:?}: {found}", self.name(), self.next()));
        }
        compare(&self.name(), &found, timeout == LONG_TIMEOUT)
    }

    /// The line of the report that names the next step for an unfinished server.
    fn next(self) -> &'static str {
        match self {
            Broken::Mistake(_) => "",
            Broken::Stage(Stage::Handshake) => "First to fix: 2.1, a text message comes back.",
            Broken::Stage(Stage::Frames) => "First to fix: 5.1, your server answers a Ping.",
            Broken::Stage(Stage::ControlFrames) => {
                "First to fix: 6.1, a frame without a mask is refused."
            }
        }
    }
}

#[test]
fn each_mistake_and_each_unfinished_server_has_its_report() {
    let waiting: Mutex<VecDeque<Broken>> = Mutex::new(Broken::all().collect());
    let differences: Mutex<Vec<String>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().expect("no panic").pop_front();
                    let Some(broken) = next else { return };
                    if let Err(why) = broken.test(TIMEOUT).or_else(|_| broken.test(LONG_TIMEOUT)) {
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
    let mut expected: Vec<String> = Broken::all().map(Broken::name).collect();
    expected.sort();
    let mut found: Vec<String> = std::fs::read_dir(folder())
        .expect("the reports")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| Some(name.strip_suffix(".txt")?.to_owned()))
        .collect();
    found.sort();
    assert_eq!(found, expected);
}
