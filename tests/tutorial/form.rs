//! Every chapter has the same form, so that a reader always knows where to look.

use std::path::Path;

use unicode_width::UnicodeWidthStr;

use crate::document::{Document, Problem};
use crate::tree::stem;

const SECTIONS: [&str; 10] = [
    "In this chapter",
    "See it first",
    "What goes wrong now",
    "One picture",
    "Build it",
    "On the wire",
    "When it breaks",
    "Exercise",
    "Still wrong",
    "Summary",
];

const NOTES: &str = "<details><summary>Teacher notes</summary>";

/// The prose lines of the section with this heading, the heading too.
fn section<'a>(document: &'a Document, heading: &str) -> Vec<(usize, &'a str)> {
    let begins = format!("## {heading}");
    let lines = document.prose().skip_while(|(_, line)| *line != begins).enumerate();
    let ends = |line: &str| line.starts_with("## ") || line == NOTES;
    lines.take_while(|(n, (_, line))| *n == 0 || !ends(line)).map(|(_, line)| line).collect()
}

/// Headings, bullets, steps, hints.
pub fn check(document: &Document) -> Vec<Problem> {
    let name = stem(&document.file);
    let mut problems = Vec::new();
    let mut complain = |index: usize, what: String| problems.push(document.problem(index, what));
    let line = |n: usize| document.lines.get(n).map_or("", String::as_str);
    if !line(0).starts_with(&format!("# {}. ", &name[..2])) {
        complain(0, format!("the title should be `# {}. …`", &name[..2]));
    }
    let head: Vec<&str> = line(2).split(" · ").collect();
    let example = format!("example [`{name}`](../examples/{name}/main.rs)");
    let is_head = head.len() >= 4
        && head[0].ends_with(" minutes")
        && head[1] == example
        && head[2].starts_with("opens [`")
        && head[3].starts_with("RFC 6455 section");
    if !is_head {
        let form = "45 minutes · example [`…`](…) · opens [`…`](…) · RFC 6455 sections …";
        complain(2, format!("this line should be `{form}`"));
    }
    let found: Vec<(usize, &str)> =
        document.prose().filter(|(_, line)| line.starts_with("## ") || *line == NOTES).collect();
    let expected = SECTIONS.iter().map(|name| format!("## {name}")).chain([NOTES.to_owned()]);
    for (n, expected) in expected.enumerate() {
        let (index, heading) = found.get(n).copied().unwrap_or((document.lines.len() - 1, ""));
        if heading != expected {
            complain(index, format!("here should come `{expected}`, not `{heading}`"));
            return problems;
        }
    }
    if let Some((index, heading)) = found.get(SECTIONS.len() + 1) {
        complain(*index, format!("`{heading}` is one heading too many"));
    }
    let mut count = |heading: &str, begin: &str, range: std::ops::RangeInclusive<usize>| {
        let lines = section(document, heading);
        let count = lines.iter().filter(|(_, line)| line.starts_with(begin)).count();
        if !range.contains(&count) {
            complain(lines[0].0, format!("{count} lines begin with `{begin}`, not {range:?}"));
        }
    };
    count("In this chapter", "- You can ", 3..=3);
    count("Build it", "### Step ", 3..=6);
    count("When it breaks", "### ", 2..=4);
    count("Exercise", "### ", 2..=2);
    problems.extend(steps(document));
    problems.extend(exercises(document, &name));
    problems
}

/// Steps count from 1, and there are no other headings between them.
fn steps(document: &Document) -> Option<Problem> {
    let lines = section(document, "Build it");
    let headings = lines.into_iter().filter(|(_, line)| line.starts_with("### "));
    let mut numbered = headings.zip(1..);
    let ((index, _), n) =
        numbered.find(|((_, line), n)| !line.starts_with(&format!("### Step {n}: ")))?;
    Some(document.problem(index, format!("this should be `### Step {n}: …`")))
}

/// A chapter has two exercises, a short one and a hard one, each with three hints and a solution.
fn exercises(document: &Document, name: &str) -> Vec<Problem> {
    let lines = section(document, "Exercise");
    let mut starts: Vec<usize> =
        (0..lines.len()).filter(|n| lines[*n].1.starts_with("### ")).collect();
    starts.push(lines.len());
    let mut problems = Vec::new();
    for (range, begin) in starts.windows(2).zip(["### 10 to 15 minutes: ", "### Hard: "]) {
        let (index, heading) = lines[range[0]];
        let mut complain = |what| problems.push(document.problem(index, what));
        if !heading.starts_with(begin) {
            complain(format!("this should be `{begin}…`"));
        }
        let text: Vec<&str> = lines[range[0]..range[1]].iter().map(|(_, line)| *line).collect();
        let text = text.join("\n");
        let hints = text.matches("<details>").count();
        if hints != 3 || text.matches("</details>").count() != 3 {
            complain(format!("an exercise has three hints in <details>, not {hints}"));
        }
        if !text.contains(&format!("](solutions/{name}.md")) {
            complain(format!("an exercise links to solutions/{name}.md"));
        }
    }
    problems
}

/// Counts the words outside of fences. A chapter must fit into one sitting.
pub fn check_length(document: &Document) -> Option<Problem> {
    let prose = document.prose().filter(|(_, line)| !line.trim_start().starts_with("<!--"));
    let words = prose.flat_map(|(_, line)| line.split_whitespace());
    let count = words.filter(|word| word.contains(char::is_alphanumeric)).count();
    let fits = (1200..=2000).contains(&count);
    (!fits).then(|| document.problem(0, format!("{count} words, and not 1,200 to 2,000")))
}

/// The widest line of a block, in columns: what rustfmt allows. A page shows about 90 without
/// scrolling.
const WIDEST: usize = 100;

/// Lines that are too wide for a page.
pub fn check_width(document: &Document) -> Vec<Problem> {
    let indexes = document.blocks.iter().flat_map(|block| block.content.clone());
    let widths = indexes.map(|index| (index, document.lines[index].width()));
    let wide = widths.filter(|(_, width)| *width > WIDEST);
    wide.map(|(index, width)| {
        document.problem(index, format!("{width} columns, and not {WIDEST} at most"))
    })
    .collect()
}

/// The cells of a table's row.
fn cells(line: &str) -> Vec<&str> {
    let inside = line.trim().trim_start_matches('|').trim_end_matches('|');
    inside.split('|').map(str::trim).collect()
}

/// The figure in the column of this name, for each row of each table that has such a column.
fn column<'a>(lines: impl Iterator<Item = &'a str>, name: &str) -> Vec<(&'a str, u32)> {
    let mut rows = Vec::new();
    let mut place = None;
    for line in lines {
        if !line.trim_start().starts_with('|') {
            place = None;
            continue;
        }
        let cells = cells(line);
        let named = cells.iter().position(|cell| cell.eq_ignore_ascii_case(name));
        place = named.or(place);
        let figure = place.and_then(|n| cells.get(n)?.trim_matches('*').parse().ok());
        rows.extend(figure.map(|figure| (line, figure)));
    }
    rows
}

/// The minutes at the head are those of the teacher notes together.
pub fn check_minutes(document: &Document) -> Option<Problem> {
    let head = document.lines.get(2).map_or("", String::as_str);
    let minutes: u32 = match head.split(' ').next().and_then(|word| word.parse().ok()) {
        Some(minutes) => minutes,
        None => return Some(document.problem(2, "this line should begin with the minutes")),
    };
    let notes = document.prose().skip_while(|(_, line)| *line != NOTES);
    let is_sum = |row: &str| {
        let first = cells(row)[0].trim_matches('*').to_lowercase();
        ["sum", "total", "together", "all"].contains(&&*first)
    };
    let rows = column(notes.map(|(_, line)| line), "minutes");
    let sum: u32 = rows.iter().filter(|(row, _)| !is_sum(row)).map(|(_, minutes)| minutes).sum();
    let what = format!("{minutes} minutes here, but {sum} together in the teacher notes");
    (sum != minutes).then(|| document.problem(2, what))
}

/// A chapter's row in the table of all chapters, made of its title and the line below.
pub fn row(document: &Document) -> Option<String> {
    let name = stem(&document.file);
    let title = document.lines.first()?.strip_prefix("# ")?;
    let mut head = document.lines.get(2)?.split(" · ");
    let minutes = head.next()?.strip_suffix(" minutes")?;
    let example = head.next()?.strip_prefix("example ")?;
    let opens = head.next()?.strip_prefix("opens ")?;
    let sections = head.next()?.strip_prefix("RFC 6455 section")?;
    let sections = sections.trim_start_matches('s').trim();
    Some(format!("| [{title}]({name}.md) | {example} | {opens} | {minutes} | {sections} |"))
}

#[test]
fn a_wide_line_is_reported_where_it_is() {
    let text = format!("```text\n{}\n{}─\n```\n", "─".repeat(100), "─".repeat(100));
    let problems = check_width(&Document::parse(Path::new("a.md"), &text));
    assert_eq!(problems.iter().map(|problem| problem.line).collect::<Vec<_>>(), [3]);
}

#[test]
fn a_missing_part_of_a_chapter_is_reported() {
    let exercise = |title: &str| {
        let hint = "<details><summary>Hint</summary>\n\nx\n</details>\n";
        format!("### {title}\n\n{}\n[Solution](solutions/03_x.md)\n\n", hint.repeat(3))
    };
    let mut text = "# 03. X\n\n45 minutes · example [`03_x`](../examples/03_x/main.rs) · opens [`src/a.rs`](../src/a.rs) · RFC 6455 section 1\n\n".to_owned();
    for name in SECTIONS {
        text += &format!("## {name}\n\n");
        text += &match name {
            "In this chapter" => "- You can x.\n".repeat(3),
            "Build it" => "### Step 1: a\n### Step 2: b\n### Step 3: c\n".to_owned(),
            "When it breaks" => "### a\n### b\n".to_owned(),
            "Exercise" => exercise("10 to 15 minutes: a") + &exercise("Hard: b"),
            _ => String::new(),
        };
    }
    text += &format!(
        "{NOTES}\n\n| section | minutes |\n|---|---|\n| a | 40 |\n| b | 5 |\n| **sum** | **45** |\n\n</details>\n"
    );
    let parse = |text: &str| Document::parse(Path::new("tutorial/03_x.md"), text);
    let row = row(&parse(&text)).unwrap();
    assert_eq!(
        row,
        "| [03. X](03_x.md) | [`03_x`](../examples/03_x/main.rs) | [`src/a.rs`](../src/a.rs) | 45 | 1 |"
    );
    assert_eq!(check(&parse(&text)), []);
    assert_eq!(check_minutes(&parse(&text)), None);
    assert!(check_length(&parse(&text)).is_some());
    assert!(check_length(&parse(&(text.clone() + &"word ".repeat(1500)))).is_none());
    for (from, to) in [
        ("# 03", "# 04"),
        ("opens", "closes"),
        ("## On the wire", "## On wires"),
        ("- You can x.\n", ""),
        ("Step 2", "Step 3"),
        ("### b\n", ""),
        ("Hard: ", "Easy: "),
        ("<details><summary>Hint", "<summary>Hint"),
        ("(solutions/03_x.md)", "(solutions/04_x.md)"),
    ] {
        assert_eq!(check(&parse(&text.replacen(from, to, 1))).len(), 1, "{from}");
    }
    for (from, to) in [("45 minutes", "50 minutes"), ("| 40 |", "| 30 |")] {
        assert!(check_minutes(&parse(&text.replacen(from, to, 1))).is_some());
    }
}
