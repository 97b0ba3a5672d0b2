//! Makes trouble for a server for as long as one likes, and sees that nobody else notices.
//!
//! ```sh
//! cargo build --release && cargo run --release --example soak -- --minutes 30
//! ```
//!
//! Steady clients talk all the time. Around them clients vanish in every way, stop reading, stay silent
//! when they are asked who is there, come as a crowd, and break rules. After each round every thread
//! and descriptor must be gone, and the memory of the server must not grow from round to round. It
//! says what it does on standard error, and its last line is the result.

#[path = "../tests/common/mod.rs"]
mod common;

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use argh::FromArgs;
use chalkwire::lab::violations::{VIOLATIONS, run_violation};
use common::program::{Serving, Usage, program};
use common::trouble::{Steady, crowd, stalled_readers, vanish};
use common::{Raw, dial, wait_until};

/// Makes trouble for a server of this machine, and sees that nobody else notices.
#[derive(FromArgs)]
struct Flags {
    /// how long (default 5 minutes); the round that has begun is finished
    #[argh(option, default = "5.0")]
    minutes: f64,

    /// clients that vanish in a round (default 3000)
    #[argh(option, default = "3000")]
    vanish: usize,

    /// members of the crowd (default 9000); so many descriptors are needed, and more
    #[argh(option, default = "9000")]
    crowd: usize,
}

fn main() -> ExitCode {
    let flags: Flags = argh::from_env();
    if !program().exists() {
        eprintln!("soak: there is no {}: run cargo build --release first", program().display());
        return ExitCode::FAILURE;
    }
    let server = Serving::with(&["--handshake-timeout", "2", "--close-timeout", "2"]);
    let start = Usage::at_rest(&server);
    let began = Instant::now();
    let mut messages = 0;
    let mut rounds = 0_u32;
    let mut memory = Vec::new();
    while began.elapsed().as_secs_f64() < flags.minutes * 60.0 || rounds < 2 {
        rounds += 1;
        let steady = Steady::begin(server.address);
        let during = |what: &str, trouble: &dyn Fn()| {
            let (before, at) = (steady.messages(), Instant::now());
            eprint!("\rround {rounds}, {:4.0} s: {what:<60}", began.elapsed().as_secs_f64());
            trouble();
            let talked = steady.messages() - before;
            assert!(talked > 0 || at.elapsed() < Duration::from_secs(5), "{what} silences others");
        };
        during(&format!("{} vanish", flags.vanish), &|| vanish(server.address, flags.vanish));
        during("readers that stall", &|| stalled_readers(server.address, || dropped(&server)));
        during("Pings that nobody answers", &|| mute(50));
        during("rules that are broken", &|| break_all(&server));
        during(&format!("a crowd of {}", flags.crowd), &|| crowd(server.address, flags.crowd));
        during("too few descriptors", &without_descriptors);
        messages += steady.end();
        wait_until("threads and descriptors to go", || {
            let now = Usage::of(&server);
            now.threads == start.threads && now.descriptors == start.descriptors
        });
        memory.push(Usage::of(&server).memory);
    }
    eprintln!();
    // What the first rounds make the allocator keep, the others find again.
    let (early, late) = (memory[memory.len() / 2], memory[memory.len() - 1]);
    println!(
        "{rounds} rounds in {:.0} s: {messages} messages of steady clients, none lost, doubled or out \
         of order; {} threads and {} descriptors before and after; {early} KiB resident halfway, \
         {late} KiB at the end",
        began.elapsed().as_secs_f64(),
        start.threads,
        start.descriptors,
    );
    if late > early + early / 4 {
        eprintln!("soak: memory grows from round to round: {memory:?} KiB");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn dropped(server: &Serving) -> u64 {
    server.stats()["dropped"].as_u64().expect("a number")
}

/// Clients that say nothing and answer nothing are told so, and dropped. By a server of its own, which
/// is not as patient.
fn mute(clients: usize) {
    let server = Serving::with(&["--ping-interval", "0.5", "--pong-timeout", "0.5"]);
    let mute: Vec<Raw> = (0..clients).map(|_| Raw::open(server.address, "/echo", "")).collect();
    for mut raw in mute {
        raw.frame();
        assert_eq!(raw.close().0, 1008);
        raw.expect_end();
    }
}

fn break_all(server: &Serving) {
    for rule in VIOLATIONS.iter().filter(|rule| rule.close.is_some()) {
        let outcome = run_violation(rule, server.address).expect("the server answers");
        assert_eq!(outcome.closed, rule.close, "{}", rule.id);
    }
}

/// A server of its own with 64 descriptors and 200 who want in: it goes on when they have left.
fn without_descriptors() {
    if !cfg!(unix) {
        return;
    }
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -n 64 && exec \"$0\" \"$@\""])
        .arg(program())
        .args(["--listen", "127.0.0.1:0", "--handshake-timeout", "1"])
        .env("RUST_LOG", "off");
    let server = Serving::start(command);
    let all: Vec<_> = (0..200).map(|_| dial(server.address)).collect();
    drop(all);
    let mut raw = Raw::open(server.address, "/echo", "");
    raw.send_text("still served");
    assert_eq!(raw.text(), "still served");
}
