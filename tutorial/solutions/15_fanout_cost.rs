//! The exercises of chapter 15, solved: a member limit from a measured cost, and a crowd in many
//! rooms.
//!
//! Run: `cargo run --release --example solution_15_fanout_cost`
//! See: how many members a room may have, and what the same people cost in rooms of 50.

#[path = "../../examples/15_fanout_cost/child_server.rs"]
#[expect(dead_code, reason = "this program measures only times")]
mod child_server;
#[path = "../../examples/15_fanout_cost/crowd.rs"]
mod crowd;
#[path = "../../examples/common/raw_client.rs"]
#[expect(dead_code, reason = "these clients do not send wrong bytes")]
mod raw_client;

use std::error::Error;
use std::io;
use std::time::{Duration, Instant};

use chalkwire::Config;
use child_server::ChildServer;
use crowd::Crowd;

/// Computes a member limit, and compares one large room with rooms of 50.
#[derive(argh::FromArgs)]
struct Flags {
    /// where to listen, ADDR:PORT (default 127.0.0.1:8080)
    #[argh(option, default = "\"127.0.0.1:8080\".to_owned()")]
    listen: String,
    /// end after the demonstration
    #[argh(switch)]
    once: bool,
    /// people (default 400; 100 when built without --release)
    #[argh(option, default = "if cfg!(debug_assertions) { 100 } else { 400 }")]
    people: usize,
    /// only serve (the program starts itself with this flag, to measure the server alone)
    #[argh(switch)]
    serve: bool,
}

/// Members of a small room.
const ROOM: usize = 50;

fn main() -> Result<(), Box<dyn Error>> {
    let flags: Flags = argh::from_env();
    if flags.serve {
        return child_server::serve(&flags.listen, Config::default());
    }
    let server = ChildServer::start(&flags.listen)?;
    println!("listening at http://{}/", server.address);
    let people = flags.people;
    let crowd = Crowd::join(server.address, "/room/all", people)?;
    limit(&crowd)?;

    println!("all {people} in one room, and all talk once:");
    all_talk(&[crowd], people)?;
    println!("the same people in rooms of {ROOM}:");
    let join = |n| Crowd::join(server.address, &format!("/room/{n}"), ROOM);
    let rooms = (0..people / ROOM).map(join).collect::<io::Result<Vec<_>>>()?;
    all_talk(&rooms, ROOM)?;
    rooms.into_iter().try_for_each(Crowd::leave)?;
    if !flags.once {
        println!("still serving; Ctrl-C ends it");
        server.wait()?;
    }
    Ok(())
}

// ANCHOR: limit
/// Computes how many members a room may have, if each says something every 10 s and the room may
/// take half of one core.
fn limit(crowd: &Crowd) -> io::Result<()> {
    const TIMES: u32 = 20;
    let begin = Instant::now();
    for _ in 0..TIMES {
        crowd.say(1)?;
        crowd.hear(1)?;
    }
    // `cost` is the time of one send to one member. N members say N/10 things a second, and each of
    // them is N sends. So we solve N/10 x N x cost = 0.5 s for N.
    let cost = (begin.elapsed() / TIMES).as_secs_f64() / crowd.members() as f64;
    println!("one send costs {:.1} µs", cost * 1e6);
    println!("so a room may have {:.0} members", (0.5 * 10.0 / cost).sqrt());
    Ok(())
}
// ANCHOR_END: limit

// ANCHOR: rooms
/// Lets each member of all these rooms say one thing: first all at once, then one after the other.
fn all_talk(rooms: &[Crowd], members: usize) -> io::Result<()> {
    let begin = Instant::now();
    rooms.iter().try_for_each(|room| room.say(members))?;
    let heard = rooms.iter().map(|room| room.hear(members)).sum::<io::Result<usize>>()?;
    println!("   {heard} messages, at once:  {:.1} ms", millis(begin.elapsed()));
    let begin = Instant::now();
    let mut heard_in_turn = 0;
    for room in rooms {
        for _ in 0..members {
            room.say(1)?;
            heard_in_turn += room.hear(1)?;
        }
    }
    println!("   {heard_in_turn} messages, in turn:  {:.1} ms", millis(begin.elapsed()));
    let expected = rooms.len() * members * members;
    if [heard, heard_in_turn] != [expected, expected] {
        return Err(io::Error::other("some are missing"));
    }
    Ok(())
}
// ANCHOR_END: rooms

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
