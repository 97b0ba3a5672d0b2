//! Code in the text comes from a program: it is the lines between `ANCHOR: name` and `ANCHOR_END:
//! name`.

use std::path::{Path, PathBuf};

use crate::document::{Block, Document, Problem, UPDATE};

/// Languages whose blocks must come from a file.
pub const WOVEN: [&str; 4] = ["rust", "js", "html", "css"];

/// The name in a line such as `// ANCHOR: name` or `<!-- ANCHOR: name -->`.
fn marked<'a>(line: &'a str, mark: &str) -> Option<&'a str> {
    let inside = line.trim();
    let inside = inside.strip_prefix("//").or_else(|| inside.strip_prefix("<!--"))?;
    Some(inside.trim_end_matches("-->").trim().strip_prefix(mark)?.trim())
}

/// The names of all anchors of a source text, with the indexes of their lines.
pub fn anchors(source: &str) -> Vec<(usize, &str)> {
    let lines = source.lines().enumerate();
    lines.filter_map(|(n, line)| Some((n, marked(line, "ANCHOR:")?))).collect()
}

/// The lines of an anchor, or of the whole source, without the indentation that all share.
fn lines_of(source: &str, anchor: Option<&str>) -> Result<Vec<String>, String> {
    let mut lines: Vec<&str> = source.lines().collect();
    if let Some(name) = anchor {
        let find = |mark| lines.iter().position(|line| marked(line, mark) == Some(name));
        let begin = find("ANCHOR:").ok_or(format!("has no `ANCHOR: {name}`"))?;
        let end = find("ANCHOR_END:").ok_or(format!("has no `ANCHOR_END: {name}`"))?;
        if anchors(source).iter().filter(|(_, found)| *found == name).count() > 1 || end < begin {
            return Err(format!("must have `ANCHOR: {name}` once, and then its end"));
        }
        lines = lines[begin + 1..end].to_vec();
    }
    lines.retain(|line| marked(line, "ANCHOR:").or(marked(line, "ANCHOR_END:")).is_none());
    let full = lines.iter().filter(|line| !line.trim().is_empty());
    let shared = full.map(|line| line.len() - line.trim_start().len()).min().unwrap_or(0);
    Ok(lines.iter().map(|line| line.get(shared..).unwrap_or("").to_owned()).collect())
}

/// The file that a block's comment names, and the anchor in it.
pub fn source_of(block: &Block) -> Option<(PathBuf, Option<&str>)> {
    let named = block.comments.iter().find_map(|(_, text)| text.strip_prefix("code:"))?;
    let mut words = named.split_whitespace();
    Some((PathBuf::from(words.next()?), words.next()))
}

/// The lines that a block should have, or `None` for a block that does not come from a file.
pub fn expected(root: &Path, block: &Block) -> Result<Option<Vec<String>>, String> {
    let Some((file, anchor)) = source_of(block) else {
        return match WOVEN.contains(&&*block.language) {
            true => Err(format!(
                "a block of {} needs a line `<!-- code: FILE ANCHOR -->` above it",
                block.language
            )),
            false => Ok(None),
        };
    };
    let source = std::fs::read_to_string(root.join(&file))
        .map_err(|error| format!("{}: {error}", file.display()))?;
    let lines = lines_of(&source, anchor);
    lines.map(Some).map_err(|why| format!("{} {why}", file.display()))
}

/// Compares a block line by line with `same`, and reports the first line that differs.
pub fn compare(
    document: &Document,
    block: &Block,
    expected: &[String],
    origin: &str,
    same: impl Fn(&str, &str) -> bool,
) -> Option<Problem> {
    let found = document.content(block);
    let longest = found.len().max(expected.len());
    let n = (0..longest).find(|n| match (found.get(*n), expected.get(*n)) {
        (Some(found), Some(expected)) => !same(found, expected),
        _ => true,
    })?;
    let shown = |line: Option<&String>| match line {
        Some(line) => format!("`{line}`"),
        None => "the end of the block".to_owned(),
    };
    let index = (block.content.start + n).min(block.content.end);
    let what = format!(
        "the text has\n    {}\nbut {origin} has\n    {}\n{UPDATE}",
        shown(found.get(n)),
        shown(expected.get(n))
    );
    Some(document.problem(index, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "fn a() {\n    // ANCHOR: x\n    b();\n\n    // ANCHOR: y\n        c();\n    // ANCHOR_END: y\n    // ANCHOR_END: x\n}\n";

    #[test]
    fn an_anchor_is_cut_out_and_moved_to_the_left() {
        assert_eq!(lines_of(SOURCE, Some("x")).unwrap(), ["b();", "", "    c();"]);
        assert_eq!(lines_of(SOURCE, Some("y")).unwrap(), ["c();"]);
        assert_eq!(lines_of(SOURCE, None).unwrap().len(), 5);
        assert_eq!(anchors(SOURCE), [(1, "x"), (4, "y")]);
        assert_eq!(lines_of(SOURCE, Some("z")).unwrap_err(), "has no `ANCHOR: z`");
        assert!(lines_of("// ANCHOR: x\n", Some("x")).is_err());
        assert!(lines_of(&SOURCE.repeat(2), Some("x")).is_err());
        let html = "<!-- ANCHOR: p -->\n<p>\n<!-- ANCHOR_END: p -->\n";
        assert_eq!(lines_of(html, Some("p")).unwrap(), ["<p>"]);
    }

    #[test]
    fn a_changed_byte_is_reported_where_it_is() {
        let text = "# a\n\n<!-- code: a.rs x -->\n```rust\nb();\n\n    c()\n```\n";
        let document = Document::parse(Path::new("a.md"), text);
        let block = &document.blocks[0];
        assert_eq!(source_of(block), Some((PathBuf::from("a.rs"), Some("x"))));
        let lines = lines_of(SOURCE, Some("x")).unwrap();
        let problem = compare(&document, block, &lines, "a.rs", |a, b| a == b).expect("a problem");
        assert_eq!(problem.line, 7);
        assert!(problem.what.contains("`    c()`") && problem.what.contains("`    c();`"));
        let right = Document::parse(Path::new("a.md"), &text.replace("c()", "c();"));
        assert_eq!(compare(&right, &right.blocks[0], &lines, "a.rs", |a, b| a == b), None);
        let short = compare(&right, &right.blocks[0], &lines[..2], "a.rs", |a, b| a == b);
        assert_eq!(short.expect("one line too many").line, 7);
    }

    #[test]
    fn a_block_of_code_without_a_source_is_refused() {
        let document = Document::parse(Path::new("a.md"), "```rust\na\n```\n```text\nb\n```\n");
        assert!(expected(Path::new("."), &document.blocks[0]).is_err());
        assert_eq!(expected(Path::new("."), &document.blocks[1]), Ok(None));
    }
}
