//! `chalkwire` without a sub-command: starts the server, and stops it at Ctrl-C.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use chalkwire::sys::socket::reachable;
use chalkwire::sys::threads::prefer_batch_scheduling;
use chalkwire::wire::terminal;
use chalkwire::{Config, Server};

use crate::flags::{Flags, Wire};

/// Serves until Ctrl-C.
///
/// # Errors
/// One sentence that says why the server cannot serve.
pub fn serve(flags: Flags) -> Result<(), String> {
    // Before the first thread starts, so that all of them inherit the policy.
    prefer_batch_scheduling();
    let listen = flags.listen;
    let config = Config {
        mode: flags.mode,
        greeting: flags.greeting,
        max_clients: flags.max_clients,
        max_handshakes: flags.max_handshakes,
        max_head: flags.max_head,
        max_message: flags.max_message,
        max_fragments: flags.max_fragments,
        max_backlog: flags.max_backlog,
        handshake_timeout: flags.handshake_timeout,
        ping_interval: Some(flags.ping_interval).filter(|interval| !interval.is_zero()),
        pong_timeout: flags.pong_timeout,
        close_timeout: flags.close_timeout,
        allow_origin: flags.allow_origin,
        wire_for: flags.wire_for,
        show_credentials: flags.show_credentials,
    };
    let server = Server::bind(&listen, config)
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
    let mut stdout = std::io::stdout();
    // Watch before the address is printed, so that the first client is in the view as well.
    let watched = (flags.wire != Wire::Off).then(|| server.watch());
    // The server serves even when nobody reads its stdout.
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
    if let Some(events) = watched {
        let view = if flags.wire == Wire::Full { terminal::full } else { terminal::summary };
        // This thread ends with the server, or when its output cannot be written.
        std::thread::spawn(move || {
            for event in events {
                let text = terminal::colorize(&(view(&event) + "\n"), &event);
                if std::io::stdout().write_all(text.as_bytes()).is_err() {
                    return;
                }
            }
        });
    }
    server.run().map_err(|error| format!("cannot start: {error}"))
}
