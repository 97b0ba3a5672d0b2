//! As many clients as the system has room for, and as many slow ones: the process lives, and serves those
//! that it has accepted. Linux only, because the limits of other systems differ.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Instant;

use chalkwire::protocol::{Frame, Opcode};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};

use crate::common::program::{Serving, Usage, program};
use crate::common::*;

/// Raises the number of descriptors that this process may have open as far as the system lets it.
fn raise_descriptors() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    // A system that does not allow it leaves the test with fewer clients.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// A connection on which the server can send only a few kilobytes while the client does not read.
///
/// The server's system keeps megabytes for a connection with segments of 64 KiB, which is usual inside one
/// machine. So the segments are small here, as in a network.
fn dial_with_small_segments(address: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    // Both before it connects, because the two systems then agree on them.
    socket.set_recv_buffer_size(8 * 1024).expect("an open socket");
    socket.set_tcp_mss(536).expect("an open socket");
    socket.connect(&address.into()).expect("the server listens");
    let socket = TcpStream::from(socket);
    socket.set_read_timeout(Some(DEADLINE)).expect("an open socket");
    socket
}

/// A server with `flags` that sends no Pings, because the clients of these tests do not answer any. Its
/// warnings come out at stderr.
fn start(flags: &[&str]) -> Serving {
    let mut command = Command::new(program());
    command.args(["--listen", "127.0.0.1:0", "--ping-interval", "0"]).args(flags);
    command.env("RUST_LOG", "warn").stderr(Stdio::piped());
    Serving::start(command)
}

/// The log of a server that has ended.
fn log(server: &mut Serving) -> String {
    let mut log = String::new();
    server.child.stderr.take().expect("a pipe").read_to_string(&mut log).expect("text");
    log
}

/// The answer to a handshake: its status.
fn open(address: SocketAddr) -> std::io::Result<(TcpStream, u16)> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(DEADLINE))?;
    socket.write_all(handshake(address, "/echo", "").as_bytes())?;
    let mut head = Vec::new();
    let mut chunk = [0; 512];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match socket.read(&mut chunk) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => head.extend_from_slice(&chunk[..count]),
            // A signal interrupted the read, for example because the machine was suspended.
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let status = std::str::from_utf8(&head[9..12]).expect("text").parse().expect("a status");
    Ok((socket, status))
}

#[test]
fn as_many_clients_as_the_system_has_room_for_are_served_and_the_next_one_gets_503() {
    const ASKED: usize = 20_000;
    raise_descriptors();
    let mut server = start(&["--max-clients", &ASKED.to_string()]);
    let mut clients = Vec::new();
    let deadline = Instant::now() + 4 * DEADLINE;
    let refused = loop {
        assert!(Instant::now() < deadline, "{} clients, and no end", clients.len());
        match open(server.address) {
            Ok((socket, 101)) => clients.push(socket),
            Ok((_, status)) => break Some(status),
            // This process has fewer descriptors than the server has places.
            Err(error) if error.raw_os_error() == Some(24) => break None,
            Err(error) => panic!("{} clients, then {error}", clients.len()),
        }
    };
    let last = clients.pop().expect("some clients are in");
    for mut socket in [clients.pop().expect("some clients are in"), last] {
        socket.write_all(&Frame::new(Opcode::Text, Some(KEY), b"Hello").encode()).unwrap();
        let mut echo = [0; 7];
        socket.read_exact(&mut echo).expect("an echo");
        assert_eq!(&echo, b"\x81\x05Hello");
        clients.push(socket);
    }
    server.signal("TERM");
    assert_eq!(server.wait(), Some(0));
    let log = log(&mut server);
    match refused {
        None => skip(&format!("the test itself may open only {} connections", clients.len())),
        Some(status) => {
            assert_eq!(status, 503);
            // Where the system has room for fewer, the server said at start for how many.
            let lowered = log.split("is lowered to ").nth(1);
            let count = lowered.and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next());
            let places = count.map_or(ASKED, |count| count.parse().expect("a number"));
            assert_eq!(clients.len(), places, "{log}");
        }
    }
}

#[test]
fn thousands_of_slow_clients_take_one_thread_and_get_the_whole_message_when_they_read() {
    const MEMBERS: usize = 2_000;
    const LENGTH: usize = 300_000;
    raise_descriptors();
    let mut server = start(&[]);
    let rest = Usage::at_rest(&server);
    let members: Vec<Raw> = (0..MEMBERS)
        .map(|_| {
            let mut socket = dial_with_small_segments(server.address);
            socket.write_all(handshake(server.address, "/broadcast", "").as_bytes()).unwrap();
            Raw::read_head(socket)
        })
        .collect();
    let mut speaker = Raw::open(server.address, "/broadcast", "");
    let message: Vec<u8> = (0..LENGTH).map(|n| (n % 251) as u8).collect();
    speaker.send(Opcode::Binary, &message);
    assert_eq!(speaker.frame().payload, message);
    let now = Usage::of(&server);
    assert!(now.threads <= rest.threads + MEMBERS as u64 + 1, "{rest:?}, then {now:?}");
    // The dispatcher has given the message to every member before it answers this.
    assert_eq!(server.stats()["dropped"], 0);
    for mut member in members.into_iter().step_by(20) {
        assert_eq!(member.frame().payload, message);
    }
    // The other members have left without reading.
    wait_until("their threads and descriptors to go", || {
        let now = Usage::of(&server);
        now.threads == rest.threads + 1 && now.descriptors == rest.descriptors + 1
    });
    server.signal("TERM");
    assert_eq!(speaker.close().0, 1001);
    drop(speaker);
    assert_eq!(server.wait(), Some(0));
    assert_eq!(log(&mut server), "");
}
