//! A chapter promises with `<!-- green: 1 2 --no-echo -->` that `chalkwire check` passes its
//! example, and shows the command below.

use std::time::Duration;

use crate::command::CargoRun;
use crate::console::{free_port, start_server};
use crate::document::{Document, expect_none};
use crate::root;
use crate::side_by_side::side_by_side;
use crate::tree::{chapters, stem};

#[test]
fn the_checker_finds_green_what_the_chapters_say() {
    let problems = side_by_side(chapters(root()), |document| {
        let mut problems = Vec::new();
        let found = promises(&document);
        let name = stem(&document.file);
        if found.is_empty() && *name >= *"03" {
            problems.push(document.problem(0, "has no line `<!-- green: … -->`"));
        }
        for (index, command) in found {
            let result = command.and_then(|command| keep(&name, &command));
            problems.extend(result.err().map(|why| document.problem(index, why)));
        }
        problems
    });
    expect_none(problems.into_iter().flatten().collect());
}

/// The promises of a document, each with the command below it, which must ask for the same steps.
fn promises(document: &Document) -> Vec<(usize, Result<String, String>)> {
    let inside = |line: &str| {
        Some(line.trim().strip_prefix("<!-- green:")?.strip_suffix("-->")?.trim().to_owned())
    };
    let lines = document.prose().filter_map(|(index, line)| Some((index, inside(line)?)));
    lines.map(|(index, words)| (index, command_below(document, index, &words))).collect()
}

fn command_below(document: &Document, index: usize, words: &str) -> Result<String, String> {
    let below: Vec<&str> =
        document.lines[index + 1..].iter().take(5).map(|line| line.trim()).collect();
    let text = below.join(" ");
    let begin = "cargo run --quiet -- check ws://127.0.0.1:8080/";
    let command = text.split('`').skip(1).step_by(2).find(|code| code.starts_with(begin));
    let command = command.ok_or_else(|| format!("no `{begin} …` stands below"))?;
    let steps = |text: &str| -> Vec<String> {
        let words = text.split([' ', ',', '=']);
        let words = words.filter(|word| !word.is_empty() && !["all", "--only"].contains(word));
        words.map(str::to_owned).collect()
    };
    let (promised, asked) = (steps(words), steps(&command[begin.len()..]));
    match promised == asked {
        true => Ok(command.to_owned()),
        false => Err(format!("{promised:?} should be green, but `{command}` asks for {asked:?}")),
    }
}

/// Runs the command against the chapter's example.
fn keep(example: &str, command: &str) -> Result<(), String> {
    let port = free_port();
    let _server = start_server(root(), &format!("cargo run --quiet --example {example}"), port)?;
    let program = CargoRun::parse(command)?.at_port(port).program(root(), false)?;
    let output = program.run(root(), Duration::from_secs(120))?;
    match output.success {
        true => Ok(()),
        false => Err(format!("`{command}` says\n{}{}", output.stdout, output.stderr)),
    }
}

#[test]
fn the_command_asks_for_what_is_promised() {
    let check = |words: &str, flags: &str| {
        let command = format!("cargo run --quiet -- check ws://127.0.0.1:8080/{flags}");
        let text = format!("a\n<!-- green: {words} -->\nIn this\nway: `{command}`.\n");
        let document = Document::parse(std::path::Path::new("a.md"), &text);
        let [(1, found)] = &promises(&document)[..] else { panic!("one, in the second line") };
        found.as_ref().is_ok_and(|found| *found == command)
    };
    assert!(check("1 2", " --only 1 --only 2") && check("1 2", " --only 1,2"));
    assert!(check("all", "") && check("all --no-echo", " --no-echo"));
    assert!(
        !check("1 2", " --only 1") && !check("all", " --no-echo") && !check("all", " --only 1")
    );
    let document = Document::parse(std::path::Path::new("a.md"), "<!-- green: 1 -->\n\nb\n");
    assert!(promises(&document)[0].1.is_err());
}
