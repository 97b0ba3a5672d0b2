//! `chalkwire check`: runs the steps, and shows the results.

use std::error::Error;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use argh::FromArgs;
use chalkwire::check;
use chalkwire::check::Selection;
use chalkwire::check::finding::Verdict;
use chalkwire::check::report::{self, TextReport};
use chalkwire::check::target::Target;
use chalkwire::text::wants_color;

use crate::output::{complain, print};

/// Test a WebSocket server that you wrote, in any language, and learn what is wrong with it. Your
/// server should send every message back. Exit code: 0 no step failed, 1 a step failed, 2 your server
/// could not be tested.
#[derive(FromArgs)]
#[argh(subcommand, name = "check")]
pub struct Check {
    /// the address of your server, such as ws://127.0.0.1:9000/
    #[argh(positional, arg_name = "url")]
    url: Option<String>,

    /// print the results as JSON
    #[argh(switch)]
    json: bool,

    /// run only this step, such as 3.4, or this group of steps, such as 3; repeatable
    #[argh(option, arg_name = "id")]
    only: Vec<String>,

    /// list the steps, and test nothing
    #[argh(switch)]
    list: bool,

    /// treat warnings as failures
    #[argh(switch)]
    strict: bool,

    /// your server does not send messages back: skip the steps that need an echo
    #[argh(switch)]
    no_echo: bool,

    /// seconds that your server may take for an answer (default 2)
    #[argh(option, default = "2.0", arg_name = "secs")]
    timeout: f64,
}

/// The exit code for a server that could not be tested.
pub const NOT_TESTED: u8 = 2;

impl Check {
    /// Runs the check, and writes the results to stdout.
    pub fn run(&self) -> ExitCode {
        match self.try_run() {
            Ok(is_well) => ExitCode::from(u8::from(!is_well)),
            Err(error) => {
                complain(&error.to_string());
                ExitCode::from(NOT_TESTED)
            }
        }
    }

    fn try_run(&self) -> Result<bool, Box<dyn Error>> {
        // `--only 3,4` means the same as `--only 3 --only 4`.
        let only: Vec<String> =
            self.only.iter().flat_map(|ids| ids.split(',')).map(str::to_owned).collect();
        let selection = Selection::new(&only)?;
        if self.list {
            print(&report::list(&selection));
            return Ok(true);
        }
        let url = self.url.as_deref();
        let url = url.ok_or("which server? Name it as in: chalkwire check ws://127.0.0.1:9000/")?;
        if !(0.1..=60.0).contains(&self.timeout) {
            return Err("--timeout must be 0.1 to 60 seconds".into());
        }
        let timeout = Duration::from_secs_f64(self.timeout);
        let mut target = Target::new(url, timeout, !self.no_echo)?;
        check::probe(&mut target)?;

        let mut report = TextReport::new(&target, wants_color());
        if !self.json {
            print(&report.start(&selection, &target));
        }
        let shows_progress = std::io::stderr().is_terminal();
        let progress = |text: &str| {
            if shows_progress {
                // Return to the start of the line, and clear it.
                let _ = write!(std::io::stderr(), "\r\x1b[K{text}");
            }
        };
        let results = check::run(
            &target,
            &selection,
            |step| progress(&format!("{} {} ...", step.id, step.title)),
            |group, result| {
                progress("");
                if !self.json {
                    print(&report.step(group, result));
                }
            },
        );
        if self.json {
            print(&(report::json(&target, &results, self.strict) + "\n"));
        } else {
            print(&report.end(&results, self.strict));
        }
        Ok(results.iter().all(|result| match result.verdict {
            Verdict::Pass | Verdict::Skip => true,
            Verdict::Warn => !self.strict,
            Verdict::Fail => false,
        }))
    }
}
