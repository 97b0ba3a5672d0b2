//! Measures Chalkwire beside other WebSocket servers. README.md says how, and how to read it.

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
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::load::Load;
use crate::peers::{CEILING, PEERS, Places};
use crate::rows::{ROWS, Row, Set};
use crate::server::{Recipe, Server};
use crate::table::{MemoryUse, Outcome, Report, Round};

/// Files that one server, or the generator, opens besides a socket per client.
const OTHER_FILES: u64 = 200;
/// What each round runs before it is measured, as a part of the measured time.
const WARM_UP: f64 = 0.25;

/// Measures Chalkwire beside other WebSocket servers.
#[derive(FromArgs)]
struct Flags {
    /// which rows, as --list names them, with commas (default: all)
    #[argh(option, arg_name = "id,..")]
    rows: Option<String>,

    /// which other servers, as --list names them, with commas; "" is none (default: all)
    #[argh(option, arg_name = "name,..")]
    peers: Option<String>,

    /// how often each server is measured in each row (default 5)
    #[argh(option, default = "5", arg_name = "n")]
    rounds: usize,

    /// seconds of one measurement (default 2)
    #[argh(option, default = "Duration::from_secs(2)", from_str_fn(seconds), arg_name = "secs")]
    secs: Duration,

    /// the chalkwire to measure (default: built here)
    #[argh(option, arg_name = "path")]
    chalkwire: Option<PathBuf>,

    /// a second chalkwire, for a column of its own
    #[argh(option, arg_name = "path")]
    also: Option<PathBuf>,

    /// write the tables into bench/README.md
    #[argh(switch)]
    write: bool,

    /// list rows and servers, and end
    #[argh(switch)]
    list: bool,
}

fn seconds(text: &str) -> std::result::Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| format!("{text} is no number of seconds"))?;
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

/// Returns whether all could be measured.
fn run(flags: Flags) -> Result<bool> {
    if flags.list {
        list();
        return Ok(true);
    }
    if cfg!(debug_assertions) {
        return Err("run it with --release: the generator must be fast".into());
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
    if let Some(path) = flags.also.clone() {
        recipes.push(peers::chalkwire(&places, "chalkwire (other)", Some(path))?);
    }
    recipes.extend(peers::others(&places, &names)?);

    let mut report = Report { rows: Vec::new() };
    for row in rows {
        let outcomes = if row.set == Set::Memory {
            // What the ceiling occupies is its buffers, which say nothing.
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

/// All rounds of a row: in each, all servers in turn. They are started anew for the row and kept
/// for its rounds, so that what a just-in-time compiler has learned stays learned.
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
                "{}, round {number} of {}, {}: {:.0} msg/s",
                row.id, flags.rounds, recipe.name, round.rate
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
    let mut load = Load::open(server.address, row.shape)?;
    server.wait_until_quiet()?;
    load.start()?;
    load.measure(time.mul_f64(WARM_UP))?;
    let before = server.cpu_time()?;
    let pace = load.measure(time)?;
    let cpu = server.cpu_time()?.saturating_sub(before);
    load.finish()?;
    drop(load);
    server.wait_until_quiet()?;
    let rate = pace.messages as f64 / pace.time.as_secs_f64();
    Ok(Round { rate, messages: pace.messages, cpu })
}

/// The memory row, with a server of its own, once: what was freed may not be given back.
fn memory(row: &Row, recipe: &Recipe) -> Outcome {
    let measured = Server::start(recipe).and_then(|server| {
        let before = server.memory()?;
        let mut load = Load::open(server.address, row.shape)?;
        server.wait_until_quiet()?;
        let idle = server.memory()?;
        load.start()?;
        load.finish()?;
        server.wait_until_quiet()?;
        let after_traffic = server.memory()?;
        Ok(MemoryUse { clients: row.shape.clients, before, idle, after_traffic })
    });
    if measured.is_ok() {
        eprintln!("{}, {}", row.id, recipe.name);
    }
    note(row, recipe, measured).map_or(Outcome::Failed, Outcome::Memory)
}

/// Says what went wrong. The other servers are measured all the same.
fn note<T>(row: &Row, recipe: &Recipe, result: Result<T>) -> Option<T> {
    result.inspect_err(|error| eprintln!("FAILED: {}, {}: {error}", row.id, recipe.name)).ok()
}

/// Allows this process, and the servers that it starts, that many open files.
fn raise_open_files(needed: u64) -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    if limit.maximum.is_some_and(|maximum| maximum < needed) {
        return Err(
            format!("too few open files are allowed: run `ulimit -n {needed}` first").into()
        );
    }
    Ok(setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum: limit.maximum })?)
}

/// What the figures belong to: versions, machine, day.
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
        Some(_) => "chalkwire as given".to_owned(),
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
