//! Runs the steps: each after those that it needs, and none after the server has gone.

use std::collections::HashMap;
use std::time::Duration;

use super::client::Client;
use super::finding::{Finding, Verdict};
use super::request::Request;
use super::selection::Selection;
use super::step::{Group, Needs, Step, StepResult};
use super::steps::find;
use super::target::Target;

/// How long a server may take to end after the client that ended it.
const ENDING: Duration = Duration::from_millis(100);

/// Runs the selected steps. Calls `before` when a step begins, and `after` when it has ended.
pub fn run(
    target: &Target,
    selection: &Selection,
    mut before: impl FnMut(&Step),
    mut after: impl FnMut(&'static Group, &StepResult),
) -> Vec<StepResult> {
    let mut runner = Runner { target, verdicts: HashMap::new(), gone_since: None };
    let mut results = Vec::new();
    for (group, step) in selection.steps() {
        before(step);
        let result = runner.run(step);
        after(group, &result);
        results.push(result);
    }
    results
}

struct Runner<'a> {
    target: &'a Target,
    /// The verdicts of the selected steps so far, and of the steps that they need.
    verdicts: HashMap<&'static str, Verdict>,
    /// The step after which the server accepted no more connections.
    gone_since: Option<&'static str>,
}

impl Runner<'_> {
    fn run(&mut self, step: &'static Step) -> StepResult {
        let mut finding = match self.why_skipped(step) {
            Some(why) => Some(Finding::skip(why)),
            None => (step.run)(self.target).err(),
        };
        if let Some(finding) = &mut finding
            && finding.verdict != Verdict::Skip
            && self.is_gone()
        {
            self.gone_since = Some(step.id);
            let ended = "Your server ended in this step, and nothing listens any more. Look at what it wrote on its own \
                         console.";
            // A warning is advice for a server that still runs.
            finding.why = match finding.verdict {
                Verdict::Fail => format!("{ended} {}", finding.why),
                _ => ended.to_owned(),
            };
            finding.verdict = Verdict::Fail;
        }
        let verdict = finding.as_ref().map_or(Verdict::Pass, |finding| finding.verdict);
        self.verdicts.insert(step.id, verdict);
        StepResult { step, verdict, finding }
    }

    /// Whether the server has ended. It gets some time to end first. If it accepts a connection, the checker sends
    /// a request, because some servers end when a client leaves in silence, and only step 9.8 is about that.
    fn is_gone(&self) -> bool {
        std::thread::sleep(ENDING);
        let Ok(stream) = self.target.connect() else { return true };
        if let Ok(mut client) = Client::over(stream, self.target) {
            client.send(&Request::new(self.target).encode());
            client.read_response();
        }
        false
    }

    /// The reason why the step cannot run. `None` if it can.
    fn why_skipped(&mut self, step: &Step) -> Option<String> {
        if let Some(id) = self.gone_since {
            return Some(format!("the server has been gone since step {id}"));
        }
        if matches!(step.needs, Needs::Echo(_)) && !self.target.echoes {
            return Some("needs an echo, and --no-echo says that there is none".to_owned());
        }
        for needed in self.needs_of(step) {
            if let Verdict::Fail | Verdict::Skip = self.verdict_of(needed) {
                return Some(format!("needs step {} to pass first", self.root_of(needed)));
            }
        }
        None
    }

    /// The steps that this step needs.
    fn needs_of(&self, step: &Step) -> Vec<&'static str> {
        match step.needs {
            Needs::Nothing => Vec::new(),
            Needs::Passed(id) => vec![id],
            Needs::Echo(ids) if step.id == "2.1" => ids.to_vec(),
            Needs::Echo(ids) => ["2.1"].iter().chain(ids).copied().collect(),
            Needs::Probe if self.target.echoes => vec!["2.1"],
            Needs::Probe => vec!["1.2"],
        }
    }

    /// The verdict of a step that another step needs. Runs the step if it has not run.
    fn verdict_of(&mut self, id: &'static str) -> Verdict {
        if let Some(verdict) = self.verdicts.get(id) {
            return *verdict;
        }
        find(id).map_or(Verdict::Pass, |step| self.run(step).verdict)
    }

    /// The failed step because of which step `id` was skipped, or `id` itself if it failed.
    fn root_of(&mut self, id: &'static str) -> &'static str {
        let is_bad = |verdict| matches!(verdict, Verdict::Fail | Verdict::Skip);
        let before = match (self.verdicts.get(id), find(id)) {
            (Some(Verdict::Skip), Some(step)) => self.needs_of(step),
            _ => Vec::new(),
        };
        match before.into_iter().find(|before| is_bad(self.verdict_of(before))) {
            Some(before) => self.root_of(before),
            None => id,
        }
    }
}
