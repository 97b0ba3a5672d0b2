//! A flush to a large group that is interrupted after each send, so that other clients are served meanwhile.

use super::*;

/// A room with these members, and a message for them from the first one. The credit of the message is 1 byte.
fn room_with(by_hand: &mut ByHand, members: &[Arc<Memory>]) -> Arc<Outbox> {
    for (id, memory) in (1..).zip(members) {
        by_hand.join_at(id, room("blue"), memory);
    }
    by_hand.send_text(1, "first");
    Arc::clone(&by_hand.dispatcher.clients[&conn(1)].outbox)
}

impl ByHand {
    fn send_text(&mut self, client: u64, text: &str) {
        self.dispatcher.clients[&conn(client)].outbox.add_in_flight(1);
        let message = Received::Message(Opcode::Text, Bytes::from(text.to_owned()));
        let messages = vec![message];
        self.dispatcher.handle(Event::Received { client: conn(client), messages, cost: 1 });
    }

    /// Goes on with the flush for one send. Returns whether members still wait.
    fn flush_one(&mut self) -> bool {
        let dispatcher = &mut self.dispatcher;
        dispatcher.batches.flush_some(&mut dispatcher.counters, || true);
        dispatcher.batches.is_flushing()
    }
}

fn texts(memory: &Memory) -> Vec<String> {
    memory.frames(0).into_iter().map(|(_, text)| text).collect()
}

#[test]
fn an_echo_is_answered_between_two_sends_of_a_flush() {
    let mut by_hand = ByHand::new();
    let members: Vec<_> = (0..10).map(|_| Memory::unlimited()).collect();
    let outbox = room_with(&mut by_hand, &members);
    let quiet = Memory::unlimited();
    by_hand.join(99, &quiet);
    assert!(by_hand.dispatcher.batches.start_flush());
    for sent in 1..10 {
        assert!(by_hand.flush_one());
        let have_it = members.iter().filter(|memory| !memory.sent().is_empty()).count();
        assert_eq!(have_it, sent);
        by_hand.send_text(99, "echo");
        assert_eq!(quiet.frames(0).len(), sent);
        assert!(!outbox.wait_for_idle_at_most(Duration::ZERO), "a Close now would overtake it");
    }
    assert!(!by_hand.flush_one() && outbox.wait_for_idle_at_most(Duration::ZERO));
    assert!(members.iter().all(|memory| texts(memory) == ["first"]));
}

#[test]
fn messages_that_come_during_a_flush_follow_it_in_the_same_order_for_all() {
    for subprotocol in [false, true] {
        let mut by_hand = ByHand::new();
        let members: Vec<_> = (0..5).map(|_| Memory::unlimited()).collect();
        let say = |by_hand: &mut ByHand, n: usize| {
            let client = 1 + n as u64 % 5;
            if subprotocol {
                by_hand.send_requests(client, vec![format!(r#"{{"type":"say","text":"{n}"}}"#)]);
            } else {
                by_hand.send_text(client, &n.to_string());
            }
        };
        for (id, memory) in (1..).zip(&members) {
            if subprotocol {
                by_hand.join_at(id, Service::Group(Group::Classroom("blue".to_owned())), memory);
                by_hand.send_requests(id, vec![format!(r#"{{"type":"join","name":"{id}"}}"#)]);
            } else {
                by_hand.join_at(id, room("blue"), memory);
            }
        }
        by_hand.flush_groups();
        let before: Vec<_> = members.iter().map(|memory| texts(memory).len()).collect();
        for n in 0..20 {
            say(&mut by_hand, n);
            if !by_hand.dispatcher.batches.is_flushing() {
                by_hand.dispatcher.batches.start_flush();
            }
            by_hand.flush_one();
        }
        while by_hand.flush_one() {}
        by_hand.flush_groups();
        let heard: Vec<_> =
            members.iter().zip(before).map(|(m, n)| texts(m)[n..].to_vec()).collect();
        assert_eq!(heard[0].len(), 20);
        for (n, text) in heard[0].iter().enumerate() {
            assert!(text == &n.to_string() || text.contains(&format!(r#""text":"{n}""#)), "{text}");
        }
        assert!(heard.iter().all(|one| *one == heard[0]), "{heard:?}");
    }
}

#[test]
fn a_member_that_leaves_during_a_flush_gets_what_was_said_before() {
    let mut by_hand = ByHand::new();
    let members: Vec<_> = (0..4).map(|_| Memory::unlimited()).collect();
    room_with(&mut by_hand, &members);
    by_hand.dispatcher.batches.start_flush();
    by_hand.flush_one();
    by_hand.send_text(2, "second");
    // The first has got the first message already, and the last has not.
    by_hand.dispatcher.handle(Event::Left { client: conn(1) });
    by_hand.dispatcher.handle(Event::Left { client: conn(4) });
    by_hand.send_text(2, "third");
    while by_hand.flush_one() {}
    by_hand.flush_groups();
    assert_eq!(texts(&members[0]), ["first", "second"]);
    assert_eq!(texts(&members[3]), ["first", "second"]);
    assert_eq!(texts(&members[1]), ["first", "second", "third"]);
    assert_eq!(texts(&members[2]), ["first", "second", "third"]);
}

#[test]
fn a_shutdown_that_drops_messages_releases_their_credit() {
    let mut by_hand = ByHand::new();
    let members: Vec<_> = (0..3).map(|_| Memory::unlimited()).collect();
    let outbox = room_with(&mut by_hand, &members);
    by_hand.dispatcher.batches.start_flush();
    by_hand.flush_one();
    by_hand.send_text(1, "second");
    by_hand.dispatcher.close_all();
    assert!(outbox.wait_for_idle_at_most(Duration::ZERO));
    by_hand.send_text(1, "too late");
    assert!(outbox.wait_for_idle_at_most(Duration::ZERO));
    let opcodes =
        |memory: &Memory| memory.frames(0).into_iter().map(|(o, _)| o).collect::<Vec<_>>();
    assert_eq!(opcodes(&members[0]), [Opcode::Text, Opcode::Close]);
    assert_eq!(opcodes(&members[2]), [Opcode::Close]);
}

#[test]
fn messages_that_come_after_a_shutdown_only_release_their_credit() {
    let mut by_hand = ByHand::new();
    let ana = Memory::unlimited();
    by_hand.join(1, &ana);
    let outbox = Arc::clone(&by_hand.dispatcher.clients[&conn(1)].outbox);
    let receive = |by_hand: &mut ByHand, text: &'static str| {
        outbox.add_in_flight(1);
        let messages = vec![Received::Message(Opcode::Text, Bytes::from_static(text.as_bytes()))];
        by_hand.dispatcher.handle_at_once(Event::Received { client: conn(1), messages, cost: 1 })
    };
    let before = receive(&mut by_hand, "before").expect("it waits for its turn");
    assert!(by_hand.dispatcher.handle_at_once(Event::Shutdown).is_none());
    assert!(receive(&mut by_hand, "after").is_none());
    by_hand.dispatcher.handle(before);
    by_hand.dispatcher.close_all();
    assert!(outbox.wait_for_idle_at_most(Duration::ZERO));
    assert_eq!(ana.frames(2)[0], text("before"));
    assert_eq!(ana.frames(2)[1].0, Opcode::Close);
}
