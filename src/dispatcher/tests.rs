//! The dispatcher by itself: events in on a channel, frames out into memory. No socket.

use crossbeam_channel::{Sender, bounded, unbounded};

use super::*;
use crate::dispatcher::classroom;
use crate::outbox::memory::{DEADLINE, Memory};

/// A running dispatcher, and the way to it.
struct Running {
    events: Sender<Event>,
    threads: Arc<Threads>,
    max_backlog: usize,
}

/// The connection of this number.
fn conn(number: u64) -> ConnectionId {
    ConnectionId(number)
}

fn run(config: Config) -> Running {
    let threads = Arc::new(Threads::default());
    let (events, receiver) = unbounded();
    let max_backlog = config.max_backlog;
    let dispatcher = Dispatcher::new(&config, Arc::clone(&threads));
    threads.spawn("dispatcher".to_owned(), 256 * 1024, move || dispatcher.run(&receiver)).unwrap();
    Running { events, threads, max_backlog }
}

impl Running {
    fn join(&self, client: u64, service: Service, memory: &Arc<Memory>) -> Arc<Outbox> {
        let transport = Arc::clone(memory) as _;
        let outbox =
            Outbox::new(transport, Arc::clone(&self.threads), conn(client), self.max_backlog);
        let peer = "127.0.0.1:1".parse().unwrap();
        let bytes_in = Arc::default();
        let joined =
            Joined { client: conn(client), peer, service, outbox: Arc::clone(&outbox), bytes_in };
        outbox.add_in_flight(1);
        self.send(Event::Joined(Box::new(joined)));
        outbox
    }

    fn send(&self, event: Event) {
        self.events.send(event).unwrap();
    }

    fn says(&self, client: u64, outbox: &Outbox, texts: &[&str]) {
        let message =
            |text: &&str| Received::Message(Opcode::Text, Bytes::from(text.as_bytes().to_vec()));
        outbox.add_in_flight(1);
        let messages = texts.iter().map(message).collect();
        self.send(Event::Received { client: conn(client), messages, cost: 1 });
    }

    fn asks(&self, client: u64, outbox: &Outbox, request: &str) {
        outbox.add_in_flight(1);
        let messages = vec![Received::Classroom(classroom::parse(request))];
        self.send(Event::Received { client: conn(client), messages, cost: 1 });
    }

    fn stats(&self) -> Arc<Snapshot> {
        let (reply, snapshot) = bounded(1);
        self.send(Event::Stats(reply));
        snapshot.recv_timeout(DEADLINE).expect("an answer")
    }

    /// Lets the dispatcher end, and fails if it does not.
    fn end(self) {
        drop(self.events);
        self.threads.wait_for_all();
    }
}

fn echo_path() -> Service {
    Service::Echo(EchoAt::Echo)
}

fn room(name: &str) -> Service {
    Service::Group(Group::Room(name.to_owned()))
}

fn text(payload: &str) -> (Opcode, String) {
    (Opcode::Text, payload.to_owned())
}

#[test]
fn echo_answers_the_sender_alone() {
    let running = run(Config::default());
    let (ana, ben) = (Memory::unlimited(), Memory::unlimited());
    let outbox = running.join(1, echo_path(), &ana);
    running.join(2, echo_path(), &ben);
    running.says(1, &outbox, &["one", "two", ""]);
    assert_eq!(ana.frames(3), [text("one"), text("two"), text("")]);
    assert_eq!(ana.sends(), 1, "messages that came together leave together");
    outbox.wait_until_idle();
    assert!(ben.sent().is_empty());
    running.end();
}

#[test]
fn a_group_hears_its_members_and_nobody_else() {
    let running = run(Config::default());
    let (ana, ben, zoe) = (Memory::unlimited(), Memory::unlimited(), Memory::unlimited());
    let outbox = running.join(1, room("blue"), &ana);
    running.join(2, room("blue"), &ben);
    running.join(3, room("red"), &zoe);
    running.says(1, &outbox, &["hello"]);
    assert_eq!(ana.frames(1), [text("hello")]);
    assert_eq!(ben.frames(1), [text("hello")]);
    running.stats();
    assert!(zoe.sent().is_empty());
    running.end();
}

#[test]
fn who_has_left_gets_nothing_and_leaves_nothing_behind() {
    let running = run(Config::default());
    let (ana, ben) = (Memory::unlimited(), Memory::unlimited());
    let outbox = running.join(1, room("blue"), &ana);
    running.join(2, room("blue"), &ben);
    running.says(1, &outbox, &["before"]);
    running.send(Event::Left { client: conn(2) });
    running.says(1, &outbox, &["after"]);
    assert_eq!(ana.frames(2), [text("before"), text("after")]);
    assert_eq!(ben.frames(1), [text("before")]);
    running.send(Event::Left { client: conn(1) });
    let stats = running.stats();
    assert_eq!((stats.clients, stats.clients_total), (0, 2));
    assert_eq!((stats.messages_in, stats.messages_out), (2, 3));
    running.end();
}

#[test]
fn a_burst_costs_one_send_a_client() {
    // Everything waits in the channel before the dispatcher starts.
    let threads = Arc::new(Threads::default());
    let (events, receiver) = unbounded();
    let running = Running { events, threads: Arc::clone(&threads), max_backlog: 1 << 20 };
    let members: Vec<_> = (1..=10).map(|_| Memory::unlimited()).collect();
    let outboxes: Vec<_> =
        (1..).zip(&members).map(|(id, memory)| running.join(id, room("blue"), memory)).collect();
    for n in 0..100 {
        running.says(1 + n % 10, &outboxes[n as usize % 10], &[&n.to_string()]);
    }
    let dispatcher = Dispatcher::new(&Config::default(), Arc::clone(&threads));
    threads.spawn("dispatcher".to_owned(), 256 * 1024, move || dispatcher.run(&receiver)).unwrap();
    let expected: Vec<_> = (0..100).map(|n| text(&n.to_string())).collect();
    for memory in &members {
        assert_eq!(memory.frames(100), expected);
        assert_eq!(memory.sends(), 1);
    }
    running.end();
}

#[test]
fn a_flood_in_a_classroom_costs_one_send_a_member() {
    let mut by_hand = ByHand::new();
    let members: Vec<_> = (1..=50).map(|_| Memory::unlimited()).collect();
    let blue = || Service::Group(Group::Classroom("blue".to_owned()));
    for (id, memory) in (1..).zip(&members) {
        by_hand.join_at(id, blue(), memory);
        by_hand.ask_room(id, vec![format!(r#"{{"type":"join","name":"{id}"}}"#)]);
    }
    by_hand.dispatcher.flush_groups();
    let before: Vec<_> = members.iter().map(|memory| memory.sends()).collect();
    let whisper = r#"{"type":"whisper","to":"7","text":"psst"}"#.to_owned();
    let flood = (0..40).map(|n| format!(r#"{{"type":"say","text":"{n}"}}"#));
    by_hand.ask_room(1, flood.flat_map(|say| [say, whisper.clone()]).collect());
    by_hand.dispatcher.flush_groups();
    for (memory, before) in members.iter().zip(before) {
        assert_eq!(memory.sends(), before + 1);
    }
    let last: Vec<_> = members[6].frames(0).into_iter().rev().take(2).collect();
    assert!(last[1].1.contains(r#""text":"39""#) && last[0].1.contains("psst"), "{last:?}");
}

#[test]
fn who_has_said_much_to_a_classroom_is_not_done_before_all_of_it_is_sent() {
    let mut by_hand = ByHand::new();
    let ana = Memory::unlimited();
    by_hand.join_at(1, Service::Group(Group::Classroom("blue".to_owned())), &ana);
    by_hand.ask_room(1, vec![r#"{"type":"join","name":"Ana"}"#.to_owned()]);
    by_hand.dispatcher.flush_groups();
    let outbox = Arc::clone(&by_hand.dispatcher.clients[&conn(1)].outbox);
    // More than is put aside at most, so that some of it is sent before the last is taken.
    let say = |n| format!(r#"{{"type":"say","text":"{n} {}"}}"#, "x".repeat(60_000));
    let limit = 1 << 20;
    outbox.add_in_flight(limit);
    let messages = (0..6).map(|n| Received::Classroom(classroom::parse(&say(n)))).collect();
    by_hand.dispatcher.take(Event::Received { client: conn(1), messages, cost: limit });
    let sent = ana.frames(1).len();
    assert!((2..7).contains(&sent), "welcome and some of the six: {sent}");
    assert!(!outbox.wait_for_room_at_most(Duration::ZERO), "a Close now would overtake the rest");
    by_hand.dispatcher.flush_groups();
    assert_eq!(ana.frames(7).len(), 7);
    assert!(outbox.wait_for_room_at_most(Duration::ZERO));
}

#[test]
fn one_who_does_not_read_is_dropped_and_the_others_notice_nothing() {
    let running = run(Config { max_backlog: 50, ..Config::default() });
    let (ana, stalled) = (Memory::unlimited(), Memory::with_room(5));
    let outbox = running.join(1, room("blue"), &ana);
    running.join(2, room("blue"), &stalled);
    for n in 0..100 {
        running.says(1, &outbox, &[&format!("message {n}")]);
        // One at a time: each is a burst of its own.
        outbox.wait_until_idle();
    }
    assert_eq!(ana.frames(100).len(), 100);
    stalled.wait_for_abort();
    assert_eq!(running.stats().dropped, 1);
    running.end();
}

#[test]
fn one_who_does_not_read_its_own_echo_is_not_dropped() {
    let running = run(Config { max_backlog: 50, ..Config::default() });
    let ana = Memory::with_room(5);
    let outbox = running.join(1, room("blue"), &ana);
    for n in 0..100 {
        running.says(1, &outbox, &[&format!("message {n}")]);
    }
    outbox.wait_until_idle();
    ana.give_room(1 << 20);
    assert_eq!(ana.frames(100).last(), Some(&text("message 99")));
    assert!(!ana.is_aborted());
    running.end();
}

#[test]
fn a_greeting_comes_first_and_at_the_root_only() {
    let running = run(Config { greeting: Some("message".to_owned()), ..Config::default() });
    let (root, other) = (Memory::unlimited(), Memory::unlimited());
    let outbox = running.join(1, Service::Echo(EchoAt::Root), &root);
    let other_outbox = running.join(2, echo_path(), &other);
    running.says(1, &outbox, &["hi"]);
    running.says(2, &other_outbox, &["ho"]);
    assert_eq!(root.frames(2), [text("message"), text("hi")]);
    assert_eq!(other.frames(1), [text("ho")]);
    running.end();
}

#[test]
fn the_classroom_knows_who_is_here() {
    let running = run(Config::default());
    let (ana, ben) = (Memory::unlimited(), Memory::unlimited());
    let blue = || Service::Group(Group::Classroom("blue".to_owned()));
    let ana_outbox = running.join(1, blue(), &ana);
    let ben_outbox = running.join(2, blue(), &ben);
    running.asks(1, &ana_outbox, r#"{"type":"join","name":"Ana"}"#);
    running.asks(2, &ben_outbox, r#"{"type":"join","name":"Ben"}"#);
    running.asks(2, &ben_outbox, r#"{"type":"whisper","to":"Ana","text":"psst"}"#);
    running.send(Event::Left { client: conn(2) });
    let heard: Vec<String> = ana.frames(4).into_iter().map(|(_, text)| text).collect();
    assert_eq!(
        heard,
        [
            r#"{"type":"welcome","room":"blue","you":"Ana","members":["Ana"]}"#,
            r#"{"type":"joined","name":"Ben"}"#,
            r#"{"type":"whispered","from":"Ben","to":"Ana","text":"psst"}"#,
            r#"{"type":"left","name":"Ben"}"#,
        ]
    );
    assert_eq!(ben.frames(2).len(), 2);
    running.end();
}

/// A dispatcher that is called by hand, so that time is what the test says it is.
struct ByHand {
    dispatcher: Dispatcher,
    threads: Arc<Threads>,
    began: Instant,
}

impl ByHand {
    fn new() -> ByHand {
        let threads = Arc::new(Threads::default());
        // Ping after 20 s, given up after 20 more, a Close unanswered for 5: the defaults.
        let dispatcher = Dispatcher::new(&Config::default(), Arc::clone(&threads));
        ByHand { dispatcher, threads, began: Instant::now() }
    }

    fn join(&mut self, client: u64, memory: &Arc<Memory>) -> Arc<AtomicU64> {
        self.join_at(client, echo_path(), memory)
    }

    fn ask_room(&mut self, client: u64, requests: Vec<String>) {
        let request = |text: String| Received::Classroom(classroom::parse(&text));
        self.dispatcher.clients[&conn(client)].outbox.add_in_flight(1);
        let messages = requests.into_iter().map(request).collect();
        self.dispatcher.take(Event::Received { client: conn(client), messages, cost: 1 });
    }

    fn join_at(&mut self, client: u64, service: Service, memory: &Arc<Memory>) -> Arc<AtomicU64> {
        let transport = Arc::clone(memory) as _;
        let outbox = Outbox::new(transport, Arc::clone(&self.threads), conn(client), 1 << 20);
        let peer = "127.0.0.1:1".parse().unwrap();
        let bytes_in = Arc::new(AtomicU64::new(0));
        let alive = Arc::clone(&bytes_in);
        outbox.add_in_flight(1);
        let joined = Joined { client: conn(client), peer, service, outbox, bytes_in };
        self.dispatcher.take(Event::Joined(Box::new(joined)));
        alive
    }

    /// What happens so many seconds after the beginning. (A little more, since the clients have
    /// joined a little after it.)
    fn look_at(&mut self, seconds: u64) {
        let now = self.began + Duration::from_secs(seconds) + Duration::from_millis(900);
        self.dispatcher.check_timeouts(now);
    }
}

#[test]
fn silence_is_answered_by_a_ping_and_a_pong_gives_the_round_trip() {
    let mut by_hand = ByHand::new();
    let ana = Memory::unlimited();
    by_hand.join(1, &ana);
    by_hand.look_at(19);
    assert!(ana.sent().is_empty());
    by_hand.look_at(20);
    assert_eq!(ana.frames(1), [(Opcode::Ping, "1".to_owned())]);
    let sent_at = by_hand.began + Duration::from_millis(20_900);
    let at = sent_at + Duration::from_millis(7);
    let round_trip = |by_hand: &ByHand| by_hand.dispatcher.snapshot().connected[0].round_trip_ms;
    let unasked = Bytes::from_static(b"unasked");
    by_hand.dispatcher.take(Event::Pong { client: conn(1), payload: unasked, at });
    assert_eq!(round_trip(&by_hand), None);
    by_hand.dispatcher.take(Event::Pong { client: conn(1), payload: Bytes::from_static(b"1"), at });
    assert_eq!(round_trip(&by_hand), Some(7.0));
}

#[test]
fn who_stays_silent_is_told_and_then_cut() {
    let mut by_hand = ByHand::new();
    let silent = Memory::unlimited();
    by_hand.join(1, &silent);
    by_hand.look_at(20);
    by_hand.look_at(39);
    assert_eq!(silent.frames(1).len(), 1, "only the Ping so far");
    by_hand.look_at(40);
    let frames = silent.frames(2);
    assert_eq!(frames[1].0, Opcode::Close);
    assert!(frames[1].1.contains("no answer to a Ping within 20s"), "{}", frames[1].1);
    assert_eq!(by_hand.dispatcher.snapshot().dropped, 1);
    by_hand.look_at(44);
    assert!(!silent.is_aborted());
    by_hand.look_at(45);
    silent.wait_for_abort();
}

#[test]
fn who_is_asked_for_something_is_at_the_address_that_asks() {
    let mut by_hand = ByHand::new();
    let ana = Memory::unlimited();
    by_hand.join(1, &ana);
    let own = "127.0.0.1".parse().unwrap();
    let foreign = "192.0.2.1".parse().unwrap();
    let close = DemoAction::Close(CloseCode(1000));
    assert_eq!(
        by_hand.dispatcher.ask(conn(1), foreign, close),
        Err("that client is somebody else's")
    );
    assert_eq!(by_hand.dispatcher.ask(conn(2), own, close), Err("there is no such client"));
    assert!(ana.sent().is_empty());
    assert_eq!(by_hand.dispatcher.ask(conn(1), own, DemoAction::Ping), Ok(()));
    assert_eq!(ana.frames(1)[0].0, Opcode::Ping);
    // Asking without end fills nobody's memory.
    let stalled = Memory::with_room(0);
    by_hand.join(3, &stalled);
    let mut asked = 0;
    while by_hand.dispatcher.ask(conn(3), own, DemoAction::Bytes(65_536)).is_ok() {
        asked += 1;
        assert!(asked < 100);
    }
    by_hand.dispatcher.clients[&conn(3)].outbox.abort(AbortReason::TooSlow);
    by_hand.threads.wait_for_all();
}

#[test]
fn who_takes_what_waits_for_it_is_alive() {
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
        by_hand.look_at(seconds);
    }
    assert!(!slow.is_aborted(), "a Ping would wait behind the backlog");
    // It takes nothing any more.
    by_hand.look_at(220);
    by_hand.look_at(240);
    slow.wait_for_abort();
    by_hand.threads.wait_for_all();
}

#[test]
fn who_does_not_even_read_is_aborted_at_once() {
    let mut by_hand = ByHand::new();
    let stalled = Memory::with_room(0);
    by_hand.join(1, &stalled);
    by_hand.look_at(20);
    by_hand.look_at(40);
    stalled.wait_for_abort();
    by_hand.threads.wait_for_all();
}

#[test]
fn who_sends_anything_is_alive() {
    let mut by_hand = ByHand::new();
    let talking = Memory::unlimited();
    let bytes_in = by_hand.join(1, &talking);
    by_hand.look_at(20);
    assert_eq!(talking.frames(1).len(), 1);
    for seconds in 21..100 {
        // Not a Pong, but a byte.
        bytes_in.fetch_add(1, Ordering::Relaxed);
        by_hand.look_at(seconds);
    }
    assert_eq!(talking.frames(1).len(), 1, "neither another Ping nor a Close");
}

#[test]
fn at_the_end_everyone_is_told_also_who_comes_late() {
    let running = run(Config::default());
    let (early, late) = (Memory::unlimited(), Memory::unlimited());
    let outbox = running.join(1, room("blue"), &early);
    running.says(1, &outbox, &["last words"]);
    running.send(Event::Shutdown);
    let late_outbox = running.join(2, room("blue"), &late);
    running.says(2, &late_outbox, &["too late"]);
    let frames = early.frames(2);
    assert_eq!(frames[0], text("last words"));
    assert_eq!(frames[1].0, Opcode::Close);
    assert_eq!(late.frames(1)[0].0, Opcode::Close);
    late_outbox.wait_until_idle();
    assert_eq!(late.frames(1).len(), 1);
    assert_eq!(outbox.close_info().0, Some(CloseCode::GOING_AWAY));
    running.end();
}
