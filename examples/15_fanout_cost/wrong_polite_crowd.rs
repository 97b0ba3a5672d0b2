//! Wrong, for chapter 15: every client keeps every limit, and still another client has to wait.
//!
//! Learn: a limit on each client says nothing about what a room of polite clients costs.
//! Run:   `cargo run --example wrong_15_polite_crowd`
//! See:   how long a neighbour in another room waits while a crowd talks.

#[expect(dead_code, reason = "this crowd does not leave")]
mod crowd;
#[path = "../common/raw_client.rs"]
mod raw_client;

use std::error::Error;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use chalkwire::{Config, Server};
use crowd::Crowd;
use raw_client::{Neighbour, knock};

/// Lets a crowd talk, and measures how long a neighbour in another room waits.
#[derive(argh::FromArgs)]
struct Flags {
    /// where to listen, ADDR:PORT (default 127.0.0.1:8080)
    #[argh(option, default = "\"127.0.0.1:8080\".to_owned()")]
    listen: String,
    /// end after the demonstration
    #[argh(switch)]
    once: bool,
}

/// The members of the crowd, and how many things each of them says.
const MEMBERS: usize = 300;
const TIMES: usize = 10;

fn main() -> Result<(), Box<dyn Error>> {
    let flags: Flags = argh::from_env();
    let limits = Config {
        max_message: 64 * 1024,
        handshake_timeout: Duration::from_secs(1),
        ..Config::default()
    };
    let server = Server::bind(&flags.listen, limits)
        .map_err(|error| format!("cannot listen at {}: {error}", flags.listen))?;
    let (address, stopper) = (server.local_addr(), server.stopper());
    println!("listening at http://{address}/");
    let server = thread::spawn(|| server.run());

    let mut neighbour = Neighbour::new(knock(address, "/room/quiet", "http://localhost")?.0);
    let begin = Instant::now();
    neighbour.talk()?;
    println!("alone, the neighbour waits {:.2} ms on average", average(begin, neighbour.sent));
    let crowd = Crowd::join(address, "/room/loud", MEMBERS)?;
    neighbour.sent = 0;
    let begin = Instant::now();
    let delivered = thread::scope(|scope| {
        let talking = scope.spawn(|| {
            (0..TIMES).map(|_| crowd.say(MEMBERS).and_then(|()| crowd.hear(MEMBERS))).sum()
        });
        while !talking.is_finished() {
            neighbour.say("am I alone?")?;
        }
        let delivered: io::Result<usize> = talking.join().expect("it does not panic");
        delivered
    })?;
    let meanwhile = average(begin, neighbour.sent);
    println!("{MEMBERS} members of another room say {} things", MEMBERS * TIMES);
    println!("nobody is refused, and {delivered} messages are delivered");
    println!("meanwhile the neighbour waits {meanwhile:.2} ms on average");
    drop((crowd, neighbour)); // otherwise the server would wait for the answers to its Close
    if flags.once {
        stopper.stop();
    } else {
        println!("still serving; Ctrl-C ends it");
    }
    Ok(server.join().map_err(|_| "the server panicked")??)
}

/// The mean time in milliseconds, if `times` things have happened since `begin`.
fn average(begin: Instant, times: u32) -> f64 {
    begin.elapsed().as_secs_f64() * 1e3 / f64::from(times)
}
