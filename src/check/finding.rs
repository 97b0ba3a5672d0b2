//! What a step has found: the bytes, what was expected of them, and the mistake by its name.

use std::ops::Range;

use serde::Serialize;

use crate::text::printable;

/// Bytes of one line of evidence.
const SHOWN: usize = 16;

/// Bytes shown before a mark that lies further back.
const BEFORE_MARK: usize = 4;

/// What a step says of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Pass,
    /// A MUST is broken.
    Fail,
    /// A SHOULD is missed, or a MUST that widely used servers do not keep either.
    Warn,
    /// It could not be tried; the finding says why.
    Skip,
}

/// Why a step did not pass. Boxed in [`Outcome`], since most steps pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub verdict: Verdict,
    /// What the checker had sent.
    pub sent: Vec<Evidence>,
    /// What had come from the server.
    pub received: Vec<Evidence>,
    /// What should have come. Empty where there is nothing to add.
    pub expected: String,
    /// The mistake in plain words, and what it leads to.
    pub why: String,
    /// What Chrome writes to its console when it meets the same.
    pub browser: Option<String>,
}

/// What a step gives: nothing, or a finding.
pub type Outcome = Result<(), Box<Finding>>;

impl Finding {
    /// A broken MUST.
    pub fn fail(why: impl Into<String>) -> Box<Finding> {
        Box::new(Finding {
            verdict: Verdict::Fail,
            sent: Vec::new(),
            received: Vec::new(),
            expected: String::new(),
            why: why.into(),
            browser: None,
        })
    }

    /// A missed SHOULD.
    pub fn warn(why: impl Into<String>) -> Box<Finding> {
        Finding::fail(why).at_most(Verdict::Warn)
    }

    /// Not tried.
    pub fn skip(why: impl Into<String>) -> Box<Finding> {
        let mut finding = Finding::fail(why);
        finding.verdict = Verdict::Skip;
        finding
    }

    /// The same, but no worse than `verdict`.
    pub fn at_most(mut self: Box<Self>, verdict: Verdict) -> Box<Finding> {
        if self.verdict == Verdict::Fail {
            self.verdict = verdict;
        }
        self
    }

    /// Whether nothing came, or not enough.
    pub fn heard_too_little(&self) -> bool {
        self.received.iter().any(|evidence| evidence.shown.starts_with('('))
    }

    /// With what was expected.
    pub fn expected(mut self: Box<Self>, expected: impl Into<String>) -> Box<Finding> {
        self.expected = expected.into();
        self
    }

    /// With what had been sent.
    pub fn sent(mut self: Box<Self>, sent: Vec<Evidence>) -> Box<Finding> {
        self.sent = sent;
        self
    }

    /// With what had come.
    pub fn received(mut self: Box<Self>, received: Vec<Evidence>) -> Box<Finding> {
        self.received = received;
        self
    }

    /// With what Chrome says.
    pub fn browser(mut self: Box<Self>, says: impl Into<String>) -> Box<Finding> {
        self.browser = Some(says.into());
        self
    }
}

/// One line of what crossed the wire, with a mark under what is wrong in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The bytes in hex, or a line of HTTP.
    pub shown: String,
    /// What it is.
    pub note: String,
    /// The columns of `shown` that are wrong, and what is wrong with them.
    pub mark: Option<(Range<usize>, String)>,
}

impl Evidence {
    /// Bytes, with what they are. Of many, the first.
    pub fn bytes(bytes: &[u8], note: impl Into<String>) -> Evidence {
        Evidence { shown: window(bytes, 0), note: note.into(), mark: None }
    }

    /// Bytes of which those in `range` are wrong, as `what` says.
    pub fn marked(
        bytes: &[u8],
        note: impl Into<String>,
        range: Range<usize>,
        what: impl Into<String>,
    ) -> Evidence {
        let start = if range.end <= SHOWN { 0 } else { range.start.saturating_sub(BEFORE_MARK) };
        let lead = if start > 0 { 4 } else { 0 };
        let end = range.end.min(start + SHOWN).min(bytes.len()).max(range.start + 1);
        let columns = lead + (range.start - start) * 3..lead + (end - start) * 3 - 1;
        let shown = window(bytes, start);
        Evidence { shown, note: note.into(), mark: Some((columns, what.into())) }
    }

    /// A line of HTTP, or of anything that is text.
    pub fn line(text: &str) -> Evidence {
        Evidence { shown: printable(text), note: String::new(), mark: None }
    }

    /// The same line, with a mark under `part`, as far as that is in it.
    pub fn with_mark(mut self, part: &str, what: impl Into<String>) -> Evidence {
        let part = printable(part);
        if let Some(start) = self.shown.find(&part).filter(|_| !part.is_empty()) {
            self.mark = Some((start..start + part.len(), what.into()));
        }
        self
    }
}

/// Sixteen bytes from `start`, with dots for what is left out.
fn window(bytes: &[u8], start: usize) -> String {
    let rest = &bytes[start.min(bytes.len())..];
    let hex: Vec<String> = rest.iter().take(SHOWN).map(|byte| format!("{byte:02x}")).collect();
    let before = if start > 0 { "... " } else { "" };
    let after = if rest.len() > SHOWN { " ..." } else { "" };
    format!("{before}{}{after}", hex.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_stands_under_its_bytes() {
        let bytes: Vec<u8> = (0..40).collect();
        for range in [0..1, 2..4, 15..16, 16..18, 39..40] {
            let evidence = Evidence::marked(&bytes, "", range.clone(), "wrong");
            let (columns, _) = evidence.mark.expect("a mark");
            let hex: Vec<String> = bytes[range].iter().map(|b| format!("{b:02x}")).collect();
            assert_eq!(evidence.shown[columns], hex.join(" "));
        }
    }

    #[test]
    fn what_is_left_out_is_said() {
        assert_eq!(Evidence::bytes(&[1, 2], "").shown, "01 02");
        assert!(Evidence::bytes(&[7; 17], "").shown.ends_with("07 ..."));
        assert_eq!(Evidence::line("a\x1b[2J").shown, printable("a\x1b[2J"));
    }
}
