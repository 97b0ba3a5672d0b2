//! The results in figures, and what to fix first.

use serde::Serialize;

use crate::check::finding::Verdict;
use crate::check::step::StepResult;

/// The number of steps with each verdict.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub pass: usize,
    pub fail: usize,
    pub warn: usize,
    pub skip: usize,
}

impl Counts {
    /// Counts the verdicts.
    pub fn of(results: &[StepResult]) -> Counts {
        let count = |verdict| results.iter().filter(|result| result.verdict == verdict).count();
        Counts {
            pass: count(Verdict::Pass),
            fail: count(Verdict::Fail),
            warn: count(Verdict::Warn),
            skip: count(Verdict::Skip),
        }
    }
}

/// The step to fix first: the first failed one that well-behaved clients need, or else the first failed one. With
/// `strict` a warning can be the first, if nothing failed.
pub fn first_to_fix(results: &[StepResult], strict: bool) -> Option<&StepResult> {
    let is_bad = |result: &&StepResult| match result.verdict {
        Verdict::Fail => true,
        Verdict::Warn => strict,
        Verdict::Pass | Verdict::Skip => false,
    };
    let bad = results.iter().filter(is_bad);
    bad.min_by_key(|result| (result.verdict == Verdict::Warn, result.step.purpose))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::steps::find;

    fn results(verdicts: &[(&str, Verdict)]) -> Vec<StepResult> {
        let result = |&(id, verdict): &(&str, Verdict)| StepResult {
            step: find(id).expect("a step"),
            verdict,
            finding: None,
        };
        verdicts.iter().map(result).collect()
    }

    #[test]
    fn what_good_clients_need_is_fixed_first_and_warnings_last() {
        let first = |verdicts: &[(&str, Verdict)], strict| {
            first_to_fix(&results(verdicts), strict).map(|result| result.step.id)
        };
        let all = [
            ("1.4", Verdict::Pass),
            ("1.12", Verdict::Warn),
            ("1.15", Verdict::Fail),
            ("1.16", Verdict::Fail),
            ("2.3", Verdict::Fail),
            ("2.4", Verdict::Skip),
        ];
        assert_eq!(first(&all, false), Some("2.3"));
        assert_eq!(first(&all[..4], true), Some("1.15"));
        assert_eq!(first(&all[..2], true), Some("1.12"));
        assert_eq!(first(&all[..2], false), None);
        let counts = Counts { pass: 1, fail: 3, warn: 1, skip: 1 };
        assert_eq!(Counts::of(&results(&all)), counts);
    }
}
