//! The program: reads the command line, and serves, checks or explains.

mod check;
mod explain;
mod flags;
mod log_writer;
mod output;
mod serve;

use std::process::ExitCode;

use flags::Command;
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
        Some(Command::Explain(explain)) => explain.run(),
        None => serve::serve(&flags),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            complain(&why);
            ExitCode::FAILURE
        }
    }
}
