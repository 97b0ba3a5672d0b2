//! The tutorial tells the truth: its code is the programs' own, its output is what they print, its
//! links and names exist, every chapter has the same form, and its pages work.
//!
//! ```sh
//! cargo build --examples && cargo test --test tutorial
//! cargo build --examples && UPDATE=1 cargo test --test tutorial   # writes the blocks
//! TUTORIAL=03 cargo test --test tutorial                          # one chapter only
//! ```

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/page.rs"]
mod page;

mod browser;
mod code;
mod command;
mod console;
mod contents;
mod document;
mod fanout;
mod form;
mod green;
mod links;
mod mask;
mod measures;
mod names;
mod pages;
mod process;
mod side_by_side;
mod tree;

use std::path::{Path, PathBuf};
use std::time::Duration;

use command::CargoRun;
use console::{ENDS_WELL, Outcome, free_port};
use document::{Block, Document, Problem, expect_none, write_block};
use side_by_side::{side_by_side, with_workers};
use tree::{chapters, documents, folders, is_chosen, programs, stem};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn updating() -> bool {
    std::env::var_os("UPDATE").is_some()
}

#[test]
fn code_blocks_are_the_programs_own_lines() {
    let mut problems = Vec::new();
    for document in documents(root()) {
        for (n, block) in document.blocks.iter().enumerate() {
            let known = ["text", "console"].iter().chain(&code::WOVEN);
            if !known.into_iter().any(|known| *known == block.language) {
                let what = format!("a block is text, console, or {:?}", code::WOVEN);
                problems.push(document.problem(block.fence, what));
            }
            let expected = match code::expected(root(), block) {
                Ok(Some(expected)) => expected,
                Ok(None) => continue,
                Err(why) => {
                    problems.push(document.problem(block.fence, why));
                    continue;
                }
            };
            let (file, anchor) = code::source_of(block).expect("it has been read");
            let origin = format!("{} {}", file.display(), anchor.unwrap_or_default());
            let compared =
                code::compare(&document, block, &expected, origin.trim_end(), |a, b| a == b);
            match compared {
                Some(_) if updating() => write_block(root(), &document.file, n, &expected),
                found => problems.extend(found),
            }
        }
    }
    expect_none(problems);
}

/// When the test writes figures into the text, it runs one program at a time, so that no other
/// program disturbs them.
#[test]
fn console_blocks_are_what_the_programs_print() {
    let documents = documents(root());
    let mut blocks = Vec::new();
    for document in &documents {
        let numbered = document.blocks.iter().enumerate();
        let console = numbered.filter(|(_, block)| block.language == "console");
        blocks.extend(console.map(|(n, block)| (document, n, block)));
    }
    let check = |(document, n, block): (&Document, usize, &Block)| match console::check(
        root(),
        document,
        block,
        updating(),
    ) {
        Outcome::Right => None,
        Outcome::Wrong(problem) => Some(problem),
        Outcome::Other(lines) => {
            write_block(root(), &document.file, n, &lines);
            None
        }
    };
    let problems = match updating() {
        true => with_workers(1, blocks, check),
        false => side_by_side(blocks, check),
    };
    expect_none(problems.into_iter().flatten().collect());
}

#[test]
fn links_lead_somewhere() {
    let documents = documents(root());
    expect_none(documents.iter().flat_map(|d| links::check(root(), d)).collect());
}

#[test]
fn names_in_backticks_exist() {
    let documents = documents(root());
    let known = names::known();
    expect_none(documents.iter().flat_map(|document| names::check(known, document)).collect());
}

#[test]
fn every_chapter_has_the_same_form() {
    expect_none(chapters(root()).iter().flat_map(form::check).collect());
}

#[test]
fn a_chapter_fits_one_sitting() {
    expect_none(chapters(root()).iter().filter_map(form::check_length).collect());
}

#[test]
fn blocks_fit_a_page() {
    expect_none(documents(root()).iter().flat_map(form::check_width).collect());
}

#[test]
fn minutes_add_up() {
    expect_none(chapters(root()).iter().filter_map(form::check_minutes).collect());
}

/// An author who marks a piece of a program wants a chapter to show it.
#[test]
fn every_anchor_is_used() {
    let documents = documents(root());
    let used: Vec<(PathBuf, String)> = documents
        .iter()
        .flat_map(|document| &document.blocks)
        .filter_map(code::source_of)
        .filter_map(|(file, anchor)| Some((file, anchor?.to_owned())))
        .collect();
    let mut problems = Vec::new();
    let chosen = programs(root()).into_iter().filter(|file| is_chosen(file));
    for file in chosen.chain(tree::common(root())) {
        let source = std::fs::read_to_string(root().join(&file)).expect("a program");
        for (index, name) in code::anchors(&source) {
            if !used.contains(&(file.clone(), name.to_owned())) {
                let what = format!("no chapter shows `ANCHOR: {name}`");
                problems.push(Problem { file: file.clone(), line: index + 1, what });
            }
        }
    }
    expect_none(problems);
}

#[test]
fn every_example_is_short_and_has_a_chapter() {
    let mut problems = Vec::new();
    let mut complain = |file: &Path, line, what: String| {
        problems.push(Problem { file: file.to_owned(), line, what });
    };
    for folder in folders(root()).into_iter().filter(|folder| is_chosen(folder)) {
        let chapter = format!("tutorial/{}.md", stem(&folder));
        if !root().join(&chapter).exists() {
            complain(&folder, 1, format!("there is no {chapter}"));
        }
    }
    let chosen = programs(root()).into_iter().filter(|file| is_chosen(file));
    for file in chosen.filter(|file| file.file_name().is_some_and(|name| name == "main.rs")) {
        let lines =
            std::fs::read_to_string(root().join(&file)).expect("an example").lines().count();
        if lines > 150 {
            complain(&file, 151, format!("an example has at most 150 lines, not {lines}"));
        }
    }
    for chapter in chapters(root()) {
        let name = stem(&chapter.file);
        for file in [
            format!("examples/{name}/main.rs"),
            format!("tutorial/solutions/{name}.md"),
            format!("tutorial/solutions/{name}.rs"),
        ] {
            if !root().join(&file).exists() {
                complain(&chapter.file, 1, format!("there is no {file}"));
            }
        }
    }
    expect_none(problems);
}

/// The text shows each program: a wrong one that fails, and a solution that works.
#[test]
fn every_program_is_run_in_the_text() {
    let documents = documents(root());
    let mut run = String::new();
    for block in
        documents.iter().flat_map(|document| document.blocks.iter().map(move |b| (document, b)))
    {
        let (document, block) = block;
        if block.language == "console" {
            run += &document.content(block).join(" \n");
            run.extend(block.comments.iter().map(|(_, text)| format!(" {text} ")));
        }
    }
    let mut problems = Vec::new();
    for file in programs(root()).into_iter().filter(|file| is_chosen(file)) {
        let Some(name) = tree::example_name(&file) else { continue };
        if !run.contains(&format!("--example {name} ")) {
            let what = format!("no console block runs `--example {name}`");
            problems.push(Problem { file, line: 1, what });
        }
    }
    expect_none(problems);
}

/// The test of the console blocks has run most of them already, and has asked the same of them.
#[test]
fn every_example_ends_by_itself_when_asked() {
    let documents = documents(root());
    let run: Vec<String> = documents.iter().flat_map(console::programs_run_once).collect();
    let mut others = programs(root());
    others.retain(|file| {
        let name = tree::example_name(file).filter(|name| !name.starts_with("wrong_"));
        is_chosen(file) && name.is_some_and(|name| !run.contains(&name))
    });
    let problems = side_by_side(others, |file| {
        let name = tree::example_name(&file)?;
        let run = CargoRun::parse(&format!("cargo run --quiet --example {name} -- --once"));
        let program = run.and_then(|run| run.at_port(free_port()).program(root(), false));
        let output = program.and_then(|program| program.run(root(), Duration::from_secs(60)));
        let what = match output {
            Err(why) => why,
            Ok(output) if output.success && output.stderr.is_empty() => return None,
            Ok(output) => format!("{ENDS_WELL}, but\n{}{}", output.stdout, output.stderr),
        };
        Some(Problem { file, line: 1, what })
    });
    expect_none(problems.into_iter().flatten().collect());
}
