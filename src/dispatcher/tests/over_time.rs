//! The dispatcher by itself, while time passes: Pings, timeouts, what the page asks for, and the shutdown.

use super::*;

#[test]
fn a_silent_client_gets_a_ping_and_its_pong_gives_the_round_trip() {
    let mut by_hand = ByHand::new();
    let ana = Memory::unlimited();
    by_hand.join(1, &ana);
    by_hand.check_at(19);
    assert!(ana.sent().is_empty());
    by_hand.check_at(20);
    assert_eq!(ana.frames(1), [(Opcode::Ping, "1".to_owned())]);
    let sent_at = by_hand.began + Duration::from_millis(20_900);
    let at = sent_at + Duration::from_millis(7);
    let round_trip = |by_hand: &ByHand| by_hand.snapshot().connected[0].round_trip_ms;
    let unsolicited = Bytes::from_static(b"unsolicited");
    by_hand.dispatcher.handle_at_once(Event::Pong { client: conn(1), payload: unsolicited, at });
    assert_eq!(round_trip(&by_hand), None);
    by_hand.dispatcher.handle_at_once(Event::Pong {
        client: conn(1),
        payload: Bytes::from_static(b"1"),
        at,
    });
    assert_eq!(round_trip(&by_hand), Some(7.0));
}

#[test]
fn a_client_that_stays_silent_gets_a_close_and_is_then_aborted() {
    let mut by_hand = ByHand::new();
    let silent = Memory::unlimited();
    by_hand.join(1, &silent);
    by_hand.check_at(20);
    by_hand.check_at(39);
    assert_eq!(silent.frames(1).len(), 1, "only the Ping so far");
    by_hand.check_at(40);
    let frames = silent.frames(2);
    assert_eq!(frames[1].0, Opcode::Close);
    assert!(frames[1].1.contains("no answer to a Ping within 20s"), "{}", frames[1].1);
    assert_eq!(by_hand.snapshot().dropped, 1);
    by_hand.check_at(44);
    assert!(!silent.is_aborted());
    by_hand.check_at(45);
    silent.wait_for_abort();
}

#[test]
fn a_page_commands_only_the_connections_of_its_own_tab() {
    let mut by_hand = ByHand::new();
    let ana = Memory::unlimited();
    by_hand.join(1, &ana);
    let own = Asker { tab: tab(), ..Asker::default() };
    let teacher = Asker { is_teacher: true, ..Asker::default() };
    let close = DemoAction::Close(CloseCode(1000));
    let other = Secret::parse(&"0".repeat(32));
    // That a page may see a connection does not mean that it may close it.
    for tab in [None, other] {
        let stranger = Asker { tab, is_teacher: false, sees_all: true };
        assert_eq!(by_hand.demo(1, stranger, close), Err(DemoError::NotYours));
    }
    assert_eq!(by_hand.demo(2, own, close), Err(DemoError::NoSuchClient));
    assert!(ana.sent().is_empty());
    assert_eq!(by_hand.demo(1, own, DemoAction::Ping), Ok(conn(1)));
    assert_eq!(ana.frames(1)[0].0, Opcode::Ping);
    assert_eq!(by_hand.demo(1, teacher, DemoAction::Ping), Ok(conn(1)));
    assert_eq!(ana.frames(2)[1].0, Opcode::Ping);
    // Without a number, the page means its newest connection.
    assert_eq!(by_hand.demo(None, teacher, close), Err(DemoError::NoConnection));
    let newer = Memory::unlimited();
    by_hand.join(2, &newer);
    assert_eq!(by_hand.demo(None, own, DemoAction::Ping), Ok(conn(2)));
    assert_eq!(newer.frames(1)[0].0, Opcode::Ping);
    // However often the page asks, what is unsent stays limited.
    let stalled = Memory::with_room(0);
    by_hand.join(3, &stalled);
    let mut asked = 0;
    let refused = loop {
        match by_hand.demo(3, own, DemoAction::Bytes(65_536)) {
            Ok(_) => asked += 1,
            Err(error) => break error,
        }
        assert!(asked < 100);
    };
    assert_eq!(refused, DemoError::BacklogFull);
    by_hand.dispatcher.clients[&conn(3)].outbox.abort(AbortReason::TooSlow);
    by_hand.threads.wait_for_all();
}

#[test]
fn a_slow_client_is_alive_while_it_reads_its_backlog() {
    let mut by_hand = ByHand::new();
    let slow = Memory::with_room(0);
    by_hand.join(1, &slow);
    let outbox = Arc::clone(&by_hand.dispatcher.clients[&conn(1)].outbox);
    outbox.send(&[Bytes::from(vec![0; 1000])], Cause::Others);
    for seconds in 1..200 {
        let before = outbox.bytes_out();
        slow.give_room(1);
        let deadline = Instant::now() + DEADLINE;
        while outbox.bytes_out() == before {
            assert!(Instant::now() < deadline);
            std::thread::yield_now();
        }
        by_hand.check_at(seconds);
    }
    assert!(!slow.is_aborted(), "a Ping would wait behind the backlog");
    // From here on it does not read.
    by_hand.check_at(220);
    by_hand.check_at(240);
    slow.wait_for_abort();
    by_hand.threads.wait_for_all();
}

#[test]
fn a_silent_client_that_does_not_read_is_aborted_without_a_close() {
    let mut by_hand = ByHand::new();
    let stalled = Memory::with_room(0);
    by_hand.join(1, &stalled);
    by_hand.check_at(20);
    by_hand.check_at(40);
    stalled.wait_for_abort();
    by_hand.threads.wait_for_all();
}

#[test]
fn a_client_that_sends_anything_is_alive() {
    let mut by_hand = ByHand::new();
    let talking = Memory::unlimited();
    let bytes_in = by_hand.join(1, &talking);
    by_hand.check_at(20);
    assert_eq!(talking.frames(1).len(), 1);
    for seconds in 21..100 {
        // A byte that is not a Pong.
        bytes_in.fetch_add(1, Ordering::Relaxed);
        by_hand.check_at(seconds);
    }
    assert_eq!(talking.frames(1).len(), 1, "neither another Ping nor a Close");
}

#[test]
fn at_shutdown_all_clients_get_a_close_even_one_that_joins_late() {
    let running = run(Config::default());
    let (early, late) = (Memory::unlimited(), Memory::unlimited());
    let outbox = running.join(1, room("blue"), &early);
    running.send_texts(1, &outbox, &["last words"]);
    running.send(Event::Shutdown);
    let late_outbox = running.join(2, room("red"), &late);
    // As a client's thread does, before it reads the first message.
    late_outbox.wait_until_idle();
    running.send_texts(2, &late_outbox, &["too late"]);
    let frames = early.frames(2);
    assert_eq!(frames[0], text("last words"));
    assert_eq!(frames[1].0, Opcode::Close);
    assert_eq!(late.frames(1)[0].0, Opcode::Close);
    late_outbox.wait_until_idle();
    running.send_texts(1, &outbox, &["too late"]);
    outbox.wait_until_idle();
    assert_eq!((early.frames(2).len(), late.frames(1).len()), (2, 1));
    assert_eq!(outbox.close_info().0, Some(CloseCode::GOING_AWAY));
    running.end();
}
