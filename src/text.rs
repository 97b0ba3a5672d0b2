//! Text for people: hex, counts, and lines that fit a terminal.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns of a line.
pub(crate) const COLUMNS: usize = 80;

/// Bytes as `48 65 6c 6c 6f`.
pub fn hex(bytes: &[u8]) -> String {
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(" ")
}

/// Text from a peer, with everything that is not plainly printable escaped.
pub fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let plain = c == '\'' || c == '"';
            if plain { vec![c] } else { c.escape_debug().collect() }
        })
        .collect()
}

pub(crate) fn count(bytes: u64) -> String {
    if bytes == 1 { "1 byte".to_owned() } else { format!("{bytes} bytes") }
}

/// As much of a text as so many columns hold; three dots say that something is missing.
pub(crate) fn fit(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut left = columns.saturating_sub(3);
    let mut shortened: String = text
        .chars()
        .take_while(|c| {
            let width = c.width().unwrap_or_default();
            let fits = width <= left;
            left = left.saturating_sub(width);
            fits
        })
        .collect();
    shortened.push_str("...");
    shortened
}

/// A sentence in lines, cut between words, and inside those that are longer than a line.
pub(crate) fn wrap(mark: &str, indent: &str, text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = mark.to_owned();
    let mut is_empty = true;
    for word in text.split(' ') {
        if !is_empty && line.width() + 1 + word.width() > COLUMNS {
            lines.push(std::mem::replace(&mut line, indent.to_owned()));
        } else if !is_empty {
            line.push(' ');
        }
        for c in word.chars() {
            if line.width() + c.width().unwrap_or_default() > COLUMNS {
                lines.push(std::mem::replace(&mut line, indent.to_owned()));
            }
            line.push(c);
        }
        is_empty = false;
    }
    lines.push(line);
    lines
}
