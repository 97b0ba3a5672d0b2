//! Measures Chalkwire beside other WebSocket servers. README.md describes the method and explains
//! the tables.

mod handshakes;
mod load;
mod peers;
mod rows;
mod server;
mod table;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;

use argh::FromArgs;
use chalkwire_bench::Result;
use chalkwire_bench::places::Places;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::handshakes::HandshakeLoad;
use crate::load::{Load, MessageLoad};
use crate::peers::{CEILING, PEERS};
use crate::rows::{ROWS, Row, Set};
use crate::server::{Recipe, Server};
use crate::table::{MemoryUse, Outcome, Report, Round};

/// Files that a server or the generator opens beside a socket for each client.
const OTHER_FILES: u64 = 200;
/// How long each round runs before it is measured, as a part of the measured time.
const WARM_UP: f64 = 0.25;

/// Measures Chalkwire beside other WebSocket servers.
#[derive(FromArgs)]
struct Flags {
    /// rows, as --list names them, separated by commas (default: all)
    #[argh(option, arg_name = "id,..")]
    rows: Option<String>,

    /// other servers, as --list names them, separated by commas; "" is none (default: all)
    #[argh(option, arg_name = "name,..")]
    peers: Option<String>,

    /// how many times each server is measured in each row (default 5)
    #[argh(option, default = "5", arg_name = "n")]
    rounds: usize,

    /// seconds that one measurement takes (default 2)
    #[argh(option, default = "Duration::from_secs(2)", from_str_fn(seconds), arg_name = "secs")]
    secs: Duration,

    /// the chalkwire program to measure (default: built now)
    #[argh(option, arg_name = "path")]
    chalkwire: Option<PathBuf>,

    /// another chalkwire program, which gets a column of its own; may be given several times
    #[argh(option, arg_name = "path")]
    also: Vec<PathBuf>,

    /// write the tables into bench/README.md
    #[argh(switch)]
    write: bool,

    /// list the rows and the other servers
    #[argh(switch)]
    list: bool,
}

fn seconds(text: &str) -> std::result::Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| format!("{text} is not a number of seconds"))?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(time) if !time.is_zero() && seconds <= 3600.0 => Ok(time),
        _ => Err("more than 0 and at most 3600 seconds".to_owned()),
    }
}

fn main() -> ExitCode {
    let flags: Flags = argh::from_env();
    match run(flags) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("chalkwire-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Returns whether every server could be measured in every row.
fn run(flags: Flags) -> Result<bool> {
    if flags.list {
        list();
        return Ok(true);
    }
    if cfg!(debug_assertions) {
        return Err("run this with --release, because the generator must be fast".into());
    }
    if flags.rounds == 0 {
        return Err("--rounds must be at least 1".into());
    }
    let rows = table::chosen_rows(flags.rows.as_deref())?;
    let known = PEERS.map(|(name, _)| name);
    let names = table::chosen(flags.peers.as_deref(), &known)?;
    let most = rows.iter().map(|row| row.shape.clients).max().ok_or("no rows")?;
    raise_open_files(most as u64 + OTHER_FILES)?;

    let places = Places::find()?;
    let mut recipes = vec![peers::chalkwire(&places, "chalkwire", flags.chalkwire.clone())?];
    for (number, path) in (2..).zip(&flags.also) {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        // The number keeps two columns apart when their files have the same name.
        let name = format!("{file} ({number})");
        recipes.push(peers::chalkwire(&places, &name, Some(path.clone()))?);
    }
    recipes.extend(peers::others(&places, &names)?);

    let mut report = Report { rows: Vec::new() };
    for row in rows {
        let outcomes = if row.set == Set::Memory {
            // `ceiling` is left out, because its memory consists of its own buffers.
            let servers = recipes.iter().filter(|recipe| recipe.name != CEILING);
            servers.map(|recipe| (recipe.name.clone(), memory(row, recipe))).collect()
        } else {
            let names = recipes.iter().map(|recipe| recipe.name.clone());
            names.zip(pace(row, &recipes, &flags)).collect()
        };
        report.rows.push((row, outcomes));
    }
    let about = about(&places, &recipes, &flags)?;
    let text = format!("{}{about}", report.markdown());
    println!("{text}");
    if flags.write {
        table::write_into(&places.project.join("bench/README.md"), &text)?;
    }
    Ok(!report.has_failures())
}

fn list() {
    println!("rows:");
    for row in &ROWS {
        println!("  {:<18} {}", row.id, row.title);
    }
    println!("peers:");
    for (name, what) in PEERS {
        println!("  {name:<18} {what}");
    }
}

/// Measures all rounds of a row. In each round, the servers take turns. They are started anew for
/// the row and keep running for all its rounds, so that a just-in-time compiler does not have to
/// start again.
fn pace(row: &Row, recipes: &[Recipe], flags: &Flags) -> Vec<Outcome> {
    let start =
        |recipe| note(row, recipe, Server::start(recipe)).map(|server| (server, Vec::new()));
    let mut servers: Vec<_> = recipes.iter().map(start).collect();
    for number in 1..=flags.rounds {
        for (recipe, entry) in recipes.iter().zip(&mut servers) {
            let Some((server, rounds)) = entry else { continue };
            let Some(round) = note(row, recipe, measure(row, server, flags.secs)) else {
                *entry = None;
                continue;
            };
            eprintln!(
                "{}, round {number} of {}, {}: {:.0} {}/s",
                row.id,
                flags.rounds,
                recipe.name,
                round.rate,
                row.set.unit()
            );
            rounds.push(round);
        }
    }
    let outcome = |entry: Option<(Server, _)>| {
        entry.map_or(Outcome::Failed, |(_, rounds)| Outcome::Rounds(rounds))
    };
    servers.into_iter().map(outcome).collect()
}

fn measure(row: &Row, server: &Server, time: Duration) -> Result<Round> {
    let mut load: Box<dyn Load> = match row.set {
        Set::Handshakes => Box::new(HandshakeLoad::new(server.address, row.shape)?),
        _ => Box::new(MessageLoad::open(server.address, row.shape)?),
    };
    server.wait_until_quiet()?;
    load.start()?;
    load.measure(time.mul_f64(WARM_UP))?;
    let before = server.cpu_time()?;
    let pace = load.measure(time)?;
    let cpu = server.cpu_time()?.saturating_sub(before);
    load.finish()?;
    drop(load);
    server.wait_until_quiet()?;
    let rate = pace.count as f64 / pace.time.as_secs_f64();
    Ok(Round { rate, count: pace.count, cpu })
}

/// Measures the memory row. It has a server of its own and one round only, because a server may
/// keep memory that it has freed.
fn memory(row: &Row, recipe: &Recipe) -> Outcome {
    let measured = Server::start(recipe).and_then(|server| {
        let before = server.memory()?;
        let mut load = MessageLoad::open(server.address, row.shape)?;
        server.wait_until_quiet()?;
        let idle = server.memory()?;
        load.start()?;
        load.finish()?;
        server.wait_until_quiet()?;
        let after_traffic = server.memory()?;
        Ok(MemoryUse { clients: row.shape.clients, before, idle, after_traffic })
    });
    if let Ok(memory) = &measured {
        let kib = memory.user_after_traffic();
        eprintln!("{}, {}: {kib:.1} KiB of user memory per client", row.id, recipe.name);
    }
    note(row, recipe, measured).map_or(Outcome::Failed, Outcome::Memory)
}

/// Prints why a measurement failed. The other servers are measured all the same.
fn note<T>(row: &Row, recipe: &Recipe, result: Result<T>) -> Option<T> {
    result.inspect_err(|error| eprintln!("FAILED: {}, {}: {error}", row.id, recipe.name)).ok()
}

/// Allows this process and the servers that it starts to open this many files.
///
/// # Errors
/// When the system does not allow that.
fn raise_open_files(needed: u64) -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    if limit.maximum.is_some_and(|maximum| maximum < needed) {
        return Err(
            format!("this needs {needed} open files: run `ulimit -n {needed}` first").into()
        );
    }
    Ok(setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum: limit.maximum })?)
}

/// The line below the tables: versions, machine and day.
fn about(places: &Places, recipes: &[Recipe], flags: &Flags) -> Result<String> {
    let output = |program: &str, args: &[&str]| -> Option<String> {
        let output = Command::new(program).args(args).current_dir(&places.project).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let unknown = || "unknown".to_owned();
    let commit = output("git", &["rev-parse", "--short", "HEAD"]).unwrap_or_else(unknown);
    let changed = output("git", &["status", "--porcelain", "--", "src", "Cargo.lock"]);
    let changes = if changed.is_some_and(|files| files.is_empty()) { "" } else { " with changes" };
    let ours = match flags.chalkwire {
        Some(_) => "chalkwire from --chalkwire".to_owned(),
        None => format!("chalkwire {commit}{changes}"),
    };
    let others = recipes.iter().filter_map(|recipe| {
        peers::version(places, &recipe.name).map(|version| format!("{} {version}", recipe.name))
    });
    let versions = [ours].into_iter().chain(others).collect::<Vec<_>>().join("; ");

    let cpus = fs::read_to_string("/proc/cpuinfo")?;
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let model = model.map_or("unknown CPU", |(_, model)| model.trim());
    let cores = std::thread::available_parallelism()?;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let kernel = kernel.trim();
    let day = output("date", &["-u", "+%F"]).unwrap_or_else(unknown);
    let rounds =
        if flags.rounds == 1 { "1 round".to_owned() } else { format!("{} rounds", flags.rounds) };
    let seconds = flags.secs.as_secs_f64();
    Ok(format!(
        "{rounds} of {seconds} s. {versions}. Linux {kernel}, {cores} cores of {model}. {day}.\n"
    ))
}
