//! `chalkwire check`: runs the steps, and shows how it goes.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use argh::FromArgs;
use chalkwire::check;
use chalkwire::check::Only;
use chalkwire::check::finding::Verdict;
use chalkwire::check::report::{self, Report};
use chalkwire::check::target::Target;
use chalkwire::text::wants_color;

/// Test a WebSocket server that you wrote, in any language, and learn what is wrong with it. It should
/// send every message back. Exit code: 0 all is well, 1 a step failed, 2 it could not be tested.
#[derive(FromArgs)]
#[argh(subcommand, name = "check")]
pub struct Check {
    /// where the server is, such as ws://127.0.0.1:9000/
    #[argh(positional, arg_name = "url")]
    url: Option<String>,

    /// the result as JSON
    #[argh(switch)]
    json: bool,

    /// only this step, such as 3.4, or this chapter, such as 3; repeatable
    #[argh(option, arg_name = "id")]
    only: Vec<String>,

    /// show the steps, and test nothing
    #[argh(switch)]
    list: bool,

    /// a warning counts as a failure
    #[argh(switch)]
    strict: bool,

    /// the server does not send messages back: leave out the steps that need it
    #[argh(switch)]
    no_echo: bool,

    /// seconds an answer may take (default 2)
    #[argh(option, default = "2.0", arg_name = "secs")]
    timeout: f64,
}

/// It could not be tested.
pub const NOT_TESTED: u8 = 2;

impl Check {
    /// Runs it, and says on stdout what it found.
    pub fn run(&self) -> ExitCode {
        match self.try_run() {
            Ok(is_well) => ExitCode::from(u8::from(!is_well)),
            Err(why) => {
                crate::complain(&why);
                ExitCode::from(NOT_TESTED)
            }
        }
    }

    fn try_run(&self) -> Result<bool, String> {
        // Written with commas, or each by itself.
        let only: Vec<String> =
            self.only.iter().flat_map(|ids| ids.split(',')).map(str::to_owned).collect();
        let only = Only::of(&only)?;
        if self.list {
            say(&report::list(&only));
            return Ok(true);
        }
        let url = self.url.as_deref();
        let url = url.ok_or("which server? chalkwire check ws://127.0.0.1:9000/")?;
        if !(0.1..=60.0).contains(&self.timeout) {
            return Err("--timeout is 0.1 to 60 seconds".to_owned());
        }
        let timeout = Duration::from_secs_f64(self.timeout);
        let mut target = Target::new(url, timeout, !self.no_echo)?;
        check::reach(&mut target)?;

        let mut report = Report::new(&target, wants_color());
        if !self.json {
            say(&report.start(&only, &target));
        }
        let shows_progress = std::io::stderr().is_terminal();
        let progress = |text: &str| {
            if shows_progress {
                // Back to the start of the line, and what was there away.
                let _ = write!(std::io::stderr(), "\r\x1b[K{text}");
            }
        };
        let tried = check::run(
            &target,
            &only,
            |step| progress(&format!("{} {} ...", step.id, step.title)),
            |chapter, step, tried| {
                progress("");
                if !self.json {
                    say(&report.step(chapter, step, tried));
                }
            },
        );
        if self.json {
            say(&(report::json(&target, &tried, self.strict) + "\n"));
        } else {
            say(&report.end(&tried, self.strict));
        }
        Ok(tried.iter().all(|tried| match tried.verdict {
            Verdict::Pass | Verdict::Skip => true,
            Verdict::Warn => !self.strict,
            Verdict::Fail => false,
        }))
    }
}

/// Text on stdout, at once. Whoever asked may have stopped reading.
fn say(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}
