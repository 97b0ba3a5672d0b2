//! The program: reads the command line, and serves, checks or explains.

mod check;
mod explain;
mod flags;
mod log_writer;
mod output;
mod serve;

use std::process::ExitCode;

use flags::Command;
use output::complain;

fn main() -> ExitCode {
    let flags = match flags::read_flags() {
        Ok(flags) => flags,
        Err(code) => return code,
    };
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
