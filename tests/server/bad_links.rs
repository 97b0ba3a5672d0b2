//! Links that delay, cut, lose and reorder, and links that go down: what is promised holds on them too.

use std::net::SocketAddr;

use chalkwire::protocol::{Frame, Opcode};

use crate::common::bad_link::bad_link_to;
use crate::common::program::{Serving, Usage};
use crate::common::trouble::{close_going_away, hear};
use crate::common::*;

/// Opens several WebSockets at once, so that the delays of the link do not add up.
fn open_all(address: SocketAddr, path: &str, clients: usize) -> Vec<Raw> {
    let requests = (0..clients).map(|_| {
        let mut socket = dial(address);
        let request = handshake(address, path, "");
        std::io::Write::write_all(&mut socket, request.as_bytes()).expect("the request leaves");
        socket
    });
    let sockets: Vec<_> = requests.collect();
    sockets.into_iter().map(Raw::read_head).collect()
}

fn send_texts<'a>(raw: &mut Raw, texts: impl Iterator<Item = &'a String>) {
    let frames: Vec<u8> = texts
        .flat_map(|text| Frame::new(Opcode::Text, Some(KEY), text.as_bytes()).encode())
        .collect();
    raw.send_bytes(&frames);
}

/// Each client sends its texts at once, and receives them in the same order.
fn echo(address: SocketAddr, clients: usize) {
    const TEXTS: usize = 20;
    let text = |client: usize, n: usize| {
        format!("{client} {n} {}", "x".repeat((client * 37 + n * 211) % 900))
    };
    let mut all = open_all(address, "/echo", clients);
    for (client, raw) in all.iter_mut().enumerate() {
        let texts: Vec<String> = (0..TEXTS).map(|n| text(client, n)).collect();
        send_texts(raw, texts.iter());
    }
    for (client, raw) in all.iter_mut().enumerate() {
        for n in 0..TEXTS {
            assert_eq!(hear(raw), text(client, n));
        }
    }
    all.into_iter().for_each(close_going_away);
}

/// Some members of a room send texts at once. All members receive all of them, in the same order, and those of
/// each member in the order in which it sent them.
fn broadcast(address: SocketAddr, members: usize) {
    const SENDERS: usize = 5;
    const TEXTS: usize = 20;
    let mut all = open_all(address, "/room/link", members);
    for (sender, raw) in all.iter_mut().take(SENDERS).enumerate() {
        let texts: Vec<String> = (0..TEXTS).map(|n| format!("{sender} {n}")).collect();
        send_texts(raw, texts.iter());
    }
    let mut received = all.iter_mut().map(|raw| {
        let texts = (0..SENDERS * TEXTS).map(|_| hear(raw));
        texts.collect::<Vec<String>>()
    });
    let first = received.next().expect("a member");
    for sender in 0..SENDERS {
        let its_own = first.iter().filter(|text| text.starts_with(&format!("{sender} ")));
        assert!(its_own.eq((0..TEXTS).map(|n| format!("{sender} {n}")).collect::<Vec<_>>().iter()));
    }
    assert!(received.all(|texts| texts == first), "all members receive the same order");
    all.into_iter().for_each(close_going_away);
}

#[test]
fn a_link_that_cuts_and_stalls_loses_nothing_and_keeps_the_order() {
    let server = Serving::with(&[]);
    let before = Usage::at_rest(&server);
    let link = bad_link_to(server.address);
    std::thread::scope(|scope| {
        scope.spawn(|| echo(link, 150));
        scope.spawn(|| broadcast(link, 50));
    });
    assert_eq!(server.stats()["dropped"], 0);
    wait_until("the end of all clients' threads and descriptors", || {
        let now = Usage::of(&server);
        now.threads == before.threads && now.descriptors == before.descriptors
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_link_that_delays_loses_and_reorders_packets_loses_no_message() {
    let netem = "tc qdisc add dev lo root netem delay 20ms 10ms loss 2% reorder 25% 50%";
    let name = "bad_links::a_link_that_delays_loses_and_reorders_packets_loses_no_message";
    namespace::in_namespace(name, &[netem], || {
        let server = Serving::with(&[]);
        std::thread::scope(|scope| {
            scope.spawn(|| echo(server.address, 40));
            scope.spawn(|| broadcast(server.address, 20));
        });
        assert_eq!(server.stats()["dropped"], 0);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_link_of_small_packets_that_goes_down_for_a_second_loses_no_message() {
    let name = "bad_links::a_link_of_small_packets_that_goes_down_for_a_second_loses_no_message";
    namespace::in_namespace(name, &["ip link set lo mtu 300"], || {
        const CLIENTS: usize = 20;
        let server = Serving::with(&[]);
        echo(server.address, CLIENTS);
        let mut all = open_all(server.address, "/echo", CLIENTS);
        let text = |client: usize, n: usize| format!("{client} {n} {}", "x".repeat(2000));
        for n in 0..4 {
            // In the second round the texts leave while the link is down.
            if n == 1 {
                namespace::change_link("ip link set lo down");
            }
            for (client, raw) in all.iter_mut().enumerate() {
                raw.send_text(&text(client, n));
            }
            if n == 1 {
                std::thread::sleep(std::time::Duration::from_secs(1));
                namespace::change_link("ip link set lo up");
            }
            for (client, raw) in all.iter_mut().enumerate() {
                assert_eq!(hear(raw), text(client, n));
            }
        }
        all.into_iter().for_each(close_going_away);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn clients_behind_a_link_that_stays_down_leave_nothing_behind() {
    let name = "bad_links::clients_behind_a_link_that_stays_down_leave_nothing_behind";
    namespace::in_namespace(name, &["ip link set lo mtu 300"], || {
        const CLIENTS: usize = 30;
        const LENGTH: usize = 64 * 1024;
        let server = Serving::with(&[
            "--ping-interval",
            "0.5",
            "--pong-timeout",
            "0.5",
            "--close-timeout",
            "0.5",
        ]);
        let before = Usage::at_rest(&server);
        let mut memory = Vec::new();
        for _ in 0..4 {
            let mut all = open_all(server.address, "/room/gone", CLIENTS);
            for raw in &all {
                raw.shrink_receive_buffer();
            }
            // None of them reads, so that the server has a backlog for each when the link goes down.
            let message = Frame::new(Opcode::Binary, Some(KEY), &[7; LENGTH]).encode();
            all[0].send_bytes(&message.repeat(8));
            wait_until("the messages to reach the server", || {
                server.stats()["messages_in"].as_u64() >= Some(8)
            });
            namespace::change_link("ip link set lo down");
            wait_until("the end of all clients' threads and descriptors", || {
                let now = Usage::of(&server);
                now.threads == before.threads && now.descriptors == before.descriptors
            });
            memory.push(Usage::of(&server).memory);
            namespace::change_link("ip link set lo up");
        }
        // The allocator keeps memory of the first rounds, and the later rounds use it again.
        assert!(memory[3] <= memory[1] + memory[1] / 4, "{memory:?} KiB");
    });
}
