//! The command line: every flag with its default and its help text.

use std::process::ExitCode;
use std::time::Duration;

use argh::FromArgs;
use chalkwire::config::{LONGEST, SHORTEST};
use chalkwire::{Config, Mode, WireFor};

use crate::check::{Check, NOT_TESTED};
use crate::explain::Explain;
use crate::output::{complain, print};

/// A WebSocket server you can see through.
#[derive(FromArgs)]
pub struct Flags {
    /// where to listen, ADDR:PORT; port 0 picks one (default 127.0.0.1:8080)
    #[argh(option, default = "\"127.0.0.1:8080\".to_owned()", arg_name = "addr:port")]
    pub listen: String,

    /// what a WebSocket at / does: echo or broadcast (default echo)
    #[argh(option, default = "Config::default().mode", from_str_fn(mode), arg_name = "mode")]
    pub mode: Mode,

    /// a text message to every client at / when it opens
    #[argh(option, arg_name = "text")]
    pub greeting: Option<String>,

    /// open WebSockets; one more gets HTTP 503 (default 10000)
    #[argh(option, default = "Config::default().max_clients", arg_name = "n")]
    pub max_clients: usize,

    /// connections that are not a WebSocket, or not yet; one more takes the place of the oldest that waits for
    /// its client, or gets HTTP 503 (default 1000)
    #[argh(option, default = "Config::default().max_handshakes", arg_name = "n")]
    pub max_handshakes: usize,

    /// open connections of one address; one more gets HTTP 503; 0 is any number (default 256, and any number
    /// for clients on this machine)
    #[argh(option, arg_name = "n")]
    pub max_per_address: Option<usize>,

    /// connections that one address opens in a second, after a burst of ten times as many; one more gets HTTP
    /// 429; 0 is any number (default 100, and any number for clients on this machine)
    #[argh(option, arg_name = "n")]
    pub max_rate_per_address: Option<u32>,

    /// bytes of a request head; more gets HTTP 431 (default 16384)
    #[argh(option, default = "Config::default().max_head", arg_name = "bytes")]
    pub max_head: usize,

    /// bytes of a message; more gets Close 1009 (default 16777216)
    #[argh(option, default = "Config::default().max_message", arg_name = "bytes")]
    pub max_message: usize,

    /// frames of a message; more gets Close 1008 (default 131072)
    #[argh(option, default = "Config::default().max_fragments", arg_name = "n")]
    pub max_fragments: u32,

    /// unsent bytes that may wait for a client before it is dropped (default 1048576)
    #[argh(option, default = "Config::default().max_backlog", arg_name = "bytes")]
    pub max_backlog: usize,

    /// bytes that all messages on their way may take; then the largest debtors get Close 1013 or are disconnected,
    /// and new clients get HTTP 503 (default: a quarter of the memory of the machine or its cgroup)
    #[argh(option, arg_name = "bytes")]
    pub max_memory: Option<usize>,

    /// seconds that a client has for its request head; later it gets HTTP 408 (default 10)
    #[argh(
        option,
        default = "Config::default().handshake_timeout",
        from_str_fn(seconds),
        arg_name = "secs"
    )]
    pub handshake_timeout: Duration,

    /// seconds of silence after which a Ping is sent; 0 sends none (default 20)
    #[argh(
        option,
        default = "Config::default().ping_interval.unwrap_or_default()",
        from_str_fn(seconds_or_zero),
        arg_name = "secs"
    )]
    pub ping_interval: Duration,

    /// seconds of silence after that Ping before the client is dropped (default 20)
    #[argh(
        option,
        default = "Config::default().pong_timeout",
        from_str_fn(seconds),
        arg_name = "secs"
    )]
    pub pong_timeout: Duration,

    /// seconds a Close may go unanswered (default 5)
    #[argh(
        option,
        default = "Config::default().close_timeout",
        from_str_fn(seconds),
        arg_name = "secs"
    )]
    pub close_timeout: Duration,

    /// an origin, such as https://school.example, whose pages may open a WebSocket; others get 403;
    /// repeatable (default: all)
    #[argh(option, arg_name = "origin")]
    pub allow_origin: Vec<String>,

    /// show what crosses the wire on the terminal: off, summary or full (default off)
    #[argh(option, default = "Wire::Off", from_str_fn(wire), arg_name = "view")]
    pub wire: Wire,

    /// whose connections a page sees: everyone, own, or teacher (own; with the teacher's link
    /// everyone); the default is everyone on loopback, and own elsewhere
    #[argh(option, from_str_fn(wire_for), arg_name = "whom")]
    pub wire_for: Option<WireFor>,

    /// show the values of cookies and Authorization headers on the wire view
    #[argh(switch)]
    pub show_credentials: bool,

    /// print the version of this program
    #[argh(switch)]
    pub version: bool,

    #[argh(subcommand)]
    pub command: Option<Command>,
}

/// The sub-commands.
#[derive(FromArgs)]
#[argh(subcommand)]
pub enum Command {
    /// `chalkwire check`.
    Check(Check),
    /// `chalkwire explain`.
    Explain(Explain),
}

/// The form in which `--wire` shows events on the terminal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// Nothing.
    Off,
    /// One line for each event.
    Summary,
    /// Every field of every frame.
    Full,
}

impl Flags {
    /// The settings of the server.
    pub fn config(&self) -> Config {
        Config {
            mode: self.mode,
            greeting: self.greeting.clone(),
            max_clients: self.max_clients,
            max_handshakes: self.max_handshakes,
            max_per_address: self.max_per_address,
            max_rate_per_address: self.max_rate_per_address,
            max_head: self.max_head,
            max_message: self.max_message,
            max_fragments: self.max_fragments,
            max_backlog: self.max_backlog,
            max_memory: self.max_memory,
            handshake_timeout: self.handshake_timeout,
            ping_interval: Some(self.ping_interval).filter(|interval| !interval.is_zero()),
            pong_timeout: self.pong_timeout,
            close_timeout: self.close_timeout,
            allow_origin: self.allow_origin.clone(),
            wire_for: self.wire_for,
            show_credentials: self.show_credentials,
        }
    }
}

fn wire(text: &str) -> Result<Wire, String> {
    match text {
        "off" => Ok(Wire::Off),
        "summary" => Ok(Wire::Summary),
        "full" => Ok(Wire::Full),
        _ => Err("it must be off, summary or full".to_owned()),
    }
}

fn wire_for(text: &str) -> Result<WireFor, String> {
    let all = [WireFor::Everyone, WireFor::Own, WireFor::Teacher];
    let found = all.into_iter().find(|wire_for| wire_for.as_str() == text);
    found.ok_or_else(|| "it must be everyone, own or teacher".to_owned())
}

fn mode(text: &str) -> Result<Mode, String> {
    match text {
        "echo" => Ok(Mode::Echo),
        "broadcast" => Ok(Mode::Broadcast),
        _ => Err("it must be echo or broadcast".to_owned()),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let (shortest, longest) = (SHORTEST.as_secs_f64(), LONGEST.as_secs_f64());
    match text.parse::<f64>() {
        Ok(seconds) if (shortest..=longest).contains(&seconds) => {
            Ok(Duration::from_secs_f64(seconds))
        }
        _ => Err(format!("it must be {shortest} to {longest} seconds")),
    }
}

fn seconds_or_zero(text: &str) -> Result<Duration, String> {
    if text.parse() == Ok(0.0) {
        return Ok(Duration::ZERO);
    }
    seconds(text).map_err(|why| why + ", or 0")
}

/// Reads the command line. When it asks for help, prints the help; when it has a mistake, complains.
///
/// # Errors
/// The exit code, because in both cases the program has nothing more to do.
pub fn read_flags() -> Result<Flags, ExitCode> {
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
    let command = arguments.first().filter(|first| ["explain", "check"].contains(*first));
    let mistake = |what: &str| {
        complain(&format!("{what}\n\n{}", usage(command)));
        match command {
            // Exit code 1 would say that a step failed.
            Some(&"check") => ExitCode::from(NOT_TESTED),
            _ => ExitCode::FAILURE,
        }
    };
    let flags = Flags::from_args(&["chalkwire"], &arguments).map_err(|exit| match exit.status {
        Ok(()) => {
            print(&exit.output);
            ExitCode::SUCCESS
        }
        Err(()) => mistake(exit.output.trim_end()),
    })?;
    flags.config().check().map_err(|error| mistake(&error.to_string()))?;
    Ok(flags)
}

/// The help text of the program, or of one of its sub-commands.
fn usage(command: Option<&&str>) -> String {
    let asked: Vec<&str> = command.into_iter().copied().chain(["--help"]).collect();
    let help = Flags::from_args(&["chalkwire"], &asked);
    help.err().map(|exit| exit.output.trim_end().to_owned()).unwrap_or_default()
}
