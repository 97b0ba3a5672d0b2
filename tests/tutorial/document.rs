//! A Markdown file as the checks see it: its fenced blocks, the comments above them, and the rest.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// How to make the text follow the programs.
pub const UPDATE: &str = "UPDATE=1 cargo test --test tutorial writes it again";

/// Something wrong, and where.
#[derive(Debug, PartialEq, Eq)]
pub struct Problem {
    pub file: PathBuf,
    pub line: usize,
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.what)
    }
}

/// Fails if there are problems, and lists all of them.
pub fn expect_none(problems: Vec<Problem>) {
    let text: Vec<String> = problems.iter().map(Problem::to_string).collect();
    assert!(text.is_empty(), "\n\n{}\n", text.join("\n\n"));
}

/// One file, relative to the root of the repository.
pub struct Document {
    pub file: PathBuf,
    pub lines: Vec<String>,
    pub blocks: Vec<Block>,
}

/// A fenced block.
#[derive(Debug)]
pub struct Block {
    /// The word behind the fence.
    pub language: String,
    /// The texts of the comments right above the fence, with the indexes of their lines.
    pub comments: Vec<(usize, String)>,
    /// The index of the line with the fence.
    pub fence: usize,
    /// The indexes of the lines between the fences.
    pub content: Range<usize>,
    /// The spaces before the fence, for example in a list.
    indent: String,
}

impl Document {
    pub fn read(root: &Path, file: &Path) -> Document {
        let text = std::fs::read_to_string(root.join(file))
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        Document::parse(file, &text)
    }

    pub fn parse(file: &Path, text: &str) -> Document {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let mut blocks: Vec<Block> = Vec::new();
        let mut index = 0;
        while index < lines.len() {
            let line = lines[index].trim_start();
            let ticks = line.len() - line.trim_start_matches('`').len();
            if ticks < 3 {
                index += 1;
                continue;
            }
            let closes = |line: &String| {
                let line = line.trim();
                line.len() >= ticks && line.chars().all(|c| c == '`')
            };
            let length = lines[index + 1..].iter().position(closes);
            let end = length.map_or(lines.len(), |length| index + 1 + length);
            let indent = lines[index].len() - line.len();
            blocks.push(Block {
                language: line[ticks..].trim().to_owned(),
                comments: comments_above(&lines, index),
                fence: index,
                content: index + 1..end,
                indent: lines[index][..indent].to_owned(),
            });
            index = end + 1;
        }
        Document { file: file.to_owned(), lines, blocks }
    }

    /// The lines of a block as they are shown, without the indentation of the whole.
    pub fn content(&self, block: &Block) -> Vec<String> {
        let lines = self.lines[block.content.clone()].iter();
        lines.map(|line| line.strip_prefix(&*block.indent).unwrap_or(line).to_owned()).collect()
    }

    /// The lines outside of fences, with their indexes.
    pub fn prose(&self) -> impl Iterator<Item = (usize, &str)> {
        let inside = |n: usize| self.blocks.iter().any(|b| b.fence <= n && n <= b.content.end);
        let lines = self.lines.iter().enumerate();
        lines.filter(move |(n, _)| !inside(*n)).map(|(n, line)| (n, line.as_str()))
    }

    pub fn problem(&self, index: usize, what: impl Into<String>) -> Problem {
        Problem { file: self.file.clone(), line: index + 1, what: what.into() }
    }

    /// The whole text, with other lines in the `n`th block.
    fn with_block(&self, n: usize, lines: &[String]) -> String {
        let block = &self.blocks[n];
        let indented = lines.iter().map(|line| match line.is_empty() {
            true => String::new(),
            false => format!("{}{line}", block.indent),
        });
        let mut all = self.lines.clone();
        all.splice(block.content.clone(), indented);
        all.join("\n") + "\n"
    }
}

fn comments_above(lines: &[String], fence: usize) -> Vec<(usize, String)> {
    let inside =
        |line: &str| Some(line.trim().strip_prefix("<!--")?.strip_suffix("-->")?.trim().to_owned());
    let mut comments: Vec<(usize, String)> =
        (0..fence).rev().map_while(|n| Some((n, inside(&lines[n])?))).collect();
    comments.reverse();
    comments
}

/// With `UPDATE=1` several tests write the same files, so only one may write at a time.
static WRITING: Mutex<()> = Mutex::new(());

/// Writes the lines of the `n`th block of a file. Meanwhile other blocks may have changed, but not
/// their number.
pub fn write_block(root: &Path, file: &Path, n: usize, lines: &[String]) {
    let _writing = WRITING.lock();
    let text = Document::read(root, file).with_block(n, lines);
    write_whole(&root.join(file), &text);
}

/// Replaces a file at once, because other tests read it meanwhile.
fn write_whole(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, path)).expect("it is written");
}

/// Writes one line of a file.
pub fn write_line(root: &Path, file: &Path, index: usize, line: &str) {
    let _writing = WRITING.lock();
    let mut lines = Document::read(root, file).lines;
    lines[index] = line.to_owned();
    write_whole(&root.join(file), &(lines.join("\n") + "\n"));
}

#[test]
fn blocks_are_found_with_the_comments_above_them() {
    let text = "a\n<!-- fails -->\n<!-- while: x -->\n```console\n$ b\n```\n\n- c\n  ```text\n  d\n  ```\n";
    let document = Document::parse(Path::new("a.md"), text);
    let [first, second] = &document.blocks[..] else { panic!("{:?}", document.blocks) };
    assert_eq!(first.language, "console");
    assert_eq!(first.comments, [(1, "fails".to_owned()), (2, "while: x".to_owned())]);
    assert_eq!(document.content(first), ["$ b"]);
    assert_eq!(document.content(second), ["d"]);
    let prose: Vec<usize> = document.prose().map(|(n, _)| n).collect();
    assert_eq!(prose, [0, 1, 2, 6, 7]);
    let changed = document.with_block(1, &["e".to_owned(), String::new(), "f".to_owned()]);
    assert_eq!(changed, text.replace("  d\n", "  e\n\n  f\n"));
}
