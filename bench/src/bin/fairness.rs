//! Measures how long storms of some clients delay another client, and how long they delay the end of the server.
//!
//! ```sh
//! cargo run --release -p chalkwire-bench --bin fairness
//! ```
//!
//! A quiet client at `/echo` sends a short text every two milliseconds. Its round trips are measured twice for each
//! storm: while the attackers are at another Chalkwire on this machine (the control), and while they are at the same
//! one. Both times the machine is equally busy, so the ratio of the medians shows what the clients of one server cost
//! each other. At the end of each storm the server under attack gets SIGTERM, while the attackers go on. The program
//! reports its progress on standard error, prints a table, and fails when a ratio is above ten or a server ends too
//! late.

#[path = "../../../tests/common/mod.rs"]
mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use argh::FromArgs;
use chalkwire_bench::Result;
use chalkwire_bench::places::Places;
use common::program::Serving;
use common::storm::{Attack, STORMS, Storm, quantile, round_trips};

/// The ratio of the medians that a storm may cause.
const MAX_RATIO: f64 = 10.0;
/// The close timeout of the servers.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// How much later than that a server may end, because the machine is busy.
const SLACK: Duration = Duration::from_secs(1);

/// Measures how long storms of some clients delay another client, and the end of the server.
#[derive(FromArgs)]
struct Flags {
    /// seconds of each measurement (default 1)
    #[argh(option, default = "1.0", arg_name = "secs")]
    secs: f64,

    /// how often control and attack take turns (default 2)
    #[argh(option, default = "2", arg_name = "n")]
    rounds: usize,

    /// only storms with this in their name
    #[argh(option, default = "String::new()", arg_name = "text")]
    storm: String,

    /// only this number of attackers (default: 1, 20, and 100 or 200)
    #[argh(option, arg_name = "n")]
    attackers: Option<usize>,

    /// the chalkwire program to measure (default: built now)
    #[argh(option, arg_name = "path")]
    chalkwire: Option<PathBuf>,
}

fn main() -> ExitCode {
    let flags: Flags = argh::from_env();
    match program(&flags).map(|program| measure_all(&program, &flags)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("fairness: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The program to measure, which is built unless a flag names it.
fn program(flags: &Flags) -> Result<PathBuf> {
    if let Some(path) = &flags.chalkwire {
        return Ok(path.clone());
    }
    let places = Places::find()?;
    places.build("chalkwire", &["chalkwire"])?;
    Ok(places.release("chalkwire"))
}

/// Measures all storms, and returns whether the server was fair under each.
fn measure_all(program: &Path, flags: &Flags) -> bool {
    println!(
        "| storm | attackers | control: p50, p99 (ms) | attacked: p50, p99 (ms) | ratio of p50 | end (s) |"
    );
    println!("|---|--:|--:|--:|--:|--:|");
    let mut is_fair = true;
    for storm in STORMS.into_iter().filter(|storm| storm.name.contains(&flags.storm)) {
        let crowds = [1, 20, if storm.is_broadcast() { 200 } else { 100 }];
        for attackers in flags.attackers.map_or(crowds.to_vec(), |attackers| vec![attackers]) {
            eprintln!("{}, {attackers} attackers", storm.name);
            is_fair &= measure(program, flags, storm, attackers);
        }
    }
    is_fair
}

/// Measures one storm, prints its row, and returns whether the server was fair.
fn measure(program: &Path, flags: &Flags, storm: Storm, attackers: usize) -> bool {
    let (mut attacked, other) = (start(program), start(program));
    let time = Duration::from_secs_f64(flags.secs);
    let (mut control, mut under_attack) = (Vec::new(), Vec::new());
    for _ in 0..flags.rounds {
        for (target, round_trips_to) in [(&other, &mut control), (&attacked, &mut under_attack)] {
            let attack = Attack::begin(target.address, storm, attackers);
            round_trips_to.extend(round_trips(attacked.address, time));
            attack.end();
        }
    }
    let attack = Attack::begin(attacked.address, storm, attackers);
    let asked_at = Instant::now();
    attacked.signal("TERM");
    let status = attacked.wait();
    let end = asked_at.elapsed();
    attack.end();

    control.sort();
    under_attack.sort();
    let milliseconds = |values: &[Duration], part| quantile(values, part).as_secs_f64() * 1000.0;
    let ratio = milliseconds(&under_attack, 0.5) / milliseconds(&control, 0.5);
    println!(
        "| {} | {attackers} | {:.2}, {:.1} | {:.2}, {:.1} | {ratio:.1} | {:.1} |",
        storm.name,
        milliseconds(&control, 0.5),
        milliseconds(&control, 0.99),
        milliseconds(&under_attack, 0.5),
        milliseconds(&under_attack, 0.99),
        end.as_secs_f64(),
    );
    ratio <= MAX_RATIO && status == Some(0) && end <= CLOSE_TIMEOUT + SLACK
}

fn start(program: &Path) -> Serving {
    let mut command = Command::new(program);
    let close_timeout = CLOSE_TIMEOUT.as_secs().to_string();
    command.args(["--listen", "127.0.0.1:0", "--close-timeout", &close_timeout]);
    Serving::start({
        command.env("RUST_LOG", "off");
        command
    })
}
