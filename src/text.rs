//! Text for people: hex, counts, lines that fit a terminal, and whether the terminal wants colour.

use std::io::IsTerminal;

use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns of a line.
pub const COLUMNS: usize = 80;

/// Bytes in hex, as `48 65 6c 6c 6f`.
pub fn hex(bytes: &[u8]) -> String {
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(" ")
}

/// Text from a peer, with everything escaped that a terminal would not show as a plain character.
pub fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let is_quote = c == '\'' || c == '"';
            if is_quote { vec![c] } else { c.escape_debug().collect() }
        })
        .collect()
}

/// A number with its noun, as `1 byte` and `5 bytes`.
pub fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// The part of `text` that fits into `columns`. Three dots show that something was cut off.
pub fn fit(text: &str, columns: usize) -> String {
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

/// The lines of a sentence, at most [`COLUMNS`] wide: cut between words, and inside a word that is
/// longer than a line. The first line starts with `mark`, the others with `indent`.
pub fn wrap(mark: &str, indent: &str, text: &str) -> Vec<String> {
    let options = Options::new(COLUMNS)
        .initial_indent(mark)
        .subsequent_indent(indent)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation)
        .wrap_algorithm(WrapAlgorithm::FirstFit);
    textwrap::wrap(text, options).into_iter().map(String::from).collect()
}

/// Whether standard output is a terminal whose user wants colour (<https://no-color.org>).
pub fn wants_color() -> bool {
    let is_refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !is_refused && std::io::stdout().is_terminal()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_of_one_is_singular() {
        assert_eq!([0, 1, 2].map(|number| count(number, "byte")), ["0 bytes", "1 byte", "2 bytes"]);
    }

    #[test]
    fn control_characters_are_escaped_and_quotes_are_not() {
        assert_eq!(printable("it's \"ü\"\x1b[31m\n\u{202e}"), "it's \"ü\"\\u{1b}[31m\\n\\u{202e}");
    }

    #[test]
    fn text_is_cut_to_columns_not_to_characters() {
        assert_eq!(fit("short", 5), "short");
        assert_eq!(fit("longer", 5), "lo...");
        assert_eq!(fit("你好你好", 8), "你好你好");
        assert_eq!(fit("你好你好", 7), "你好...");
    }

    #[test]
    fn a_sentence_is_cut_between_words() {
        let sentence = format!("{} {}  {}", "a".repeat(40), "b".repeat(35), "c".repeat(35));
        assert_eq!(
            wrap("! ", "  ", &sentence),
            [format!("! {} {}", "a".repeat(40), "b".repeat(35)), format!("  {}", "c".repeat(35)),]
        );
        assert_eq!(wrap("! ", "  ", "two  spaces"), ["! two  spaces"]);
    }

    #[test]
    fn a_word_longer_than_a_line_is_cut_inside() {
        let lines = wrap("= ", "  ", &"你".repeat(100));
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|line| line.width() <= COLUMNS), "{lines:?}");
        assert_eq!(lines.concat().matches('你').count(), 100);
    }
}
