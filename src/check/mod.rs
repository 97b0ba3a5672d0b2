//! Tells the author of a WebSocket server, in any language, which mistake it makes: `chalkwire check`.
//!
//! The server is asked to echo. Each step is one requirement of RFC 6455, tried with raw bytes on a
//! connection of its own. What comes is compared with what the known mistakes lead to, so that the
//! answer names the mistake and not only the difference.
//!
//! | module | what it does |
//! |---|---|
//! | [`target`] | where the server is |
//! | [`step`] | what a step is, and what it needs |
//! | [`request`], [`client`] | the handshake from the client's side; raw bytes out, whatever comes in |
//! | `handshake`, `refusals`, `echo`, `fragments`, `broken_rules`, `closing`, `tcp` | the steps |
//! | [`mistakes`] | the mistakes people make, by the bytes they lead to |
//! | [`finding`], [`report`] | what was found; as text, and as JSON |

pub mod client;
pub mod finding;
pub mod mistakes;
pub mod report;
pub mod request;
pub mod step;
mod steps;
pub mod target;

use std::collections::HashMap;
use std::time::Duration;

use client::{Client, Heard};
use finding::{Finding, Verdict};
use request::Request;
use step::{Chapter, Needs, Step};
use steps::{broken_rules, closing, echo, fragments, handshake, tcp};
use target::Target;

/// All steps.
pub static CHAPTERS: [Chapter; 9] = [
    chapter("1", "Opening handshake", "4", "03_handshake.md", handshake::STEPS),
    chapter("2", "Echo and masking", "5.3", "04_frames.md", echo::ECHO),
    chapter("3", "Lengths", "5.2", "04_frames.md", echo::LENGTHS),
    chapter("4", "Fragments", "5.4", "10_binary_and_fragments.md", fragments::FRAGMENTS),
    chapter("5", "Ping and Pong", "5.5.2", "11_heartbeat.md", fragments::PING_PONG),
    chapter("6", "Breaking the rules", "5", "14_hostile_clients.md", broken_rules::BROKEN_RULES),
    chapter("7", "UTF-8", "8.1", "10_binary_and_fragments.md", broken_rules::UTF8),
    chapter("8", "Closing", "7", "12_closing.md", closing::STEPS),
    chapter("9", "TCP manners", "-", "02_tcp_echo.md", tcp::STEPS),
];

const fn chapter(
    number: &'static str,
    title: &'static str,
    rfc: &'static str,
    tutorial: &'static str,
    steps: &'static [Step],
) -> Chapter {
    Chapter { number, title, rfc, tutorial, steps }
}

/// A step that has been tried, or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// The step's number.
    pub id: &'static str,
    /// How it went.
    pub verdict: Verdict,
    /// Why not better. None for what passed.
    pub finding: Option<Box<Finding>>,
}

/// Which steps run: these, or all where none is named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Only(Vec<String>);

impl Only {
    /// Chapters such as `3`, and steps such as `3.4`.
    ///
    /// # Errors
    /// When there is no such thing.
    pub fn of(ids: &[String]) -> Result<Only, String> {
        let steps = || CHAPTERS.iter().flat_map(|chapter| chapter.steps);
        let unknown = ids.iter().find(|id| !steps().any(|step| is_named(step, id)));
        match unknown {
            Some(id) => Err(format!("there is no step {id:?}; --list shows them")),
            None => Ok(Only(ids.to_vec())),
        }
    }

    /// Whether the step is among them.
    pub fn has(&self, step: &Step) -> bool {
        self.0.is_empty() || self.0.iter().any(|id| is_named(step, id))
    }
}

/// Whether `id` is the step's, or its chapter's.
fn is_named(step: &Step, id: &str) -> bool {
    step.id == id || step.id.split_once('.').is_some_and(|(chapter, _)| chapter == id)
}

/// How long a server takes to end that has seen its last client.
const ENDING: Duration = Duration::from_millis(100);

/// How long a greeting is waited for.
const GREETING: Duration = Duration::from_millis(100);

/// Whether there is a server to test, and whether it speaks first.
///
/// # Errors
/// A sentence that says why not.
pub fn reach(target: &mut Target) -> Result<(), String> {
    let host = target.host.clone();
    let stream = target.connect().map_err(|error| {
        format!("nothing answers at {host} ({error}). Is your server running, and on this port?")
    })?;
    let mut client = Client::over(stream, target).map_err(|finding| finding.why)?;
    client.send(&Request::new(target).encode());
    let answer = client.answer();
    let seconds = target.timeout.as_secs_f64();
    if answer.raw.is_empty() && !answer.ended {
        return Err(format!(
            "{host} takes connections, but answered nothing within {seconds} s. Does your server see the \
             blank line that ends the request, and send what it writes (flush)?"
        ));
    }
    // A TLS record: an alert (21) or a handshake message (22), of version 3.x.
    if matches!(answer.raw[..], [21 | 22, 3, ..]) {
        return Err(format!("{host} answers in TLS. This tests ws:// without it."));
    }
    if answer.status() == Some(101) {
        target.greets = matches!(client.hear_within(GREETING), Heard::Message(..));
    }
    Ok(())
}

/// Runs the steps, and tells of each as it ends. `before` is told of each as it begins.
pub fn run(
    target: &Target,
    only: &Only,
    mut before: impl FnMut(&Step),
    mut after: impl FnMut(&'static Chapter, &'static Step, &Tried),
) -> Vec<Tried> {
    let mut run = Run { target, verdicts: HashMap::new(), gone_after: None };
    let mut tried = Vec::new();
    for chapter in &CHAPTERS {
        for step in chapter.steps.iter().filter(|step| only.has(step)) {
            before(step);
            let result = run.step(step);
            after(chapter, step, &result);
            tried.push(result);
        }
    }
    tried
}

struct Run<'a> {
    target: &'a Target,
    /// Of the steps that have been tried: those asked for, and those that they need.
    verdicts: HashMap<&'static str, Verdict>,
    /// The step after which the server took no more connections.
    gone_after: Option<&'static str>,
}

impl Run<'_> {
    fn step(&mut self, step: &'static Step) -> Tried {
        let mut finding = match self.what_is_missing(step) {
            Some(why) => Some(Finding::skip(why)),
            None => (step.run)(self.target).err(),
        };
        if let Some(finding) = &mut finding
            && finding.verdict != Verdict::Skip
            && self.is_gone()
        {
            self.gone_after = Some(step.id);
            // What was said of a server that is still there no longer holds.
            let why = if finding.verdict == Verdict::Fail { &finding.why } else { "" };
            finding.why = format!(
                "Your server ended at this: nothing listens any more. Look at what it wrote on its own \
                 console. {why}"
            );
            finding.why.truncate(finding.why.trim_end().len());
            finding.verdict = Verdict::Fail;
        }
        let verdict = finding.as_ref().map_or(Verdict::Pass, |finding| finding.verdict);
        self.verdicts.insert(step.id, verdict);
        Tried { id: step.id, verdict, finding }
    }

    /// Whether the server has ended. It is given the time to. Whoever still takes the connection gets a
    /// request: one who leaves without a word ends some servers, and only 9.8 is about that.
    fn is_gone(&self) -> bool {
        std::thread::sleep(ENDING);
        let Ok(stream) = self.target.connect() else { return true };
        if let Ok(mut client) = Client::over(stream, self.target) {
            client.send(&Request::new(self.target).encode());
            client.answer();
        }
        false
    }

    /// Why the step cannot be tried.
    fn what_is_missing(&mut self, step: &Step) -> Option<String> {
        if let Some(id) = self.gone_after {
            return Some(format!("the server is gone since {id}"));
        }
        if matches!(step.needs, Needs::Echo(_)) && !self.target.echoes {
            return Some("needs messages to come back, and --no-echo says they do not".to_owned());
        }
        for needed in self.needed_by(step) {
            if let Verdict::Fail | Verdict::Skip = self.verdict_of(needed) {
                return Some(format!("needs {} to pass first", self.root_of(needed)));
            }
        }
        None
    }

    /// The steps that this one needs.
    fn needed_by(&self, step: &Step) -> Vec<&'static str> {
        match step.needs {
            Needs::Nothing => Vec::new(),
            Needs::Passed(id) => vec![id],
            Needs::Echo(ids) if step.id == "2.1" => ids.to_vec(),
            Needs::Echo(ids) => ["2.1"].iter().chain(ids).copied().collect(),
            Needs::Probe if self.target.echoes => vec!["2.1"],
            Needs::Probe => vec!["1.2"],
        }
    }

    /// How a step went that another needs. It is tried for that where it has not been.
    fn verdict_of(&mut self, id: &'static str) -> Verdict {
        if let Some(verdict) = self.verdicts.get(id) {
            return *verdict;
        }
        find(id).map_or(Verdict::Pass, |step| self.step(step).verdict)
    }

    /// The step at the beginning of what is missing.
    fn root_of(&mut self, id: &'static str) -> &'static str {
        let is_bad = |verdict| matches!(verdict, Verdict::Fail | Verdict::Skip);
        let before = match (self.verdicts.get(id), find(id)) {
            (Some(Verdict::Skip), Some(step)) => self.needed_by(step),
            _ => Vec::new(),
        };
        match before.into_iter().find(|before| is_bad(self.verdict_of(before))) {
            Some(before) => self.root_of(before),
            None => id,
        }
    }
}

/// The step with this number.
pub fn find(id: &str) -> Option<&'static Step> {
    CHAPTERS.iter().flat_map(|chapter| chapter.steps).find(|step| step.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_are_numbered_and_need_only_earlier_ones() {
        let mut earlier = Vec::new();
        for chapter in &CHAPTERS {
            for (place, step) in chapter.steps.iter().enumerate() {
                assert_eq!(step.id, format!("{}.{}", chapter.number, place + 1));
                assert!(step.title.len() <= 60, "{}", step.title);
                let needed: &[&str] = match &step.needs {
                    Needs::Passed(id) => std::slice::from_ref(id),
                    Needs::Echo(ids) => ids,
                    Needs::Nothing | Needs::Probe => &[],
                };
                for id in needed {
                    assert!(earlier.contains(id), "{} needs {id}", step.id);
                }
                earlier.push(step.id);
            }
        }
        assert!(earlier.len() >= 60, "{} steps", earlier.len());
    }

    #[test]
    fn a_chapter_or_a_step_can_be_chosen() {
        let chosen = |ids: &[&str]| -> Vec<&str> {
            let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
            let only = Only::of(&ids).expect("a step");
            let steps = CHAPTERS.iter().flat_map(|chapter| chapter.steps);
            steps.filter(|step| only.has(step)).map(|step| step.id).collect()
        };
        assert_eq!(chosen(&["3.1"]), ["3.1"]);
        assert_eq!(chosen(&["4.2", "3.1"]), ["3.1", "4.2"]);
        assert_eq!(chosen(&["3"]).len(), 10);
        assert_eq!(chosen(&[]).len(), chosen(&["1", "2", "3", "4", "5", "6", "7", "8", "9"]).len());
        for nothing in ["", "0", "10", "3.", "3.11", ".1", "x"] {
            assert!(Only::of(&[nothing.to_owned()]).is_err(), "{nothing}");
        }
    }
}
