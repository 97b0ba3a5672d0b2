//! A step: the rule that it tests, the condition that it needs, and the function that runs it.

use super::finding::{Finding, Outcome, Verdict};
use super::target::Target;

/// A group of steps. Nine groups make the check.
#[derive(Debug)]
pub struct Group {
    /// The first part of its steps' numbers.
    pub number: &'static str,
    /// What the steps are about.
    pub title: &'static str,
    /// The section of RFC 6455 that most of the steps test, or `-`.
    pub rfc: &'static str,
    /// The chapter that explains it: a file below `tutorial`.
    pub tutorial: &'static str,
    /// The steps in the order in which they run, a slice for each file that has some.
    pub parts: &'static [&'static [Step]],
}

impl Group {
    /// The steps, in the order in which they run.
    pub fn steps(&self) -> impl Iterator<Item = &'static Step> + use<> {
        self.parts.iter().copied().flatten()
    }
}

/// One requirement, and how it is tested.
#[derive(Debug)]
pub struct Step {
    /// The number, such as `3.4`: the group, and the place in it.
    pub id: &'static str,
    /// The requirement in a few words.
    pub title: &'static str,
    /// The requirement in the words of its RFC. `None` where no RFC has one, as for this: a server must serve
    /// the other clients whatever one client does.
    pub rule: Option<Rule>,
    /// What must hold before the step can run.
    pub needs: Needs,
    /// Whether good clients need the requirement, or it protects against bad ones.
    pub purpose: Purpose,
    /// Tests the requirement on a connection of its own, and closes it, because the server may serve one
    /// client at a time.
    pub run: fn(&Target) -> Outcome,
}

/// A sentence of an RFC, or the part of one that matters, word for word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// The number of the RFC.
    pub document: u16,
    /// The section, such as `5.2`.
    pub section: &'static str,
    /// The words.
    pub words: &'static str,
}

/// The condition under which a step can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// This step has not failed.
    Passed(&'static str),
    /// These steps have not failed, and the server echoes messages.
    Echo(&'static [&'static str]),
    /// The checker can find out whether the server is still listening to it: by a message that comes back, or,
    /// without an echo, by waiting.
    Probe,
}

/// The purpose of a requirement. A server must first work with good clients and then resist bad ones, so its
/// author fixes the steps in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Well-behaved clients need it.
    Interop,
    /// It protects the server from bad clients.
    Hardening,
}

impl Step {
    /// A step that well-behaved clients need.
    pub const fn interop(
        id: &'static str,
        title: &'static str,
        run: fn(&Target) -> Outcome,
    ) -> Step {
        let needs = Needs::Nothing;
        Step { id, title, rule: None, needs, purpose: Purpose::Interop, run }
    }

    /// A step that protects the server from bad clients.
    pub const fn hardening(
        id: &'static str,
        title: &'static str,
        run: fn(&Target) -> Outcome,
    ) -> Step {
        Step { purpose: Purpose::Hardening, ..Step::interop(id, title, run) }
    }

    /// Adds what must hold before the step can run.
    pub const fn needs(self, needs: Needs) -> Step {
        Step { needs, ..self }
    }

    /// Adds the words of RFC 6455 that are tested.
    pub const fn rule(self, section: &'static str, words: &'static str) -> Step {
        self.rule_of(6455, section, words)
    }

    /// Adds the words of another RFC that are tested.
    pub const fn rule_of(self, document: u16, section: &'static str, words: &'static str) -> Step {
        Step { rule: Some(Rule { document, section, words }), ..self }
    }

    /// Where the rule stands, in short: a section of RFC 6455 such as `5.2`, a section of another RFC such as
    /// `RFC 9112 2.2`, or `-`.
    pub fn rfc(&self) -> String {
        match self.rule {
            Some(Rule { document: 6455, section, .. }) => section.to_owned(),
            Some(Rule { document, section, .. }) => format!("RFC {document} {section}"),
            None => "-".to_owned(),
        }
    }
}

/// A step that has run, or was skipped.
#[derive(Debug, Clone)]
pub struct StepResult {
    /// The step.
    pub step: &'static Step,
    /// How it went.
    pub verdict: Verdict,
    /// Why it did not pass. `None` if it did.
    pub finding: Option<Box<Finding>>,
}
