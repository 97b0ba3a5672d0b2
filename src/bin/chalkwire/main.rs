//! The program: reads the command line, and serves, checks or explains.

mod check;
mod explain;
mod flags;
mod output;
mod serve;

use std::process::ExitCode;

use flags::{Command, Wire};
use output::complain;

fn main() -> ExitCode {
    let flags = match flags::read_flags() {
        Ok(flags) => flags,
        Err(code) => return code,
    };
    let result = match &flags.command {
        Some(Command::Check(check)) => return check.run(),
        Some(Command::Explain(explain)) => explain.run(),
        None => {
            // With the wire view on the terminal, the log would only repeat it.
            let level = if flags.wire == Wire::Off { "info" } else { "warn" };
            let level = env_logger::Env::default().default_filter_or(level);
            env_logger::Builder::from_env(level).init();
            serve::serve(flags)
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            complain(&why);
            ExitCode::FAILURE
        }
    }
}
