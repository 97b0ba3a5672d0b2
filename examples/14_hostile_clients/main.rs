//! Chapter 14: hostile clients. Seven attacks on a server that has limits.
//!
//! Learn: the server must decide which pages may connect; each limit has one answer.
//! Run:   `cargo run --example 14_hostile_clients`
//! See:   what each attacker sends, what it gets, and a neighbour who notices nothing.
//! Still wrong: a message to N members is sent N times, and no limit here says what that costs.

#[path = "../common/raw_client.rs"]
mod raw_client;

use std::error::Error;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use chalkwire::protocol::{Frame, FrameHeader, Opcode};
use chalkwire::{Config, Server};
use raw_client::{KEY, Neighbour, answer, dial, knock, next_payload};

/// Makes seven attacks on a server with limits.
#[derive(argh::FromArgs)]
struct Flags {
    /// where to listen, ADDR:PORT (default 127.0.0.1:8080)
    #[argh(option, default = "\"127.0.0.1:8080\".to_owned()")]
    listen: String,
    /// end after the demonstration
    #[argh(switch)]
    once: bool,
}

/// The site whose page our users open, and the site whose page they open by mistake.
const OURS: &str = "https://school.example";
const STRANGE: &str = "https://evil.example";

fn main() -> Result<(), Box<dyn Error>> {
    let flags: Flags = argh::from_env();
    // ANCHOR: limits
    let limits = Config {
        max_message: 64 * 1024,
        max_fragments: 100,
        handshake_timeout: Duration::from_secs(1),
        ..Config::default()
    };
    let allow_origin = vec![OURS.to_owned()];
    let strict = Config { allow_origin, max_clients: 3, ..limits.clone() };
    // ANCHOR_END: limits
    // ANCHOR: servers
    let open = Server::bind(&flags.listen, limits)
        .map_err(|error| format!("cannot listen at {}: {error}", flags.listen))?;
    let strict = Server::bind("127.0.0.1:0", strict)?;
    let (open_at, strict_at) = (open.local_addr(), strict.local_addr());
    let stoppers = [open.stopper(), strict.stopper()];
    let threads = [thread::spawn(|| open.run()), thread::spawn(|| strict.run())];
    // ANCHOR_END: servers
    println!("listening at http://{open_at}/");

    let mut neighbour = Neighbour::new(knock(open_at, "/room/staff", OURS)?.0);
    doors(open_at, strict_at, &mut neighbour)?;
    slow_handshake(open_at, &mut neighbour)?;
    frames(open_at, &mut neighbour)?;
    let (sent, longest) = (neighbour.sent, neighbour.longest);
    drop(neighbour); // otherwise the server would wait for the answer to its Close
    println!("the neighbour sent {sent} messages meanwhile and had all {sent} back, in order;");
    println!("its longest wait was {} ms", longest.as_millis());

    if flags.once {
        stoppers.iter().for_each(|stopper| stopper.stop());
    } else {
        println!("still serving; open http://{open_at}/ and break more rules; Ctrl-C ends it");
    }
    for thread in threads {
        thread.join().map_err(|_| "the server panicked")??;
    }
    Ok(())
}

// ANCHOR: doors
fn doors(open: SocketAddr, strict: SocketAddr, neighbour: &mut Neighbour) -> io::Result<()> {
    println!("1. a page from {STRANGE}, at a server that accepts every Origin");
    let (mut page, answer) = knock(open, "/room/staff", STRANGE)?;
    println!("   got   {answer}");
    neighbour.say("the door code is 4711")?;
    println!("   read  {:?}", next_payload(&mut page)?);

    println!("2. the same page, at a server that accepts only {OURS}");
    println!("   got   {}", knock(strict, "/room/staff", STRANGE)?.1);

    println!("3. four clients of ours, at a server with room for three");
    let clients = [(); 4].map(|()| knock(strict, "/room/staff", OURS));
    for client in clients {
        println!("   got   {}", client?.1);
    }
    neighbour.talk()
}
// ANCHOR_END: doors

// ANCHOR: slow_handshake
fn slow_handshake(server: SocketAddr, neighbour: &mut Neighbour) -> io::Result<()> {
    println!("4. half a request, and then silence");
    let begin = Instant::now();
    let mut socket = dial(server)?;
    socket.write_all(b"GET /echo HTTP/1.1\r\nHost: loc")?;
    neighbour.talk()?;
    println!("   got   {}", answer(&mut socket)?);
    println!("   after {:.3} s", begin.elapsed().as_secs_f64());
    Ok(())
}
// ANCHOR_END: slow_handshake

// ANCHOR: frames
fn frames(server: SocketAddr, neighbour: &mut Neighbour) -> io::Result<()> {
    let mut huge = Vec::new();
    FrameHeader::new(Opcode::Binary, KEY, 1 << 60).encode(&mut huge);
    let empty = |opcode| {
        let mut frame = Frame::new(opcode, KEY, b"");
        frame.header.fin = false;
        frame.encode()
    };
    let endless = [empty(Opcode::Text), empty(Opcode::Continuation).repeat(199)].concat();
    let unmasked = Frame::new(Opcode::Text, None, b"Hello").encode();
    for (what, bytes) in [
        ("5. a header that announces 2^60 bytes, and none of them", huge),
        ("6. a message of 200 empty fragments, still without an end", endless),
        ("7. a frame without a mask", unmasked),
    ] {
        println!("{what}");
        let (mut client, _) = knock(server, "/echo", OURS)?;
        client.write_all(&bytes)?;
        println!("   sent  {} bytes, the first are {:02x?}", bytes.len(), &bytes[..6]);
        neighbour.talk()?;
        println!("   got   {}", next_payload(&mut client)?);
    }
    Ok(())
}
// ANCHOR_END: frames
