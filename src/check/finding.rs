//! A finding: why a step did not pass, how bad that is, and the evidence.

use serde::Serialize;

use super::evidence::Evidence;
use super::received::Received;

/// The checker's judgement of one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The server keeps the rule.
    Pass,
    /// The server breaks a MUST.
    Fail,
    /// The server misses a SHOULD, or breaks a MUST that widely used servers break too.
    Warn,
    /// The step could not run. The finding says why.
    Skip,
}

/// The reason why a step did not pass. Boxed in [`Outcome`], because most steps pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub verdict: Verdict,
    /// What the checker had sent.
    pub sent: Vec<Evidence>,
    /// What the server had sent.
    pub received: Vec<Evidence>,
    /// What the server should have sent. Empty if there is nothing to add.
    pub expected: Vec<Evidence>,
    /// The mistake in plain words, and what to do about it.
    pub why: String,
    /// What came instead of an expected frame, if it is not one of the known mistakes. A step reads this when
    /// it can explain more.
    pub instead: Option<Received>,
    /// What Chrome writes to its console when it meets the same mistake.
    pub browser: Option<String>,
}

/// The result of a step: it passed, or there is a finding.
pub type Outcome = Result<(), Box<Finding>>;

impl Finding {
    /// A finding with verdict FAIL, for a broken MUST.
    pub fn fail(why: impl Into<String>) -> Box<Finding> {
        Box::new(Finding {
            verdict: Verdict::Fail,
            sent: Vec::new(),
            received: Vec::new(),
            expected: Vec::new(),
            why: why.into(),
            instead: None,
            browser: None,
        })
    }

    /// A finding with verdict WARN, for a missed SHOULD.
    pub fn warn(why: impl Into<String>) -> Box<Finding> {
        Finding::fail(why).at_most(Verdict::Warn)
    }

    /// A finding with verdict SKIP, for a step that could not run.
    pub fn skip(why: impl Into<String>) -> Box<Finding> {
        let mut finding = Finding::fail(why);
        finding.verdict = Verdict::Skip;
        finding
    }

    /// The same finding, but a FAIL becomes `verdict`.
    pub fn at_most(mut self: Box<Self>, verdict: Verdict) -> Box<Finding> {
        if self.verdict == Verdict::Fail {
            self.verdict = verdict;
        }
        self
    }

    /// Whether the server sent nothing, or not enough, where a frame was expected.
    pub fn received_too_little(&self) -> bool {
        self.instead.as_ref().is_some_and(Received::is_too_little)
    }

    /// Adds what the checker had sent.
    pub fn sent(mut self: Box<Self>, sent: Vec<Evidence>) -> Box<Finding> {
        self.sent = sent;
        self
    }

    /// Adds what the server had sent.
    pub fn received(mut self: Box<Self>, received: Vec<Evidence>) -> Box<Finding> {
        self.received = received;
        self
    }

    /// Adds a piece of evidence that was expected. Called again, it adds another.
    pub fn expected(mut self: Box<Self>, expected: Evidence) -> Box<Finding> {
        self.expected.push(expected);
        self
    }

    /// Adds what Chrome says.
    pub fn browser(mut self: Box<Self>, says: impl Into<String>) -> Box<Finding> {
        self.browser = Some(says.into());
        self
    }
}
