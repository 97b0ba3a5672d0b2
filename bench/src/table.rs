//! The results as Markdown tables, and the place for the tables in bench/README.md.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::Duration;

use chalkwire_bench::Result;

use crate::rows::{ROWS, Row, SETS, Set};
use crate::server::Memory;

const BEGIN: &str = "<!-- table -->";
const END: &str = "<!-- /table -->";

/// The result of one server in one row.
pub enum Outcome {
    /// One entry for each round.
    Rounds(Vec<Round>),
    /// The result in the memory row.
    Memory(MemoryUse),
    /// The server could not be measured.
    Failed,
}

/// The result of one server in one round.
#[derive(Clone, Copy)]
pub struct Round {
    /// Messages per second; in the row `handshakes`, connections per second.
    pub rate: f64,
    /// Messages in the round, or connections.
    pub count: u64,
    /// CPU time that the server used in the round.
    pub cpu: Duration,
}

/// The memory of a server without clients and with idle clients.
#[derive(Clone, Copy)]
pub struct MemoryUse {
    /// How many clients there were.
    pub clients: usize,
    /// Memory before the clients connected.
    pub before: Memory,
    /// Memory when all clients were connected.
    pub idle: Memory,
    /// Memory when each client had sent one message and received its echo.
    pub after_traffic: Memory,
}

/// All results: for each row, the servers with their outcomes. Chalkwire is the first server.
pub struct Report {
    /// The rows, in the order of [`ROWS`].
    pub rows: Vec<(&'static Row, Vec<(String, Outcome)>)>,
}

impl Report {
    /// The tables, in which Chalkwire is compared with each server.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        for (set, heading) in SETS {
            let rows: Vec<_> = self.rows.iter().filter(|(row, _)| row.set == set).collect();
            let Some((row, outcomes)) = rows.first() else { continue };
            let lines = if set == Set::Memory {
                memory_lines(outcomes)
            } else {
                let header = ["", ""].into_iter().chain(outcomes.iter().map(|(name, _)| &**name));
                let mut lines = vec![header.map(str::to_owned).collect()];
                for (row, outcomes) in rows {
                    lines.extend(pace_lines(row, outcomes));
                }
                lines
            };
            let heading = if set == Set::Memory {
                format!("{heading}: {}. KiB per client", row.title)
            } else {
                heading.to_owned()
            };
            // Writing to a String does not fail.
            let _ = write!(text, "**{heading}**\n\n{}\n", lay_out(&lines));
        }
        text
    }

    /// Whether a server could not be measured in one of the rows.
    pub fn has_failures(&self) -> bool {
        let mut outcomes = self.rows.iter().flat_map(|(_, outcomes)| outcomes);
        outcomes.any(|(_, outcome)| matches!(outcome, Outcome::Failed))
    }
}

/// The lines of a row: messages per second, spread, ratio, CPU time.
fn pace_lines(row: &Row, outcomes: &[(String, Outcome)]) -> Vec<Vec<String>> {
    let unit = row.set.unit();
    let line = |title: &str, what: &str, cell: &dyn Fn(&[Round]) -> String| {
        let mut line = vec![title.to_owned(), what.to_owned()];
        line.extend(outcomes.iter().map(|(_, outcome)| match outcome {
            Outcome::Rounds(rounds) if !rounds.is_empty() => cell(rounds),
            _ => "failed".to_owned(),
        }));
        line
    };
    let ours = match outcomes.first() {
        Some((_, Outcome::Rounds(rounds))) => rounds.as_slice(),
        _ => &[],
    };
    let mut lines = vec![line(row.title, &format!("{unit}/s"), &|rounds| {
        thousands(median(rounds.iter().map(|round| round.rate)))
    })];
    if ours.len() > 1 {
        lines.push(line("", "± %", &|rounds| {
            let rates = || rounds.iter().map(|round| round.rate);
            let range = rates().fold(0.0, f64::max) - rates().fold(f64::INFINITY, f64::min);
            format!("{:.0}", 50.0 * range / median(rates()))
        }));
    }
    lines.push(line("", "ours ÷ theirs", &|rounds| {
        // Each round is compared with the same round of the other server, because whatever slows
        // the machine in a round slows both.
        let pairs = ours.iter().zip(rounds);
        ratio(median(pairs.map(|(ours, theirs)| ours.rate / theirs.rate)))
    }));
    lines.push(line("", &format!("CPU µs/{unit}"), &|rounds| {
        let cpu: Duration = rounds.iter().map(|round| round.cpu).sum();
        let count: u64 = rounds.iter().map(|round| round.count).sum();
        three_digits(cpu.as_secs_f64() * 1e6 / count as f64)
    }));
    lines
}

/// The memory table, in which each server has a line.
fn memory_lines(outcomes: &[(String, Outcome)]) -> Vec<Vec<String>> {
    let ours = match outcomes.first() {
        Some((_, Outcome::Memory(ours))) => Some(*ours),
        _ => None,
    };
    let header = [
        "",
        "idle: user memory",
        "and kernel stacks",
        "after traffic: user memory",
        "and kernel stacks",
        "ours ÷ theirs",
        "threads",
    ];
    let mut lines = vec![header.map(str::to_owned).to_vec()];
    for (name, outcome) in outcomes {
        let mut line = vec![name.clone()];
        if let Outcome::Memory(theirs) = outcome {
            line.extend([
                three_digits(theirs.kib(theirs.idle, |memory| memory.user)),
                three_digits(theirs.kib(theirs.idle, Memory::with_kernel_stacks)),
                three_digits(theirs.user_after_traffic()),
                three_digits(theirs.all_after_traffic()),
                ratio(ours.map_or(f64::NAN, |ours| {
                    ours.all_after_traffic() / theirs.all_after_traffic()
                })),
                theirs.after_traffic.threads.to_string(),
            ]);
        } else {
            line.resize(header.len(), "failed".to_owned());
        }
        lines.push(line);
    }
    lines
}

impl MemoryUse {
    /// KiB of user memory that each client costs after its message.
    pub fn user_after_traffic(self) -> f64 {
        self.kib(self.after_traffic, |memory| memory.user)
    }

    /// KiB that each client has added to the memory of the server.
    fn kib(self, now: Memory, bytes: impl Fn(Memory) -> u64) -> f64 {
        (bytes(now) as f64 - bytes(self.before) as f64) / 1024.0 / self.clients as f64
    }

    fn all_after_traffic(self) -> f64 {
        self.kib(self.after_traffic, Memory::with_kernel_stacks)
    }
}

/// A Markdown table that is easy to read on a terminal too.
fn lay_out(lines: &[Vec<String>]) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| {
        lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0).max(3)
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        for (column, (cell, &width)) in line.iter().zip(&widths).enumerate() {
            // Words stand on the left of their cell, figures on the right.
            let _ = if cell.is_empty() || column == 0 || number > 0 && is_label(cell) {
                write!(text, "| {cell:<width$} ")
            } else {
                write!(text, "| {cell:>width$} ")
            };
        }
        text.push_str("|\n");
        if number == 0 {
            for (column, &width) in widths.iter().enumerate() {
                let left = column == 0 || line[column].is_empty();
                let dashes = "-".repeat(width + 1);
                let _ = if left { write!(text, "|{dashes}-") } else { write!(text, "|{dashes}:") };
            }
            text.push_str("|\n");
        }
    }
    text
}

/// Whether a cell of the second column says what its line shows.
fn is_label(cell: &str) -> bool {
    ["± %", "ours ÷ theirs"].contains(&cell) || cell.ends_with("/s") || cell.starts_with("CPU")
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => (values[n / 2 - 1] + values[n / 2]) / 2.0,
    }
}

fn ratio(value: f64) -> String {
    if value.is_finite() { format!("{value:.2}") } else { "–".to_owned() }
}

fn thousands(value: f64) -> String {
    if value < 100.0 {
        return three_digits(value);
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn three_digits(value: f64) -> String {
    match value.abs() {
        size if size >= 1000.0 => thousands(value),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Writes the table between its markers in a file.
///
/// # Errors
/// When the file cannot be read or written, or has no markers.
pub fn write_into(path: &Path, table: &str) -> Result<()> {
    let text = fs::read_to_string(path)?;
    let text = replaced(&text, table)
        .ok_or_else(|| format!("{} has no place for the table", path.display()))?;
    Ok(fs::write(path, text)?)
}

fn replaced(text: &str, table: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{}\n{END}{after}", table.trim()))
}

/// The rows whose names are in the list, in the order of [`ROWS`]. Without a list, all rows.
///
/// # Errors
/// When the list has an unknown name.
pub fn chosen_rows(ids: Option<&str>) -> Result<Vec<&'static Row>> {
    let known: Vec<_> = ROWS.iter().map(|row| row.id).collect();
    let ids = chosen(ids, &known)?;
    Ok(ROWS.iter().filter(|row| ids.contains(&row.id)).collect())
}

/// The known names that are in the list, in their own order. Without a list, all names.
///
/// # Errors
/// When the list has an unknown name.
pub fn chosen<'name>(list: Option<&str>, known: &[&'name str]) -> Result<Vec<&'name str>> {
    let Some(list) = list else { return Ok(known.to_vec()) };
    let wanted: Vec<_> = list.split(',').filter(|name| !name.is_empty()).collect();
    if let Some(name) = wanted.iter().find(|name| !known.contains(name)) {
        return Err(format!("{name} is not one of {}", known.join(", ")).into());
    }
    Ok(known.iter().copied().filter(|name| wanted.contains(name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_few_digits() {
        assert_eq!(thousands(1_234_567.4), "1,234,567");
        assert_eq!(thousands(999.6), "1,000");
        assert_eq!(thousands(12.34), "12.3");
        assert_eq!(three_digits(4.567), "4.57");
        assert_eq!(three_digits(25_000.0), "25,000");
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0].into_iter()), 2.5);
    }

    #[test]
    fn the_table_is_written_between_its_markers() {
        let text = "a\n<!-- table -->\nold\n<!-- /table -->\nb\n";
        let new = replaced(text, "new\n");
        assert_eq!(new.as_deref(), Some("a\n<!-- table -->\nnew\n<!-- /table -->\nb\n"));
        assert_eq!(replaced("a", "new"), None);
    }

    #[test]
    fn a_list_may_have_only_known_names() {
        assert_eq!(chosen(Some("c,a"), &["a", "b", "c"]).unwrap(), ["a", "c"]);
        assert_eq!(chosen(None, &["a", "b"]).unwrap(), ["a", "b"]);
        assert!(chosen(Some("d"), &["a"]).is_err());
    }

    #[test]
    fn a_table_compares_chalkwire_with_each_server() {
        let round = |rate| Round { rate, count: 1000, cpu: Duration::from_millis(20) };
        let outcomes = vec![
            ("chalkwire".to_owned(), Outcome::Rounds(vec![round(3000.0)])),
            ("other".to_owned(), Outcome::Rounds(vec![round(2000.0)])),
            ("none".to_owned(), Outcome::Failed),
        ];
        let report = Report { rows: vec![(&ROWS[0], outcomes)] };
        let markdown = report.markdown();
        let line = |what: &str| -> Vec<String> {
            let line = markdown.lines().find(|line| line.contains(what)).unwrap();
            line.split('|').skip(3).map(|cell| cell.trim().to_owned()).collect()
        };
        assert_eq!(line("msg/s"), ["3,000", "2,000", "failed", ""]);
        assert_eq!(line("ours ÷ theirs"), ["1.00", "1.50", "failed", ""]);
        assert_eq!(line("CPU µs"), ["20.0", "20.0", "failed", ""]);
        assert!(report.has_failures());
    }
}
