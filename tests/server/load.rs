//! Load and faults, sized for two cores: steady clients talk while others make every kind of trouble,
//! and lose nothing; and of all the trouble nothing is left behind. `examples/soak.rs` does the same
//! for as long as one likes.

use std::net::Shutdown;

use crate::common::program::{Serving, Usage};
use crate::common::trouble::{Steady, crowd, stalled_readers, vanish};
use crate::common::*;

fn dropped(server: &Serving) -> u64 {
    server.stats()["dropped"].as_u64().expect("a number")
}

#[test]
fn the_steady_lose_nothing_whatever_others_do_and_nothing_is_left_behind() {
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
    // What the first round makes the allocator keep, the second finds again.
    assert!(memory[1] <= memory[0] + memory[0] / 4, "{memory:?} KiB after each round");
    assert_eq!(server.stats()["clients"], 0);
}

#[cfg(unix)]
#[test]
fn a_signal_under_load_is_a_goodbye_for_everyone() {
    // Everyone takes what is on its way and answers, so this is not waited for.
    let mut server = Serving::with(&["--close-timeout", "60"]);
    let mut members: Vec<Raw> =
        (0..300).map(|_| Raw::open(server.address, "/broadcast", "")).collect();
    let mut writer = members[0].socket.try_clone().expect("a second handle");
    let flood = frames([b"Hello".as_slice(); 100].into_iter());
    // Until the server ends.
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
                        // In the middle of its flood, where no Close would be understood.
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
        reader.join().expect("a Close 1001, and nothing broken before it");
    }
    assert_eq!(server.wait(), Some(0));
    writing.join().expect("it ends");
}
