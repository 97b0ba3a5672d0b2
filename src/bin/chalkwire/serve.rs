//! `chalkwire` without a sub-command: starts the server, and stops it at Ctrl-C.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use chalkwire::Server;
use chalkwire::sys::socket::reachable;
use chalkwire::sys::threads::prefer_batch_scheduling;
use chalkwire::wire::terminal;

use crate::flags::{Flags, Wire};
use crate::log_writer::Log;

/// Serves until Ctrl-C.
///
/// # Errors
/// One sentence that says why the server cannot serve.
pub fn serve(flags: &Flags) -> Result<(), String> {
    // With the wire view on the terminal, the log would only repeat it.
    let log = Log::install(if flags.wire == Wire::Off { "info" } else { "warn" });
    // Before the first thread starts, so that all of them inherit the policy.
    prefer_batch_scheduling();
    let no_thread = |error| format!("cannot start: {error}");
    let _log = log.start().map_err(no_thread)?;
    let listen = &flags.listen;
    let server = Server::bind(listen, flags.config())
        .map_err(|error| format!("cannot listen at {listen}: {error}"))?;
    let stopper = server.stopper();
    let asked_before = AtomicBool::new(false);
    ctrlc::set_handler(move || {
        // A second Ctrl-C exits at once.
        if asked_before.swap(true, Ordering::SeqCst) {
            std::process::exit(1);
        }
        stopper.stop();
    })
    .map_err(|error| format!("cannot listen for Ctrl-C: {error}"))?;

    let address = server.local_addr();
    let mut line = format!("Chalkwire listens at http://{}/", reachable(address));
    if address.ip().is_unspecified() {
        line.push_str(" and at every other address of this machine");
    }
    if let Some(link) = server.teacher_link() {
        line.push_str(&format!("\nThe teacher's link, which shows all connections: {link}"));
    }
    // Watch before the address is printed, so that the first client is in the view as well.
    let watched = (flags.wire != Wire::Off).then(|| server.watch());
    let view = if flags.wire == Wire::Full { terminal::full } else { terminal::summary };
    // A thread of its own prints, so that the server serves even when nobody reads its stdout. The thread ends
    // with the server, or when its output cannot be written.
    let print_all = move || {
        let mut stdout = std::io::stdout();
        let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
        for event in watched.into_iter().flatten() {
            let text = terminal::colorize(&(view(&event) + "\n"), &event);
            if stdout.write_all(text.as_bytes()).is_err() {
                return;
            }
        }
    };
    thread::Builder::new().name("terminal".to_owned()).spawn(print_all).map_err(no_thread)?;
    server.run().map_err(no_thread)
}
