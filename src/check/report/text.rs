//! The results as text, step by step while they come.

use std::collections::HashMap;
use std::fmt::Write;

use unicode_width::UnicodeWidthStr;

use super::shown::Shown;
use super::summary::{Counts, first_to_fix};
use crate::check::evidence::Evidence;
use crate::check::finding::{Finding, Verdict};
use crate::check::selection::Selection;
use crate::check::step::{Group, Rule, Step, StepResult};
use crate::check::target::Target;
use crate::text::{COLUMNS, printable, wrap};

/// The space before the label of a line below a step.
const INDENT: &str = "        ";

/// The space before the text behind a label, on its second line and the next ones.
const INDENT_TEXT: &str = "                  ";

/// The report as text. It remembers what it has already said.
#[derive(Debug, Default)]
pub struct TextReport {
    url: String,
    has_colors: bool,
    /// The number of the group whose title was written last.
    group: Option<&'static str>,
    /// Steps that were skipped one after another for the same reason: the first, the last, and why.
    skipped: Option<(&'static str, &'static str, String)>,
    /// The explanations so far, each with the step that had it first.
    explained: HashMap<String, &'static str>,
}

impl TextReport {
    /// A report on `target`.
    pub fn new(target: &Target, has_colors: bool) -> TextReport {
        TextReport { url: target.url.clone(), has_colors, ..TextReport::default() }
    }

    /// The lines before the first step.
    pub fn start(&self, selection: &Selection, target: &Target) -> String {
        let steps = step_count(selection.steps().count());
        let echo = if target.echoes { "Your server should send every message back.\n" } else { "" };
        let greeting = if target.greets {
            "Your server greets each client. The check ignores that first message.\n"
        } else {
            ""
        };
        format!("Checking {}: {steps}.\n{echo}{greeting}", printable(&self.url))
    }

    /// The lines about a step that has ended. A skipped step is held back, because the next may be skipped for
    /// the same reason.
    pub fn step(&mut self, group: &Group, result: &StepResult) -> String {
        let mut text = String::new();
        if self.group != Some(group.number) {
            text += &self.end_of_skipped();
            text += &title_line(group);
            self.group = Some(group.number);
        }
        let step = result.step;
        if let (Verdict::Skip, Some(finding)) = (result.verdict, &result.finding) {
            match &mut self.skipped {
                Some((_, last, why)) if *why == finding.why => *last = step.id,
                _ => {
                    text += &self.end_of_skipped();
                    self.skipped = Some((step.id, step.id, finding.why.clone()));
                }
            }
            return text;
        }
        text += &self.end_of_skipped();
        let _ = writeln!(text, "  {}  {:<4}  {}", self.word(result.verdict), step.id, step.title);
        if let Some(finding) = &result.finding {
            text += &self.details(group, step, finding);
        }
        text
    }

    /// The line about the skipped steps that were held back.
    fn end_of_skipped(&mut self) -> String {
        let Some((first, last, why)) = self.skipped.take() else { return String::new() };
        let steps = if first == last { first.to_owned() } else { format!("{first} to {last}") };
        format!("  {}  {steps}  {why}\n", self.word(Verdict::Skip))
    }

    /// The evidence, the explanation and the rule. A repeated explanation only points to the first one.
    fn details(&mut self, group: &Group, step: &'static Step, finding: &Finding) -> String {
        let mut lines = Vec::new();
        if let Some(earlier) = self.explained.get(&finding.why) {
            lines.push(format!("{INDENT}why       the same as in step {earlier}"));
        } else {
            self.explained.insert(finding.why.clone(), step.id);
            evidence_lines("we sent", &finding.sent, &mut lines);
            evidence_lines("you sent", &finding.received, &mut lines);
            evidence_lines("expected", &finding.expected, &mut lines);
            let mut push = |label: &str, what: &str| {
                lines.extend(wrap(&format!("{INDENT}{label:<10}"), INDENT_TEXT, what));
            };
            push("why", &finding.why);
            if let Some(says) = &finding.browser {
                push("Chrome", &format!("says \"{says}\""));
            }
            if let Some(Rule { document, section, words }) = step.rule {
                push("rule", &format!("RFC {document} section {section}: \"{words}\""));
            }
            push("read", &format!("tutorial/{}", group.tutorial));
        }
        lines.push(format!("{INDENT}again     chalkwire check {} --only {}", self.url, step.id));
        lines.join("\n") + "\n"
    }

    /// The lines after the last step.
    pub fn end(&mut self, results: &[StepResult], strict: bool) -> String {
        let mut text = self.end_of_skipped();
        let counts = Counts::of(results);
        let _ = write!(text, "\n{}: {} pass", step_count(results.len()), counts.pass);
        let warn = if strict { "warn, which counts as FAIL" } else { "warn" };
        for (number, word) in [(counts.fail, "FAIL"), (counts.warn, warn), (counts.skip, "skipped")]
        {
            if number > 0 {
                let _ = write!(text, ", {number} {word}");
            }
        }
        text += ".\n";
        if let Some(first) = first_to_fix(results, strict) {
            let _ = writeln!(text, "First to fix: {}, {}.", first.step.id, first.step.title);
            // The explanation may have scrolled away.
            if let (Some(finding), 2..) = (&first.finding, results.len()) {
                text += &(wrap(INDENT, INDENT, &finding.why).join("\n") + "\n");
            }
        }
        text
    }

    /// A verdict as a word. The colour only repeats the word.
    fn word(&self, verdict: Verdict) -> String {
        let (word, color) = match verdict {
            Verdict::Pass => ("PASS", "32"),
            Verdict::Fail => ("FAIL", "1;31"),
            Verdict::Warn => ("WARN", "33"),
            Verdict::Skip => ("SKIP", "2"),
        };
        if self.has_colors { format!("\x1b[{color}m{word}\x1b[0m") } else { word.to_owned() }
    }
}

/// A number of steps, as in `1 step` or `108 steps`.
fn step_count(steps: usize) -> String {
    if steps == 1 { "1 step".to_owned() } else { format!("{steps} steps") }
}

/// The title of a group, with its section of RFC 6455 on the right.
fn title_line(group: &Group) -> String {
    let title = format!("{} {}", group.number, group.title);
    if group.rfc == "-" {
        return format!("\n{title}\n");
    }
    let rfc = format!("RFC 6455 section {}", group.rfc);
    let gap = COLUMNS.saturating_sub(title.len() + rfc.len());
    format!("\n{title}{:gap$}{rfc}\n", "")
}

fn evidence_lines(label: &str, evidence: &[Evidence], lines: &mut Vec<String>) {
    for (position, one) in evidence.iter().enumerate() {
        let shown = Shown::new(one);
        let label = if position == 0 { label } else { "" };
        let start = format!("{INDENT}{label:<10}");
        let line = format!("{start}{}", shown.text);
        let fits = line.width() + 3 + shown.note.width() <= COLUMNS;
        if shown.note.is_empty() {
            lines.extend(wrap(&start, INDENT_TEXT, &shown.text));
        } else if fits {
            lines.push(format!("{line}   {}", shown.note));
        } else {
            lines.push(line);
            lines.push(format!("{INDENT_TEXT}{}", shown.note));
        }
        if let Some((columns, what)) = &shown.mark {
            let carets = "^".repeat(columns.len().max(1));
            let start = format!("{INDENT_TEXT}{:1$}{carets} ", "", columns.start);
            let marked = wrap(&start, INDENT_TEXT, what);
            lines.extend(marked.iter().map(|line| line.trim_end().to_owned()));
        }
    }
}
