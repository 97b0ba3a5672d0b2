//! Load and faults, sized for two cores. Steady clients exchange messages while other clients make every
//! kind of trouble. The steady clients lose nothing, and afterwards the server holds nothing of the
//! others. `bench/src/bin/soak.rs` does the same for as long as you like.

use std::net::Shutdown;

use crate::common::program::{Serving, Usage};
use crate::common::trouble::{Steady, crowd, stalled_readers, vanish};
use crate::common::*;

fn dropped(server: &Serving) -> u64 {
    server.stats()["dropped"].as_u64().expect("a number")
}

#[test]
fn steady_clients_lose_nothing_while_others_make_trouble() {
    let server = Serving::with(&["--handshake-timeout", "10", "--close-timeout", "10"]);
    let start = Usage::at_rest(&server);
    let mut memory = Vec::new();
    for round in 0..2 {
        let steady = Steady::begin(server.address);
        vanish(server.address, 1500);
        stalled_readers(server.address, || dropped(&server));
        crowd(server.address, 500);
        let messages = steady.end();
        assert!(messages > 100, "{messages} messages in round {round}");
        wait_until("threads and descriptors to go", || {
            let now = Usage::of(&server);
            now.threads == start.threads && now.descriptors == start.descriptors
        });
        memory.push(Usage::of(&server).memory);
    }
    // The second round can use the memory that the allocator kept after the first.
    assert!(memory[1] <= memory[0] + memory[0] / 4, "{memory:?} KiB after each round");
    assert_eq!(server.stats()["clients"], 0);
}

#[cfg(unix)]
#[test]
fn a_signal_under_load_sends_every_client_a_close() {
    // Every client reads all that is on its way and answers, so the server does not wait this long.
    let mut server = Serving::with(&["--close-timeout", "60"]);
    let mut members: Vec<Raw> =
        (0..300).map(|_| Raw::open(server.address, "/broadcast", "")).collect();
    let mut writer = members[0].socket.try_clone().expect("a second handle");
    let flood = frames([b"Hello".as_slice(); 100].into_iter());
    // The flood lasts until the server ends.
    let writing = std::thread::spawn(move || {
        use std::io::Write;
        while writer.write_all(&flood).is_ok() {}
    });
    for member in &mut members {
        for _ in 0..100 {
            assert_eq!(member.text(), "Hello");
        }
    }
    server.signal("TERM");
    let readers = members.into_iter().enumerate().map(|(n, mut member)| {
        std::thread::spawn(move || {
            loop {
                let frame = member.frame();
                if frame.header.opcode == chalkwire::protocol::Opcode::Close {
                    assert_eq!(frame.payload[..2], 1001_u16.to_be_bytes());
                    if n == 0 {
                        // This client is in the middle of a frame, so it cannot send a Close.
                        member.socket.shutdown(Shutdown::Both).expect("it is open");
                    } else {
                        member.send_close(1001, "");
                        member.expect_end();
                    }
                    return;
                }
                assert_eq!(frame.payload, b"Hello");
            }
        })
    });
    for reader in readers.collect::<Vec<_>>() {
        reader.join().expect("a Close 1001 after whole frames");
    }
    assert_eq!(server.wait(), Some(0));
    writing.join().expect("it ends");
}
