//! The command line: flags in, one server out. `explain` and `check` are sub-commands.

use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use argh::FromArgs;
use chalkwire::sys::socket::reachable;
use chalkwire::wire::terminal;
use chalkwire::{Config, Mode, Server};

mod check;
mod explain;

/// A WebSocket server you can see through.
#[derive(FromArgs)]
struct Flags {
    /// where to listen, ADDR:PORT; port 0 picks one (default 127.0.0.1:8080)
    #[argh(option, default = "\"127.0.0.1:8080\".to_owned()", arg_name = "addr:port")]
    listen: String,

    /// what a WebSocket at / gets: echo or broadcast (default echo)
    #[argh(option, default = "Config::default().mode", from_str_fn(mode), arg_name = "mode")]
    mode: Mode,

    /// a text message to every client at / when it opens
    #[argh(option, arg_name = "text")]
    greeting: Option<String>,

    /// open WebSockets; one more gets HTTP 503 (default 10000)
    #[argh(option, default = "Config::default().max_clients", arg_name = "n")]
    max_clients: usize,

    /// connections that are no WebSockets, or not yet; one more gets HTTP 503 (default 1000)
    #[argh(option, default = "Config::default().max_handshakes", arg_name = "n")]
    max_handshakes: usize,

    /// bytes of a request head; more gets HTTP 431 (default 16384)
    #[argh(option, default = "Config::default().max_head", arg_name = "bytes")]
    max_head: usize,

    /// bytes of a message; more gets Close 1009 (default 16777216)
    #[argh(option, default = "Config::default().max_message", arg_name = "bytes")]
    max_message: usize,

    /// frames of a message; more gets Close 1008 (default 131072)
    #[argh(option, default = "Config::default().max_fragments", arg_name = "n")]
    max_fragments: u32,

    /// unsent bytes a client may owe before it is dropped (default 1048576)
    #[argh(option, default = "Config::default().max_backlog", arg_name = "bytes")]
    max_backlog: usize,

    /// seconds in which the request head must come; later gets HTTP 408 (default 10)
    #[argh(
        option,
        default = "Config::default().handshake_timeout",
        from_str_fn(seconds),
        arg_name = "secs"
    )]
    handshake_timeout: Duration,

    /// seconds of silence after which a Ping is sent; 0 sends none (default 20)
    #[argh(
        option,
        default = "Config::default().ping_interval.unwrap_or_default()",
        from_str_fn(seconds_or_zero),
        arg_name = "secs"
    )]
    ping_interval: Duration,

    /// seconds of silence after that Ping before the client is dropped (default 20)
    #[argh(
        option,
        default = "Config::default().pong_timeout",
        from_str_fn(seconds),
        arg_name = "secs"
    )]
    pong_timeout: Duration,

    /// seconds a Close may go unanswered (default 5)
    #[argh(
        option,
        default = "Config::default().close_timeout",
        from_str_fn(seconds),
        arg_name = "secs"
    )]
    close_timeout: Duration,

    /// an origin whose pages may open a WebSocket, others get 403; repeatable (default: all may)
    #[argh(option, arg_name = "origin")]
    allow_origin: Vec<String>,

    /// what crosses the wire, on the terminal: off, summary or full (default off)
    #[argh(option, default = "Wire::Off", from_str_fn(wire), arg_name = "view")]
    wire: Wire,

    #[argh(subcommand)]
    command: Option<Command>,
}

/// What else the program does.
#[derive(FromArgs)]
#[argh(subcommand)]
enum Command {
    Check(check::Check),
    Explain(explain::Explain),
}

/// What `--wire` shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wire {
    Off,
    Summary,
    Full,
}

fn wire(text: &str) -> Result<Wire, String> {
    match text {
        "off" => Ok(Wire::Off),
        "summary" => Ok(Wire::Summary),
        "full" => Ok(Wire::Full),
        _ => Err("it is off, summary or full".to_owned()),
    }
}

fn mode(text: &str) -> Result<Mode, String> {
    match text {
        "echo" => Ok(Mode::Echo),
        "broadcast" => Ok(Mode::Broadcast),
        _ => Err("it is echo or broadcast".to_owned()),
    }
}

/// The longest time that can be asked for: a day.
const LONGEST: f64 = 86_400.0;

fn seconds_or_zero(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=LONGEST).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err(format!("it is a number of seconds, {LONGEST} at most")),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    match seconds_or_zero(text)? {
        time if time >= Duration::from_millis(10) => Ok(time),
        _ => Err("it is at least 0.01 seconds".to_owned()),
    }
}

fn main() -> ExitCode {
    let flags = match read_flags() {
        Ok(flags) => flags,
        Err(code) => return code,
    };
    match &flags.command {
        Some(Command::Check(check)) => return check.run(),
        Some(Command::Explain(explain)) => {
            return match explain.run() {
                Ok(text) => {
                    // Whoever asked may have stopped reading.
                    let _ = std::io::stdout().write_all(text.as_bytes());
                    ExitCode::SUCCESS
                }
                Err(why) => {
                    complain(&why);
                    ExitCode::FAILURE
                }
            };
        }
        None => {}
    }
    // With the wire on the terminal, who comes and goes is on it already.
    let level = if flags.wire == Wire::Off { "info" } else { "warn" };
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or(level)).init();
    match serve(flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            complain(&why);
            ExitCode::FAILURE
        }
    }
}

/// Reads the command line; where it asks for help or is wrong, answers it and gives the exit code.
fn read_flags() -> Result<Flags, ExitCode> {
    let mut arguments = Vec::new();
    for argument in std::env::args_os().skip(1) {
        match argument.into_string() {
            Ok(text) => arguments.push(text),
            Err(bytes) => {
                complain(&format!("{bytes:?} is not UTF-8\n\n{}", usage(None)));
                return Err(ExitCode::FAILURE);
            }
        }
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    Flags::from_args(&["chalkwire"], &arguments).map_err(|exit| match exit.status {
        Ok(()) => {
            // Whoever asked may have stopped reading.
            let _ = write!(std::io::stdout(), "{}", exit.output);
            ExitCode::SUCCESS
        }
        Err(()) => {
            let command = arguments.first().filter(|first| ["explain", "check"].contains(*first));
            complain(&format!("{}\n\n{}", exit.output.trim_end(), usage(command)));
            match command {
                // 1 would say that a step failed.
                Some(&"check") => ExitCode::from(check::NOT_TESTED),
                _ => ExitCode::FAILURE,
            }
        }
    })
}

/// The help of the program, or of one of its sub-commands.
fn usage(command: Option<&&str>) -> String {
    let asked: Vec<&str> = command.into_iter().copied().chain(["--help"]).collect();
    let help = Flags::from_args(&["chalkwire"], &asked);
    help.err().map(|exit| exit.output.trim_end().to_owned()).unwrap_or_default()
}

/// One sentence on stderr, which may be closed.
fn complain(what: &str) {
    let _ = writeln!(std::io::stderr(), "chalkwire: {what}");
}

fn serve(flags: Flags) -> Result<(), String> {
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
    };
    let server = Server::bind(&listen, config)
        .map_err(|error| format!("cannot listen at {listen}: {error}"))?;
    let stopper = server.stopper();
    let asked_before = AtomicBool::new(false);
    ctrlc::set_handler(move || {
        // Who asks again does not want to wait for goodbyes.
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
    let mut stdout = std::io::stdout();
    // Before anybody is told where it listens, so that the first who comes is seen too.
    let watched = (flags.wire != Wire::Off).then(|| server.watch());
    // Nobody may be reading; the server serves all the same.
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
    if let Some(events) = watched {
        let view = if flags.wire == Wire::Full { terminal::full } else { terminal::summary };
        // It ends when the server does, or when nobody can see what it prints.
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
