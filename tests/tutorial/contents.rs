//! What stands beside the chapters: the table of all of them, and the book's list.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::document::{Document, UPDATE, expect_none, write_line};
use crate::form;
use crate::tree::{chapters, files, is_planned, stem};
use crate::{root, updating};

/// The table in `tutorial/README.md` says of each chapter what its head says.
#[test]
fn the_contents_have_every_chapter() {
    let file = Path::new("tutorial/README.md");
    if !root().join(file).exists() {
        return;
    }
    let contents = Document::read(root(), file);
    let mut problems = Vec::new();
    for chapter in chapters(root()) {
        // A head that cannot be read is told of elsewhere.
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
        assert!(root().join(&file).exists() || is_planned(&file), "there is no {name}");
    }
    expect_none(problems);
}

/// mdBook leaves out what its table of contents does not name.
#[test]
fn the_summary_names_every_file() {
    let summary = root().join("tutorial/SUMMARY.md");
    let Ok(summary) = std::fs::read_to_string(summary) else { return };
    let links = summary.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let listed: BTreeSet<PathBuf> = links.map(|link| Path::new("tutorial").join(link)).collect();
    let mut there: BTreeSet<PathBuf> =
        ["tutorial", "tutorial/solutions"].iter().flat_map(|d| files(root(), d, "md")).collect();
    there.remove(Path::new("tutorial/SUMMARY.md"));
    let missing: Vec<_> = there.difference(&listed).collect();
    let extra: Vec<_> = listed.difference(&there).filter(|file| !is_planned(file)).collect();
    assert!(missing.is_empty() && extra.is_empty(), "it lacks {missing:?}, it has {extra:?}");
}
