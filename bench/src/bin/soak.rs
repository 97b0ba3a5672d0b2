//! Disturbs a server for as long as you like, and checks that its other clients do not notice.
//!
//! ```sh
//! cargo run --release -p chalkwire-bench --bin soak -- --minutes 30
//! ```
//!
//! A few steady clients send messages all the time. Meanwhile other clients vanish in every way,
//! stop reading, do not answer Pings, connect by the thousand, and violate the protocol. After
//! each round the server must have ended every thread and closed every descriptor of a client, and
//! its memory must not grow from round to round. The program reports its progress on standard
//! error. The last line is the result.

#[path = "../../../tests/common/mod.rs"]
mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use argh::FromArgs;
use chalkwire::lab::run_violation::{ThisServer, run_violation};
use chalkwire::lab::violations::VIOLATIONS;
use chalkwire::protocol::Opcode;
use chalkwire_bench::Result;
use chalkwire_bench::places::Places;
use common::program::{Serving, Usage};
use common::trouble::{Steady, crowd, stalled_readers, vanish};
use common::{Raw, dial, wait_until};

/// Disturbs a server of this machine, and checks that its other clients do not notice.
#[derive(FromArgs)]
struct Flags {
    /// how many minutes to go on (default 5); the last round is finished
    #[argh(option, default = "5.0")]
    minutes: f64,

    /// clients that vanish in each round (default 3000)
    #[argh(option, default = "3000")]
    vanish: usize,

    /// clients that connect at the same time (default 9000); each needs a file descriptor
    #[argh(option, default = "9000")]
    crowd: usize,
}

fn main() -> ExitCode {
    let flags: Flags = argh::from_env();
    match build() {
        Ok(program) => soak(&program, &flags),
        Err(error) => {
            eprintln!("soak: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Builds the server, and returns the path of its program.
fn build() -> Result<PathBuf> {
    let places = Places::find()?;
    places.build("chalkwire", &["chalkwire"])?;
    Ok(places.release("chalkwire"))
}

/// Starts the server with these flags, on a free port.
fn start(program: &Path, flags: &[&str]) -> Serving {
    let mut command = Command::new(program);
    command.args(["--listen", "127.0.0.1:0"]).args(flags).env("RUST_LOG", "off");
    Serving::start(command)
}

fn soak(program: &Path, flags: &Flags) -> ExitCode {
    let server = start(program, &["--handshake-timeout", "2", "--close-timeout", "2"]);
    let at_start = Usage::at_rest(&server);
    let began = Instant::now();
    let mut messages = 0;
    let mut rounds = 0_u32;
    let mut memory = Vec::new();
    while began.elapsed().as_secs_f64() < flags.minutes * 60.0 || rounds < 2 {
        rounds += 1;
        let steady = Steady::begin(server.address);
        let during = |what: &str, disturb: &dyn Fn()| {
            let (before, at) = (steady.messages(), Instant::now());
            eprint!("\rround {rounds}, {:4.0} s: {what:<60}", began.elapsed().as_secs_f64());
            disturb();
            let talked = steady.messages() - before;
            assert!(
                talked > 0 || at.elapsed() < Duration::from_secs(5),
                "the steady clients received nothing during this: {what}"
            );
        };
        let (vanishing, members) = (flags.vanish, flags.crowd);
        during(&format!("{vanishing} clients vanish"), &|| vanish(server.address, vanishing));
        during("clients stop reading", &|| {
            stalled_readers(server.address, || dropped(&server));
        });
        during("clients do not answer Pings", &|| do_not_answer_pings(program, 50));
        during("clients violate the protocol", &|| violate_all_rules(&server));
        during(&format!("{members} clients at once"), &|| crowd(server.address, members));
        during("a server runs out of descriptors", &|| use_up_descriptors(program));
        messages += steady.end();
        wait_until("the end of all threads and descriptors of clients", || {
            let now = Usage::of(&server);
            now.threads == at_start.threads && now.descriptors == at_start.descriptors
        });
        memory.push(Usage::of(&server).memory);
    }
    eprintln!();
    // The allocator keeps memory of the first rounds, and the later rounds use it again. So the
    // memory may still vary after the first half of the rounds, but not grow by a quarter.
    let (early, late) = (memory[memory.len() / 2], memory[memory.len() - 1]);
    println!(
        "{rounds} rounds in {:.0} s: {messages} messages of the steady clients, all received once \
         and in order; {} threads and {} descriptors before and after; {early} KiB of memory \
         halfway, {late} KiB at the end",
        began.elapsed().as_secs_f64(),
        at_start.threads,
        at_start.descriptors,
    );
    if late > early + early / 4 {
        eprintln!("soak: the memory grows from round to round: {memory:?} KiB");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn dropped(server: &Serving) -> u64 {
    server.stats()["dropped"].as_u64().expect("a number")
}

/// Clients that do not answer Pings receive a Close 1008. This needs a server of its own, with
/// short intervals.
fn do_not_answer_pings(program: &Path, clients: usize) {
    let server = start(program, &["--ping-interval", "0.5", "--pong-timeout", "0.5"]);
    let silent: Vec<Raw> = (0..clients).map(|_| Raw::open(server.address, "/echo", "")).collect();
    for mut raw in silent {
        assert_eq!(raw.frame().header.opcode, Opcode::Ping);
        assert_eq!(raw.close().0, 1008);
        raw.expect_end();
    }
}

/// Clients that violate a rule receive the close code for it.
fn violate_all_rules(server: &Serving) {
    for rule in VIOLATIONS.iter().filter(|rule| rule.close.is_some()) {
        let outcome =
            run_violation(rule, &ThisServer::at(server.address)).expect("the server answers");
        assert_eq!(outcome.closed, rule.close, "{}", rule.id);
    }
}

/// A server with 64 descriptors gets 200 connections. When they are closed, it serves again.
fn use_up_descriptors(program: &Path) {
    let server = start(program, &["--handshake-timeout", "1"]);
    #[cfg(target_os = "linux")]
    server.limit_descriptors(64);
    let connections: Vec<_> = (0..200).map(|_| dial(server.address)).collect();
    drop(connections);
    let mut raw = Raw::open(server.address, "/echo", "");
    raw.send_text("still served");
    assert_eq!(raw.text(), "still served");
}
