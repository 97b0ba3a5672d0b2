//! Chapter 15: what a broadcast costs. One message to N members is N sends; if all talk, N times N.
//!
//! Learn: how to measure that on your own machine, and why group chats have a member limit.
//! Run:   `cargo run --release --example 15_fanout_cost`
//! See:   a table, and target/15_fanout_cost.svg.
//! Still wrong: this is one machine, with one dispatcher that does one thing at a time.

mod child_server;
mod crowd;
mod plot;
#[path = "../common/raw_client.rs"]
#[expect(dead_code, reason = "these clients do not send wrong bytes")]
mod raw_client;

use std::error::Error;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use chalkwire::Config;
use child_server::{ChildServer, most_open_files};
use crowd::Crowd;

/// Measures what one message to N members costs, and what it costs when all talk.
#[derive(argh::FromArgs)]
struct Flags {
    /// where to listen, ADDR:PORT (default 127.0.0.1:8080)
    #[argh(option, default = "\"127.0.0.1:8080\".to_owned()")]
    listen: String,
    /// end after the demonstration
    #[argh(switch)]
    once: bool,
    /// members at most (default 5000; 500 when built without --release)
    #[argh(option, default = "if cfg!(debug_assertions) { 500 } else { 5000 }")]
    most: usize,
    /// only serve (the program starts itself with this flag, to measure the server alone)
    #[argh(switch)]
    serve: bool,
}

/// How many members the room has, from row to row of the table.
const MEMBERS: [usize; 9] = [10, 20, 50, 100, 200, 500, 1000, 2000, 5000];
/// If it would take longer until all have talked, we leave that measurement out.
const LONGEST: Duration = Duration::from_secs(20);

fn main() -> Result<(), Box<dyn Error>> {
    let flags: Flags = argh::from_env();
    if flags.serve {
        return child_server::serve(&flags.listen, Config::default());
    }
    let server = ChildServer::start(&flags.listen)?;
    println!("listening at http://{}/", server.address);
    println!("         one talks             all talk once                server");
    println!("members  delivered       time   delivered       time  msgs/s      CPU  memory");
    let (mut one, mut all, mut in_turn) = (Vec::new(), Vec::new(), Vec::new());
    for n in MEMBERS.into_iter().filter(|n| *n <= flags.most) {
        if let Some(most) = most_open_files().filter(|most| n + 50 > *most) {
            println!("{n:7}  needs more than the {most} files that may be open in this shell;");
            println!("         with `ulimit -n {}` it goes on", n + 50);
            break;
        }
        // ANCHOR: row
        let crowd = Crowd::join(server.address, &format!("/room/{n}"), n)?;
        let memory = server.usage().map_or("-".to_owned(), |(_, memory)| memory);
        let (delivered, time) = one_talks(&crowd)?;
        print!("{n:7}  {delivered:9} {:>7.2} ms", millis(time));
        one.push((n as f64, millis(time)));
        in_turn.push((n as f64, millis(time) * n as f64));
        let expected = all.last().map_or(0.0, |(m, time)| time * (n as f64 / m).powi(2));
        if expected > millis(LONGEST) {
            println!("    left out: it would take about {:.0} s", expected / 1e3);
        } else {
            let before = server.usage();
            let (delivered, time) = all_talk(&crowd)?;
            let cpu = before.zip(server.usage()).map(|(before, after)| after.0 - before.0);
            let cpu = cpu.map_or("-".to_owned(), |cpu| format!("{} ms", cpu.as_millis()));
            let rate = delivered as f64 / time.as_secs_f64() / 1e6;
            println!("  {delivered:10} {:>7.1} ms  {rate:5.2} M {cpu:>7} {memory}", millis(time));
            all.push((n as f64, millis(time)));
        }
        crowd.leave()?;
        // ANCHOR_END: row
    }
    let path = Path::new("target/15_fanout_cost.svg");
    let lines = [("one talks", one), ("all talk at once", all), ("all talk in turn", in_turn)];
    plot::write_plot(path, lines)?;
    println!("plotted in {}", path.display());
    if !flags.once {
        println!("still serving; Ctrl-C ends it");
        server.wait()?;
    }
    Ok(())
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

// ANCHOR: talk
/// Lets one member say one thing that all hear. Returns the median of nine times.
fn one_talks(crowd: &Crowd) -> io::Result<(usize, Duration)> {
    let mut results = Vec::new();
    for _ in 0..9 {
        let begin = Instant::now();
        crowd.say(1)?;
        let delivered = crowd.hear(1)?;
        results.push((exactly(crowd.members(), delivered)?, begin.elapsed()));
    }
    results.sort_by_key(|(_, time)| *time);
    Ok(results[4])
}

/// Lets all members say one thing at the same time, and hear everything.
fn all_talk(crowd: &Crowd) -> io::Result<(usize, Duration)> {
    let members = crowd.members();
    let begin = Instant::now();
    crowd.say(members)?;
    let delivered = crowd.hear(members)?;
    Ok((exactly(members * members, delivered)?, begin.elapsed()))
}

/// Checks a count. A broadcast delivers N messages, or N times N, and not one more or less.
fn exactly(expected: usize, delivered: usize) -> io::Result<usize> {
    match delivered == expected {
        true => Ok(delivered),
        false => Err(io::Error::other(format!("{delivered} delivered, not {expected}"))),
    }
}
// ANCHOR_END: talk
