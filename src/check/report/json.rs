//! The results as JSON, for other programs: `chalkwire check --json`.

use serde::Serialize;

use super::shown::Shown;
use super::summary::{Counts, first_to_fix};
use crate::check::evidence::Evidence;
use crate::check::finding::Verdict;
use crate::check::step::StepResult;
use crate::check::target::Target;

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
    /// A section of RFC 6455, another RFC with its section, or `-`.
    rfc: String,
    /// The requirement in the words of the RFC. Empty where no RFC has one.
    requirement: &'a str,
    why: &'a str,
    sent: String,
    received: String,
    expected: String,
}

#[derive(Serialize)]
struct Summary {
    #[serde(flatten)]
    counts: Counts,
    first_to_fix: Option<&'static str>,
}

/// The results as JSON.
pub fn json(target: &Target, results: &[StepResult], strict: bool) -> String {
    let summary = Summary {
        counts: Counts::of(results),
        first_to_fix: first_to_fix(results, strict).map(|result| result.step.id),
    };
    let steps = results.iter().map(json_step).collect();
    // This consists of strings and numbers, so it cannot fail.
    serde_json::to_string_pretty(&Json { url: &target.url, steps, summary }).unwrap_or_default()
}

fn json_step(result: &StepResult) -> JsonStep<'_> {
    let finding = result.finding.as_deref();
    let lines = |evidence: &[Evidence]| -> String {
        let lines: Vec<String> = evidence.iter().map(|one| Shown::new(one).line()).collect();
        lines.join("\n")
    };
    JsonStep {
        id: result.step.id,
        title: result.step.title,
        verdict: result.verdict,
        rfc: result.step.rfc(),
        requirement: result.step.rule.map_or("", |rule| rule.words),
        why: finding.map_or("", |finding| &finding.why),
        sent: finding.map_or(String::new(), |finding| lines(&finding.sent)),
        received: finding.map_or(String::new(), |finding| lines(&finding.received)),
        expected: finding.map_or(String::new(), |finding| lines(&finding.expected)),
    }
}
