//! Evidence as text: bytes become hex, and a mark becomes columns.

use std::ops::Range;

use unicode_width::UnicodeWidthStr;

use crate::check::evidence::{Evidence, Mark};
use crate::text::{self, printable};

/// The most bytes on one line.
const MAX_BYTES: usize = 16;

/// Bytes that are shown before a mark, if the mark does not fit on the line otherwise.
const BEFORE_MARK: usize = 4;

/// The dots in place of the bytes before the first one that is shown.
const LEFT_OUT: &str = "... ";

/// A piece of evidence as text.
#[derive(Debug, PartialEq, Eq)]
pub struct Shown {
    /// The bytes in hex, a line of text, or a remark in parentheses.
    pub text: String,
    /// What the bytes are. Empty if there is nothing to say.
    pub note: String,
    /// The columns of `text` that are wrong, and what is wrong with them.
    pub mark: Option<(Range<usize>, String)>,
}

impl Shown {
    /// Makes text of evidence.
    pub fn new(evidence: &Evidence) -> Shown {
        match evidence {
            Evidence::Bytes { bytes, note, mark } => {
                let start = mark.as_ref().map_or(0, first_byte);
                let mark = mark
                    .as_ref()
                    .map(|mark| (hex_columns(bytes.len(), start, &mark.range), mark.what.clone()));
                Shown { text: hex(bytes, start), note: note.clone(), mark }
            }
            Evidence::Line { text, mark } => {
                let mark =
                    mark.as_ref().map(|mark| (text_columns(text, &mark.range), mark.what.clone()));
                Shown { text: printable(text), note: String::new(), mark }
            }
            Evidence::Remark(words) => {
                Shown { text: format!("({words})"), note: String::new(), mark: None }
            }
        }
    }

    /// Text and note on one line.
    pub fn line(&self) -> String {
        match &*self.note {
            "" => self.text.clone(),
            note => format!("{}  {note}", self.text),
        }
    }
}

/// The first byte to show, so that the mark is on the line.
fn first_byte(mark: &Mark) -> usize {
    if mark.range.end <= MAX_BYTES { 0 } else { mark.range.start.saturating_sub(BEFORE_MARK) }
}

/// The bytes from `start` on in hex, with dots for those that are left out.
fn hex(bytes: &[u8], start: usize) -> String {
    let rest = &bytes[start.min(bytes.len())..];
    let shown = text::hex(&rest[..rest.len().min(MAX_BYTES)]);
    let before = if start > 0 { LEFT_OUT } else { "" };
    let after = if rest.len() > MAX_BYTES { " ..." } else { "" };
    format!("{before}{shown}{after}")
}

/// The columns of the bytes in `range`, of `length` bytes shown in hex from `start` on.
fn hex_columns(length: usize, start: usize, range: &Range<usize>) -> Range<usize> {
    let left = if start > 0 { LEFT_OUT.len() } else { 0 };
    let end = range.end.min(start + MAX_BYTES).min(length).max(range.start + 1);
    left + (range.start - start) * 3..left + (end - start) * 3 - 1
}

/// The columns of the bytes in `range` of a text, when control characters are escaped.
fn text_columns(text: &str, range: &Range<usize>) -> Range<usize> {
    let width = |end: usize| printable(text.get(..end).unwrap_or(text)).width();
    width(range.start)..width(range.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_stands_under_its_bytes() {
        let bytes: Vec<u8> = (0..40).collect();
        for range in [0..1, 2..4, 15..16, 16..18, 39..40] {
            let shown = Shown::new(&Evidence::bytes(&bytes, "").with_mark(range.clone(), "wrong"));
            let (columns, _) = shown.mark.expect("a mark");
            let pairs: Vec<String> = bytes[range].iter().map(|b| format!("{b:02x}")).collect();
            assert_eq!(shown.text[columns], pairs.join(" "));
        }
        let shown = Shown::new(&Evidence::line("a\tbc").with_mark(2..3, "here"));
        assert_eq!(shown.text[shown.mark.expect("a mark").0], *"b");
    }

    #[test]
    fn bytes_that_are_left_out_become_dots() {
        assert_eq!(Shown::new(&Evidence::bytes(&[1, 2], "two")).line(), "01 02  two");
        assert!(Shown::new(&Evidence::bytes(&[7; 17], "")).text.ends_with("07 ..."));
    }

    #[test]
    fn text_from_the_server_cannot_control_the_terminal() {
        assert_eq!(Shown::new(&Evidence::line("a\x1b[2J")).text, printable("a\x1b[2J"));
        assert_eq!(Shown::new(&Evidence::remark("nothing")).line(), "(nothing)");
    }
}
