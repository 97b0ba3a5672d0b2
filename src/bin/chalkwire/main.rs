//! The program: reads the command line, and serves, checks or explains.

mod check;
mod explain;
mod flags;
mod output;
mod serve;

use std::process::ExitCode;

use flags::{Command, Wire};
use output::{complain, print};

fn main() -> ExitCode {
    let flags = match flags::read_flags() {
        Ok(flags) => flags,
        Err(code) => return code,
    };
    if flags.version {
        print(concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"), "\n"));
        return ExitCode::SUCCESS;
    }
    let result = match &flags.command {
        Some(Command::Check(check)) => return check.run(),
        Some(Command::Explain(explain)) => explain.run().map(|text| print(&text)),
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
