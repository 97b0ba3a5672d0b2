//! The lists beside the chapters: the table of contents, the book's list, and the list of examples.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::document::{Document, UPDATE, expect_none, write_line};
use crate::form;
use crate::tree::{EXAMPLES, chapters, files, folders, stem};
use crate::{root, updating};

/// The table in `tutorial/README.md` says the same of each chapter as the head of the chapter.
#[test]
fn the_contents_have_every_chapter() {
    let file = Path::new("tutorial/README.md");
    let contents = Document::read(root(), file);
    let mut problems = Vec::new();
    for chapter in chapters(root()) {
        // Another test reports a head that cannot be read.
        let Some(row) = form::row(&chapter) else { continue };
        let link = format!("]({}.md) | [", stem(&chapter.file));
        match contents.lines.iter().position(|line| line.contains(&link)) {
            None => problems.push(contents.problem(0, format!("lacks the row\n    {row}"))),
            Some(index) if contents.lines[index] == row => {}
            Some(index) if updating() => write_line(root(), file, index, &row),
            Some(index) => problems
                .push(contents.problem(index, format!("this row should be\n    {row}\n{UPDATE}"))),
        }
    }
    let names = contents.lines.iter().filter_map(|line| {
        let (_, rest) = line.strip_prefix("| [")?.split_once("](")?;
        rest.split_once(".md) | [").map(|(name, _)| name)
    });
    let listed: Vec<&str> = names.collect();
    assert!(listed.is_sorted(), "{listed:?}");
    for name in listed {
        let file = PathBuf::from(format!("tutorial/{name}.md"));
        assert!(root().join(&file).exists(), "there is no {name}");
    }
    expect_none(problems);
}

/// The table of examples has one row for each program, in order.
#[test]
fn the_examples_are_all_listed() {
    let table = Document::read(root(), Path::new(EXAMPLES));
    let rows = table.lines.iter().filter_map(|line| line.strip_prefix("| [`"));
    let listed: Vec<&str> =
        rows.filter_map(|row| row.split_once('|')).map(|cells| cells.0).collect();
    let expected = folders(root());
    let expected = expected.iter().map(|folder| stem(folder));
    let expected: Vec<String> = expected.map(|name| format!("{name}`]({name}/main.rs) ")).collect();
    assert_eq!(listed, expected);
}

/// mdBook leaves out a file that its table of contents does not name.
#[test]
fn the_summary_names_every_file() {
    let summary = root().join("tutorial/SUMMARY.md");
    let summary = std::fs::read_to_string(summary).expect("the summary");
    let links = summary.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let listed: BTreeSet<PathBuf> = links.map(|link| Path::new("tutorial").join(link)).collect();
    let mut there: BTreeSet<PathBuf> =
        ["tutorial", "tutorial/solutions"].iter().flat_map(|d| files(root(), d, "md")).collect();
    there.remove(Path::new("tutorial/SUMMARY.md"));
    let missing: Vec<_> = there.difference(&listed).collect();
    let extra: Vec<_> = listed.difference(&there).collect();
    assert!(missing.is_empty() && extra.is_empty(), "it lacks {missing:?}, it has {extra:?}");
}
