//! Links lead to files that are there, and to headings in them.

use std::path::Path;

use crate::document::{Document, Problem};

/// The targets of the links of a line.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    let outside = without_code(line);
    // Text in backticks is not a link, but the text of a link may be in backticks.
    outside.into_iter().filter_map(|rest| rest.strip_prefix("](")?.split(')').next())
}

/// The rests of a line that start at a `](` outside of backticks.
fn without_code(line: &str) -> Vec<&str> {
    let mut within = false;
    let mut found = Vec::new();
    for (n, c) in line.char_indices() {
        match c {
            '`' => within = !within,
            ']' if !within && line[n..].starts_with("](") => found.push(&line[n..]),
            _ => {}
        }
    }
    found
}

/// The name of a heading in a link, as code hosts make it.
pub fn slug(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn headings(document: &Document) -> impl Iterator<Item = String> {
    let lines = document.prose().filter(|(_, line)| line.starts_with('#'));
    lines.map(|(_, line)| slug(line.trim_start_matches('#')))
}

/// Checks all links of a document.
pub fn check(root: &Path, document: &Document) -> Vec<Problem> {
    let directory = document.file.parent().unwrap_or(Path::new(""));
    let mut problems = Vec::new();
    for (index, line) in document.prose() {
        for target in targets(line) {
            if target.starts_with("http://") || target.starts_with("https://") {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let path = match file {
                "" => document.file.clone(),
                file => directory.join(file),
            };
            let exists = root.join(&path).exists();
            if target.starts_with('/') || !exists {
                let what = format!("`{target}` leads nowhere: there is no {}", path.display());
                problems.push(document.problem(index, what));
            } else if !heading.is_empty() {
                let there = Document::read(root, &path);
                if !headings(&there).any(|found| found == heading) {
                    let what = format!("{} has no heading for `#{heading}`", path.display());
                    problems.push(document.problem(index, what));
                }
            }
        }
    }
    problems
}

#[test]
fn a_dead_link_is_reported_where_it_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text =
        "# A b, `c`!\n[x](../README.md) `[no](link)`\n[`y`](nowhere.md) [z](#a-b-c) [w](#d)\n";
    let document = Document::parse(Path::new("src/a.md"), text);
    assert_eq!(targets("[a](b) [c](d)").collect::<Vec<_>>(), ["b", "d"]);
    assert_eq!(slug(" A b, `c`!"), "a-b-c");
    let without_headings = text.replace("(#a-b-c) [w](#d)", "");
    let problems = check(root, &Document::parse(&document.file, &without_headings));
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].line, 3);
    let found: Vec<String> = headings(&document).collect();
    assert_eq!(found, ["a-b-c"]);
}
