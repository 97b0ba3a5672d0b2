//! The program's output: text on stdout, and one sentence on stderr when something is wrong.
//!
//! An error in writing is ignored, because the reader may have gone.

use std::io::Write;

/// Writes text to stdout at once.
pub fn print(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// Writes one sentence to stderr.
pub fn complain(what: &str) {
    let _ = writeln!(std::io::stderr(), "chalkwire: {what}");
}
