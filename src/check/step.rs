//! What a step is, and what has to be so before it makes sense.

use super::finding::Outcome;
use super::target::Target;

/// Nine of them make the check.
#[derive(Debug)]
pub struct Chapter {
    /// The first part of its steps' numbers.
    pub number: &'static str,
    /// What it is about.
    pub title: &'static str,
    /// Its sections of RFC 6455.
    pub rfc: &'static str,
    /// The chapter of the tutorial that explains it, below `tutorial`.
    pub tutorial: &'static str,
    /// In the order in which they run.
    pub steps: &'static [Step],
}

/// One requirement, and how it is tried.
#[derive(Debug)]
pub struct Step {
    /// Such as `3.4`: the chapter, and the place in it.
    pub id: &'static str,
    /// The requirement.
    pub title: &'static str,
    /// The section of RFC 6455 that has it.
    pub rfc: &'static str,
    /// What has to be so before.
    pub needs: Needs,
    /// What it is for.
    pub purpose: Purpose,
    /// Tries it on a connection of its own, which is closed at the end: a server may serve one at a
    /// time.
    pub run: fn(&Target) -> Outcome,
}

/// What has to be so before a step can be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// That this step has not failed.
    Passed(&'static str),
    /// That these steps have not failed, and that messages come back.
    Echo(&'static [&'static str]),
    /// That a probe can be sent: messages come back; or it is waited for instead.
    Probe,
}

/// A server is first made to talk, then to hold up. So is its author told what to mend first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Well-behaved clients need it.
    Talk,
    /// It keeps bad clients out.
    Hold,
}

impl Step {
    /// A step that well-behaved clients need.
    pub const fn talk(
        id: &'static str,
        title: &'static str,
        rfc: &'static str,
        needs: Needs,
        run: fn(&Target) -> Outcome,
    ) -> Step {
        Step { id, title, rfc, needs, purpose: Purpose::Talk, run }
    }

    /// A step that keeps bad clients out.
    pub const fn hold(
        id: &'static str,
        title: &'static str,
        rfc: &'static str,
        needs: Needs,
        run: fn(&Target) -> Outcome,
    ) -> Step {
        Step { id, title, rfc, needs, purpose: Purpose::Hold, run }
    }
}
