//! What the check says: as text in 80 columns, and as JSON.

use std::collections::HashMap;
use std::fmt::Write;

use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use crate::blackboard::{printable, wrap};
use crate::check::finding::{Evidence, Finding, Verdict};
use crate::check::step::{Chapter, Step};
use crate::check::target::Target;
use crate::check::{CHAPTERS, Only, Tried, find};

/// Columns of a line.
const COLUMNS: usize = 80;

/// Where the lines below a step begin, and where what they say does.
const INDENT: &str = "        ";
const INDENT_TEXT: &str = "                  ";

/// The text, piece by piece as the steps end.
#[derive(Debug, Default)]
pub struct Report {
    url: String,
    is_painted: bool,
    chapter: Option<&'static str>,
    /// Skipped steps one after another for one reason: from, to, and why.
    skipped: Option<(&'static str, &'static str, String)>,
    /// Where each mistake was told of first.
    told: HashMap<String, &'static str>,
}

impl Report {
    /// A report on `target`, in colour or not.
    pub fn new(target: &Target, is_painted: bool) -> Report {
        Report { url: target.url.clone(), is_painted, ..Report::default() }
    }

    /// The lines before the first step.
    pub fn start(&self, only: &Only, target: &Target) -> String {
        let steps = CHAPTERS.iter().flat_map(|chapter| chapter.steps);
        let count = steps.filter(|step| only.has(step)).count();
        let steps = if count == 1 { "1 step".to_owned() } else { format!("{count} steps") };
        let echo = if target.echoes { " It should send every message back." } else { "" };
        let greets = if target.greets {
            "It greets each client: that message is passed over.\n"
        } else {
            ""
        };
        format!("Checking {}: {steps}.{echo}\n{greets}", printable(&self.url))
    }

    /// What there is to say when a step has ended.
    pub fn step(&mut self, chapter: &Chapter, step: &'static Step, tried: &Tried) -> String {
        let mut text = String::new();
        if self.chapter != Some(chapter.number) {
            text += &self.end_of_skipped();
            let title = format!("{} {}", chapter.number, chapter.title);
            let rfc = section(chapter.rfc);
            let gap = COLUMNS.saturating_sub(title.len() + rfc.len());
            let _ = writeln!(
                text,
                "\n{title}{}",
                if rfc.is_empty() { String::new() } else { format!("{:gap$}{rfc}", "") }
            );
            self.chapter = Some(chapter.number);
        }
        if let (Verdict::Skip, Some(finding)) = (tried.verdict, &tried.finding) {
            match &mut self.skipped {
                Some((_, to, why)) if *why == finding.why => *to = step.id,
                _ => {
                    text += &self.end_of_skipped();
                    self.skipped = Some((step.id, step.id, finding.why.clone()));
                }
            }
            return text;
        }
        text += &self.end_of_skipped();
        let _ = writeln!(text, "  {}  {:<4}  {}", self.word(tried.verdict), step.id, step.title);
        if let Some(finding) = &tried.finding {
            text += &self.details(chapter, step, finding);
        }
        text
    }

    fn end_of_skipped(&mut self) -> String {
        let Some((from, to, why)) = self.skipped.take() else { return String::new() };
        let steps = if from == to { from.to_owned() } else { format!("{from} to {to}") };
        format!("  {}  {steps}  {why}\n", self.word(Verdict::Skip))
    }

    fn details(&mut self, chapter: &Chapter, step: &'static Step, finding: &Finding) -> String {
        let mut lines = Vec::new();
        if let Some(earlier) = self.told.get(&finding.why) {
            lines.push(format!("{INDENT}why       the same as in {earlier}"));
        } else {
            self.told.insert(finding.why.clone(), step.id);
            evidence_lines("we sent", &finding.sent, &mut lines);
            evidence_lines("you sent", &finding.received, &mut lines);
            if !finding.expected.is_empty() {
                let (shown, note) =
                    finding.expected.split_once("  ").unwrap_or((&finding.expected, ""));
                let (shown, note) = (shown.to_owned(), note.to_owned());
                evidence_lines("expected", &[Evidence { shown, note, mark: None }], &mut lines);
            }
            let mut say = |label: &str, what: &str| {
                lines.extend(wrap(&format!("{INDENT}{label:<10}"), INDENT_TEXT, what));
            };
            say("why", &finding.why);
            if let Some(says) = &finding.browser {
                say("Chrome", &format!("says \"{says}\""));
            }
            let rule = match section(step.rfc) {
                rfc if rfc.is_empty() => String::new(),
                rfc => format!("{rfc}; "),
            };
            say("rule", &format!("{rule}tutorial/{}", chapter.tutorial));
        }
        lines.push(format!("{INDENT}again     chalkwire check {} --only {}", self.url, step.id));
        lines.join("\n") + "\n"
    }

    /// The lines after the last step.
    pub fn end(&mut self, all: &[Tried], strict: bool) -> String {
        let mut text = self.end_of_skipped();
        let count = Count::of(all);
        let steps = if all.len() == 1 { "1 step" } else { &format!("{} steps", all.len()) };
        let _ = write!(text, "\n{steps}: {} pass", count.pass);
        let warn = if strict { "warn, which counts as FAIL" } else { "warn" };
        for (number, word) in [(count.fail, "FAIL"), (count.warn, warn), (count.skip, "skipped")] {
            if number > 0 {
                let _ = write!(text, ", {number} {word}");
            }
        }
        text += ".\n";
        let first = first_to_fix(all, strict);
        let tried = all.iter().find(|tried| Some(tried.id) == first);
        if let Some((step, finding)) =
            first.and_then(find).zip(tried.and_then(|t| t.finding.as_ref()))
        {
            let _ = writeln!(text, "First to fix: {}, {}.", step.id, step.title);
            // It may be far above.
            if all.len() > 1 {
                text += &(wrap(INDENT, INDENT, &finding.why).join("\n") + "\n");
            }
        }
        text
    }

    /// A verdict. The colour only repeats the word.
    fn word(&self, verdict: Verdict) -> String {
        let (word, colour) = match verdict {
            Verdict::Pass => ("PASS", "32"),
            Verdict::Fail => ("FAIL", "1;31"),
            Verdict::Warn => ("WARN", "33"),
            Verdict::Skip => ("SKIP", "2"),
        };
        if self.is_painted { format!("\x1b[{colour}m{word}\x1b[0m") } else { word.to_owned() }
    }
}

/// `RFC 6455 section 5.2`, or nothing for what TCP asks.
fn section(rfc: &str) -> String {
    if rfc == "-" { String::new() } else { format!("RFC 6455 section {rfc}") }
}

fn evidence_lines(label: &str, evidence: &[Evidence], lines: &mut Vec<String>) {
    for (place, one) in evidence.iter().enumerate() {
        let label = if place == 0 { label } else { "" };
        let start = format!("{INDENT}{label:<10}");
        let line = format!("{start}{}", one.shown);
        let fits = line.width() + 3 + one.note.width() <= COLUMNS;
        if one.note.is_empty() {
            lines.extend(wrap(&start, INDENT_TEXT, &one.shown));
        } else if fits {
            lines.push(format!("{line}   {}", one.note));
        } else {
            lines.push(line);
            lines.push(format!("{INDENT_TEXT}{}", one.note));
        }
        if let Some((columns, what)) = &one.mark {
            let before = one.shown.get(..columns.start).map_or(columns.start, |text| text.width());
            let carets = "^".repeat(columns.len().max(1));
            let start = format!("{INDENT_TEXT}{:before$}{carets} ", "");
            lines.extend(
                wrap(&start, INDENT_TEXT, what).iter().map(|line| line.trim_end().to_owned()),
            );
        }
    }
}

#[derive(Debug, Default, Serialize)]
struct Count {
    pass: usize,
    fail: usize,
    warn: usize,
    skip: usize,
}

impl Count {
    fn of(all: &[Tried]) -> Count {
        let count = |verdict| all.iter().filter(|tried| tried.verdict == verdict).count();
        Count {
            pass: count(Verdict::Pass),
            fail: count(Verdict::Fail),
            warn: count(Verdict::Warn),
            skip: count(Verdict::Skip),
        }
    }
}

/// The step to mend first: of those that well-behaved clients need the first, then of the others; what is
/// only a warning comes last, and only with `strict`.
pub fn first_to_fix(all: &[Tried], strict: bool) -> Option<&'static str> {
    let is_bad = |tried: &&Tried| match tried.verdict {
        Verdict::Fail => true,
        Verdict::Warn => strict,
        Verdict::Pass | Verdict::Skip => false,
    };
    let bad = all.iter().filter(is_bad);
    let first = bad.min_by_key(|tried| {
        let purpose = find(tried.id).map(|step| step.purpose);
        (tried.verdict == Verdict::Warn, purpose)
    });
    first.map(|tried| tried.id)
}

/// The whole as JSON.
pub fn json(target: &Target, all: &[Tried], strict: bool) -> String {
    #[derive(Serialize)]
    struct Json<'a> {
        url: &'a str,
        steps: Vec<JsonStep<'a>>,
        summary: Summary,
    }
    #[derive(Serialize)]
    struct JsonStep<'a> {
        id: &'a str,
        title: &'a str,
        verdict: Verdict,
        rfc: &'a str,
        why: &'a str,
        sent: String,
        received: String,
        expected: &'a str,
    }
    #[derive(Serialize)]
    struct Summary {
        #[serde(flatten)]
        count: Count,
        first_to_fix: Option<&'static str>,
    }
    let steps = all.iter().filter_map(|tried| {
        let step = find(tried.id)?;
        let finding = tried.finding.as_deref();
        let shown = |evidence: &[Evidence]| -> String {
            let lines = evidence.iter().map(|one| match &*one.note {
                "" => one.shown.clone(),
                note => format!("{}  {note}", one.shown),
            });
            lines.collect::<Vec<String>>().join("\n")
        };
        Some(JsonStep {
            id: step.id,
            title: step.title,
            verdict: tried.verdict,
            rfc: step.rfc,
            why: finding.map_or("", |finding| &finding.why),
            sent: finding.map_or(String::new(), |finding| shown(&finding.sent)),
            received: finding.map_or(String::new(), |finding| shown(&finding.received)),
            expected: finding.map_or("", |finding| &finding.expected),
        })
    });
    let summary = Summary { count: Count::of(all), first_to_fix: first_to_fix(all, strict) };
    let json = Json { url: &target.url, steps: steps.collect(), summary };
    // Of strings and numbers only: it cannot fail.
    serde_json::to_string_pretty(&json).unwrap_or_default()
}

/// The steps, without a server.
pub fn list(only: &Only) -> String {
    let mut text = String::new();
    for chapter in &CHAPTERS {
        let mut steps = chapter.steps.iter().filter(|step| only.has(step)).peekable();
        if steps.peek().is_some() {
            let _ = writeln!(text, "{} {}", chapter.number, chapter.title);
        }
        for step in steps {
            let rfc = if step.rfc == "-" { "" } else { step.rfc };
            let _ = writeln!(text, "  {:<4}  {:<62}{rfc}", step.id, step.title);
        }
    }
    text
}
