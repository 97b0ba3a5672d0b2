//! The tests run the commands of console blocks: the program must print the lines below the
//! command.

use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use crate::code::compare;
use crate::command::{CargoRun, replace_port};
use crate::document::{Block, Document, Problem, UPDATE};
use crate::mask::{mask, mask_measured};
use crate::process::Running;

/// How long a command may take, and how long it may take when it measures again.
const DEADLINE: Duration = Duration::from_secs(60);
const MEASURING: Duration = Duration::from_secs(600);

/// A command and the lines below it.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    /// The command as the text shows it. If a line ends in a backslash, the command goes on.
    shown: Vec<String>,
    output: Vec<String>,
}

fn steps(lines: &[String]) -> Result<Vec<Step>, String> {
    let mut steps: Vec<Step> = Vec::new();
    let mut lines = lines.iter().peekable();
    while let Some(line) = lines.next() {
        if let Some(command) = line.strip_prefix("$ ") {
            let mut shown = vec![command.to_owned()];
            while shown.last().is_some_and(|line| line.ends_with('\\')) {
                shown.push(lines.next().ok_or("a backslash at the end of the block")?.clone());
            }
            steps.push(Step { shown, output: Vec::new() });
        } else if let Some(step) = steps.last_mut() {
            step.output.push(line.clone());
        } else {
            return Err("a console block begins with `$ ` and a command".to_owned());
        }
    }
    match steps.is_empty() {
        true => Err("a console block without a command".to_owned()),
        false => Ok(steps),
    }
}

impl Step {
    fn command(&self) -> String {
        let lines: Vec<&str> = self.shown.iter().map(|line| line.trim_end_matches('\\')).collect();
        lines.join(" ")
    }

    fn lines(self) -> impl Iterator<Item = String> {
        let first = self.shown.into_iter().enumerate();
        let first = first.map(|(n, line)| if n == 0 { format!("$ {line}") } else { line });
        first.chain(self.output)
    }
}

/// The settings that the comments above a block give.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wishes {
    fails: bool,
    server: Option<String>,
    measured: bool,
    test_arguments: String,
}

impl Wishes {
    fn of(block: &Block) -> Result<Wishes, (usize, String)> {
        let mut wishes = Wishes::default();
        for (index, text) in &block.comments {
            let (word, rest) = text.split_once([':', ';']).unwrap_or((text, ""));
            match (word.trim(), rest.trim()) {
                ("fails", "") => wishes.fails = true,
                ("while", command) => wishes.server = Some(command.to_owned()),
                ("measured", "") => wishes.measured = true,
                ("measured", rest) if rest.starts_with("test:") => {
                    wishes.measured = true;
                    wishes.test_arguments = rest["test:".len()..].trim().to_owned();
                }
                // Another test reads this one.
                ("green", _) => {}
                _ => {
                    return Err((*index, format!("`{text}` is not a comment that the tests know")));
                }
            }
        }
        Ok(wishes)
    }
}

/// Finds a free port. It has four digits like 8080, so that lengths and columns do not change, and
/// a system never gives such a port to a client.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let start = (std::process::id() % 7000) as u16;
        let port = 2048 + start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % 7000;
        if port != 8080 && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Starts a server, as the text does in another terminal, and waits until it is ready.
pub fn start_server(root: &Path, command: &str, port: u16) -> Result<Running, String> {
    let run = CargoRun::parse(command)?;
    let is_example = run.example.is_some();
    let mut server = run.at_port(port).program(root, false)?.start(root)?;
    let told = |result: Result<(), String>| result.map_err(|why| format!("`{command}` {why}"));
    told(server.wait_for(&format!(":{port}"), Duration::from_secs(20)))?;
    if is_example {
        // After its demonstration an example prints how to end it; some serve without one.
        let _ = server.wait_for("Ctrl-C", Duration::from_secs(10));
    }
    Ok(server)
}

/// The rule for every example that runs with `--once`.
pub const ENDS_WELL: &str = "with --once it should succeed and print nothing on standard error";

/// How a block is run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// To compare the block: runs the debug build, and the short form of a long measurement.
    Test,
    /// To write the block: runs the commands as the text shows them.
    Write,
}

/// Runs all commands of a block, and returns the lines that the block should have.
fn run(root: &Path, wishes: &Wishes, found: &[String], mode: Mode) -> Result<Vec<String>, String> {
    let port = free_port();
    let server = wishes.server.as_ref().map(|command| start_server(root, command, port));
    let _server = server.transpose()?;
    let mut lines = Vec::new();
    for mut step in steps(found)? {
        let command = step.command();
        let mut asked = CargoRun::parse(&command)?;
        let release = asked.release && wishes.measured && mode == Mode::Write;
        if mode == Mode::Test {
            asked.arguments.extend(wishes.test_arguments.split_whitespace().map(str::to_owned));
        }
        let again = wishes.measured && mode == Mode::Write;
        let deadline = if again { MEASURING } else { DEADLINE };
        let once = asked.runs_once() && !wishes.fails;
        let program = asked.at_port(port).program(root, release)?;
        let output = program.run(root, deadline).map_err(|why| format!("`{command}` {why}"))?;
        let output_has_errors = !output.stderr.is_empty();
        let said = replace_port(&(output.stdout + &output.stderr), port, 8080);
        if output.success == wishes.fails {
            let should = if wishes.fails { "should fail, but ends well" } else { "fails" };
            return Err(format!("`{command}` {should}; it said\n{said}"));
        }
        if once && output_has_errors {
            return Err(format!("`{command}`: {ENDS_WELL}; it said\n{said}"));
        }
        // A program without the flags that are added here would fail too, but not because of its
        // mistake.
        if said.contains("Unrecognized argument") {
            return Err(format!("`{command}` does not know its flags; it said\n{said}"));
        }
        let blank = |line: &String| line.trim().is_empty();
        let space_behind = step.output.iter().rev().take_while(|line| blank(line)).count();
        step.output = said.lines().map(|line| line.trim_end().to_owned()).collect();
        let end = step.output.iter().rposition(|line| !blank(line)).map_or(0, |last| last + 1);
        step.output.truncate(end);
        step.output.extend(std::iter::repeat_n(String::new(), space_behind));
        lines.extend(step.lines());
    }
    Ok(lines)
}

/// The examples that a document runs with `--once`, and that must succeed.
pub fn programs_run_once(document: &Document) -> Vec<String> {
    let blocks = document.blocks.iter().filter(|block| block.language == "console");
    let blocks = blocks.filter(|block| Wishes::of(block).is_ok_and(|wishes| !wishes.fails));
    let steps = blocks.filter_map(|block| steps(&document.content(block)).ok()).flatten();
    let runs = steps.filter_map(|step| CargoRun::parse(&step.command()).ok());
    runs.filter(CargoRun::runs_once).filter_map(|run| run.example).collect()
}

/// The result of checking a block.
pub enum Outcome {
    Right,
    Wrong(Problem),
    /// The lines to be written.
    Other(Vec<String>),
}

/// Runs a block and compares it. With `update`, returns the lines that a wrong block should have.
pub fn check(root: &Path, document: &Document, block: &Block, update: bool) -> Outcome {
    let at = |index, why: String| Outcome::Wrong(document.problem(index, why));
    let wishes = match Wishes::of(block) {
        Ok(wishes) => wishes,
        Err((index, why)) => return at(index, why),
    };
    let found = document.content(block);
    // The block is empty, so there is nothing to compare.
    let empty = found.iter().all(|line| line.starts_with("$ "));
    if !(update && empty && !wishes.test_arguments.is_empty()) {
        let lines = match run(root, &wishes, &found, Mode::Test) {
            Ok(lines) => lines,
            Err(why) => return at(block.fence, why),
        };
        match differs(document, block, &wishes, &lines) {
            None => return Outcome::Right,
            Some(problem) if !update => return Outcome::Wrong(problem),
            Some(_) if !wishes.measured => return Outcome::Other(lines),
            Some(_) => {}
        }
    }
    match run(root, &wishes, &found, Mode::Write) {
        Ok(lines) => Outcome::Other(lines),
        Err(why) => at(block.fence, why),
    }
}

fn differs(
    document: &Document,
    block: &Block,
    wishes: &Wishes,
    lines: &[String],
) -> Option<Problem> {
    let origin = "the program";
    if wishes.test_arguments.is_empty() {
        let mask = if wishes.measured { mask_measured } else { mask };
        return compare(document, block, lines, origin, |a, b| mask(a) == mask(b));
    }
    // The test has measured less than the text shows. So its lines must be in the text in this
    // order, with other lines between them.
    let found = document.content(block);
    let mut rest = found.iter().map(|line| mask_measured(line));
    let missing = lines.iter().find(|line| !rest.any(|found| found == mask_measured(line)))?;
    let what = format!(
        "the block lacks this line of the program, or has it elsewhere (figures aside)\n    \
         `{missing}`\n{UPDATE}"
    );
    Some(document.problem(block.fence, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Document {
        Document::parse(Path::new("a.md"), text)
    }

    #[test]
    fn a_block_is_commands_and_their_output() {
        let document = document("```console\n$ a \\\n  b\nc\n\n$ d\n```\n");
        let steps = steps(&document.content(&document.blocks[0])).unwrap();
        assert_eq!(steps[0].command(), "a    b");
        assert_eq!(steps[0].output, ["c", ""]);
        assert_eq!(steps[1].command(), "d");
        let again: Vec<String> = steps.into_iter().flat_map(Step::lines).collect();
        assert_eq!(again, document.content(&document.blocks[0]));
        assert!(super::steps(&["a".to_owned()]).is_err());
        assert!(super::steps(&[]).is_err());
    }

    #[test]
    fn wishes_are_read_above_the_fence() {
        let wishes = |text: &str| Wishes::of(&document(text).blocks[0]);
        let found =
            wishes("<!-- fails -->\n<!-- while: cargo run --quiet -->\n```console\n```\n").unwrap();
        assert!(found.fails && found.server.as_deref() == Some("cargo run --quiet"));
        let found = wishes("<!-- measured; test: --most 100 -->\n```console\n```\n").unwrap();
        assert_eq!((found.measured, &*found.test_arguments), (true, "--most 100"));
        assert_eq!(wishes("\n<!-- mesured -->\n```console\n```\n").unwrap_err().0, 1);
    }

    #[test]
    fn a_real_run_is_compared_and_a_changed_byte_reported() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let empty = document("a\n\n```console\n$ cargo run --quiet -- explain 89 00\n```\n");
        let Outcome::Other(lines) = check(root, &empty, &empty.blocks[0], true) else {
            panic!("an empty block is not right")
        };
        assert!(lines.len() > 3, "{lines:?}");
        let right = format!("a\n\n```console\n{}\n```\n", lines.join("\n"));
        let right_document = document(&right);
        let block = &right_document.blocks[0];
        assert!(matches!(check(root, &right_document, block, false), Outcome::Right));
        let wrong = document(&right.replacen("Ping", "Pong", 1));
        let expected = 1 + right.lines().position(|line| line.contains("Ping")).unwrap();
        match check(root, &wrong, &wrong.blocks[0], false) {
            Outcome::Wrong(problem) => assert_eq!(problem.line, expected),
            _ => panic!("a changed byte of the output was not seen"),
        }
        let flag = document(&right.replacen("89 00", "--no-such-flag", 1));
        assert!(matches!(check(root, &flag, &flag.blocks[0], false), Outcome::Wrong(_)));
        let fails = document(&format!("<!-- fails -->\n{}", right.replacen("a\n\n", "", 1)));
        assert!(matches!(check(root, &fails, &fails.blocks[0], false), Outcome::Wrong(_)));
    }

    #[test]
    fn a_server_runs_beside_the_commands_and_ends() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let port = free_port();
        let server = start_server(root, "cargo run --quiet", port).unwrap();
        assert!(TcpListener::bind(("127.0.0.1", port)).is_err(), "it listens");
        drop(server);
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err(), "it has ended");
    }

    #[test]
    fn the_test_may_run_a_part_of_a_measurement() {
        let text = "<!-- measured; test: --most 10 -->\n```console\n$ a\n10 clients  1.2 ms\n5000 clients 3 s\nend\n```\n";
        let document = document(text);
        let block = &document.blocks[0];
        let wishes = Wishes::of(block).unwrap();
        let lines = |text: &[&str]| text.iter().map(|line| line.to_string()).collect::<Vec<_>>();
        assert_eq!(
            differs(&document, block, &wishes, &lines(&["$ a", "10 clients 9 ms", "end"])),
            None
        );
        let other = differs(&document, block, &wishes, &lines(&["$ a", "end", "10 clients 9 ms"]));
        assert!(other.is_some());
    }
}
