//! The dispatcher by itself: events come in on a channel, and frames go out into memory, without a
//! socket.

mod interrupted;
mod over_time;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_channel::{Sender, bounded, unbounded};

use super::on_demand::{DemoAction, DemoError};
use super::stats::Snapshot;
use super::*;
use crate::outbox::AbortReason;
use crate::outbox::memory::{DEADLINE, Memory, drainer};
use crate::protocol::CloseCode;
use crate::sys::{Asker, Secret};

/// A dispatcher that runs in a thread of its own.
struct Running {
    events: Sender<Event>,
    threads: Arc<Threads>,
    max_backlog: usize,
}

/// The secret of the tab to which the clients of a [`ByHand`] belong.
fn tab() -> Option<Secret> {
    Secret::parse("0123456789abcdef0123456789abcdef")
}

fn conn(number: u64) -> ConnectionId {
    ConnectionId(number)
}

fn run(config: Config) -> Running {
    let threads = Arc::new(Threads::default());
    let (events, receiver) = unbounded();
    let max_backlog = config.max_backlog;
    let dispatcher = Dispatcher::new(&config, Arc::clone(&threads), Arc::default());
    threads.spawn("dispatcher".to_owned(), 256 * 1024, move || dispatcher.run(&receiver)).unwrap();
    Running { events, threads, max_backlog }
}

impl Running {
    fn join(&self, client: u64, service: Service, memory: &Arc<Memory>) -> Arc<Outbox> {
        let transport = Arc::clone(memory) as _;
        let outbox = Outbox::new(
            transport,
            drainer(&self.threads),
            Arc::default(),
            conn(client),
            self.max_backlog,
        );
        let peer = "127.0.0.1:1".parse().unwrap();
        let bytes_in = Arc::default();
        let joined = Joined {
            client: conn(client),
            peer,
            tab: None,
            service,
            outbox: Arc::clone(&outbox),
            bytes_in,
        };
        outbox.add_in_flight(1);
        self.send(Event::Joined(Box::new(joined)));
        outbox
    }

    fn send(&self, event: Event) {
        self.events.send(event).unwrap();
    }

    fn send_texts(&self, client: u64, outbox: &Outbox, texts: &[&str]) {
        let message =
            |text: &&str| Received::Message(Opcode::Text, Bytes::from(text.as_bytes().to_vec()));
        outbox.add_in_flight(1);
        let messages = texts.iter().map(message).collect();
        self.send(Event::Received { client: conn(client), messages, cost: 1 });
    }

    fn send_request(&self, client: u64, outbox: &Outbox, request: &str) {
        outbox.add_in_flight(1);
        let messages = vec![Received::Classroom(classroom::parse(request))];
        self.send(Event::Received { client: conn(client), messages, cost: 1 });
    }

    fn stats(&self) -> Arc<Snapshot> {
        let (reply, snapshot) = bounded(1);
        self.send(Event::Stats(reply));
        snapshot.recv_timeout(DEADLINE).expect("an answer")
    }

    /// Waits until the dispatcher has ended.
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
fn an_echo_goes_to_its_sender_only() {
    let running = run(Config::default());
    let (ana, ben) = (Memory::unlimited(), Memory::unlimited());
    let outbox = running.join(1, echo_path(), &ana);
    running.join(2, echo_path(), &ben);
    running.send_texts(1, &outbox, &["one", "two", ""]);
    assert_eq!(ana.frames(3), [text("one"), text("two"), text("")]);
    assert_eq!(ana.sends(), 1, "messages that came together leave together");
    outbox.wait_until_idle();
    assert!(ben.sent().is_empty());
    running.end();
}

#[test]
fn a_message_goes_to_its_group_only() {
    let running = run(Config::default());
    let (ana, ben, zoe) = (Memory::unlimited(), Memory::unlimited(), Memory::unlimited());
    let outbox = running.join(1, room("blue"), &ana);
    running.join(2, room("blue"), &ben);
    running.join(3, room("red"), &zoe);
    running.send_texts(1, &outbox, &["hello"]);
    assert_eq!(ana.frames(1), [text("hello")]);
    assert_eq!(ben.frames(1), [text("hello")]);
    running.stats();
    assert!(zoe.sent().is_empty());
    running.end();
}

#[test]
fn a_client_that_has_left_gets_nothing_and_leaves_nothing_behind() {
    let running = run(Config::default());
    let (ana, ben) = (Memory::unlimited(), Memory::unlimited());
    let outbox = running.join(1, room("blue"), &ana);
    // As a client's thread does, before it reads the first message.
    running.join(2, room("blue"), &ben).wait_until_idle();
    running.send_texts(1, &outbox, &["before"]);
    running.send(Event::Left { client: conn(2) });
    assert_eq!(running.stats().clients, 1);
    running.send_texts(1, &outbox, &["after"]);
    assert_eq!(ana.frames(2), [text("before"), text("after")]);
    assert_eq!(ben.frames(1), [text("before")]);
    running.send(Event::Left { client: conn(1) });
    let stats = running.stats();
    assert_eq!((stats.clients, stats.clients_total), (0, 2));
    assert_eq!((stats.messages_in, stats.messages_out), (2, 3));
    running.end();
}

#[test]
fn messages_that_wait_together_cost_one_send_for_each_member() {
    // All events wait in the channel when the dispatcher starts.
    let threads = Arc::new(Threads::default());
    let (events, receiver) = unbounded();
    let running = Running { events, threads: Arc::clone(&threads), max_backlog: 1 << 20 };
    let members: Vec<_> = (1..=10).map(|_| Memory::unlimited()).collect();
    let outboxes: Vec<_> =
        (1..).zip(&members).map(|(id, memory)| running.join(id, room("blue"), memory)).collect();
    for n in 0..100 {
        running.send_texts(1 + n % 10, &outboxes[n as usize % 10], &[&n.to_string()]);
    }
    let dispatcher = Dispatcher::new(&Config::default(), Arc::clone(&threads), Arc::default());
    threads.spawn("dispatcher".to_owned(), 256 * 1024, move || dispatcher.run(&receiver)).unwrap();
    let expected: Vec<_> = (0..100).map(|n| text(&n.to_string())).collect();
    for memory in &members {
        assert_eq!(memory.frames(100), expected);
        assert_eq!(memory.sends(), 1);
    }
    running.end();
}

#[test]
fn requests_that_come_together_cost_one_send_for_each_member_of_a_classroom() {
    let mut by_hand = ByHand::new();
    let members: Vec<_> = (1..=50).map(|_| Memory::unlimited()).collect();
    let blue = || Service::Group(Group::Classroom("blue".to_owned()));
    for (id, memory) in (1..).zip(&members) {
        by_hand.join_at(id, blue(), memory);
        by_hand.send_requests(id, vec![format!(r#"{{"type":"join","name":"{id}"}}"#)]);
    }
    by_hand.flush_groups();
    let before: Vec<_> = members.iter().map(|memory| memory.sends()).collect();
    let whisper = r#"{"type":"whisper","to":"7","text":"psst"}"#.to_owned();
    let flood = (0..40).map(|n| format!(r#"{{"type":"say","text":"{n}"}}"#));
    by_hand.send_requests(1, flood.flat_map(|say| [say, whisper.clone()]).collect());
    by_hand.flush_groups();
    for (memory, before) in members.iter().zip(before) {
        assert_eq!(memory.sends(), before + 1);
    }
    let last: Vec<_> = members[6].frames(0).into_iter().rev().take(2).collect();
    assert!(last[1].1.contains(r#""text":"39""#) && last[0].1.contains("psst"), "{last:?}");
}

#[test]
fn the_credit_for_many_requests_is_released_after_the_last_text_is_sent() {
    let mut by_hand = ByHand::new();
    let ana = Memory::unlimited();
    by_hand.join_at(1, Service::Group(Group::Classroom("blue".to_owned())), &ana);
    by_hand.send_requests(1, vec![r#"{"type":"join","name":"Ana"}"#.to_owned()]);
    by_hand.flush_groups();
    let outbox = Arc::clone(&by_hand.dispatcher.clients[&conn(1)].outbox);
    let say = |n| format!(r#"{{"type":"say","text":"{n}"}}"#);
    let limit = 1 << 20;
    outbox.add_in_flight(limit);
    let messages = (0..6).map(|n| Received::Classroom(classroom::parse(&say(n)))).collect();
    by_hand.dispatcher.handle(Event::Received { client: conn(1), messages, cost: limit });
    assert_eq!(ana.frames(1).len(), 1, "only the welcome so far");
    assert!(!outbox.wait_for_room_at_most(Duration::ZERO), "a Close now would overtake the texts");
    by_hand.flush_groups();
    assert_eq!(ana.frames(7).len(), 7);
    assert!(outbox.wait_for_room_at_most(Duration::ZERO));
}

#[test]
fn a_client_that_does_not_read_is_dropped_and_the_others_lose_nothing() {
    let running = run(Config { max_backlog: 50, ..Config::default() });
    let (ana, stalled) = (Memory::unlimited(), Memory::with_room(5));
    let outbox = running.join(1, room("blue"), &ana);
    running.join(2, room("blue"), &stalled);
    for n in 0..100 {
        running.send_texts(1, &outbox, &[&format!("message {n}")]);
        // One at a time, so that each message is a batch of its own.
        outbox.wait_until_idle();
    }
    assert_eq!(ana.frames(100).len(), 100);
    stalled.wait_for_abort();
    assert_eq!(running.stats().dropped, 1);
    running.end();
}

#[test]
fn a_client_that_does_not_read_its_own_echo_is_not_dropped() {
    let running = run(Config { max_backlog: 50, ..Config::default() });
    let ana = Memory::with_room(5);
    let outbox = running.join(1, room("blue"), &ana);
    for n in 0..100 {
        running.send_texts(1, &outbox, &[&format!("message {n}")]);
    }
    outbox.wait_until_idle();
    ana.give_room(1 << 20);
    assert_eq!(ana.frames(100).last(), Some(&text("message 99")));
    assert!(!ana.is_aborted());
    running.end();
}

#[test]
fn a_member_is_not_dropped_for_what_it_alone_says_but_for_what_others_say() {
    let running = run(Config { max_backlog: 50, ..Config::default() });
    let (stalled, ben) = (Memory::with_room(5), Memory::unlimited());
    let stalled_outbox = running.join(1, room("blue"), &stalled);
    let ben_outbox = running.join(2, room("blue"), &ben);
    let say_ten_times = |client, outbox: &Outbox| {
        for _ in 0..10 {
            running.send_texts(client, outbox, &["a message"]);
            outbox.wait_until_idle();
        }
    };
    say_ten_times(1, &stalled_outbox);
    assert_eq!(running.stats().dropped, 0);
    say_ten_times(2, &ben_outbox);
    assert_eq!(running.stats().dropped, 1);
    assert_eq!(ben.frames(20).len(), 20);
    running.end();
}

#[test]
fn the_greeting_comes_first_and_only_at_the_root() {
    let running = run(Config { greeting: Some("message".to_owned()), ..Config::default() });
    let (root, other) = (Memory::unlimited(), Memory::unlimited());
    let outbox = running.join(1, Service::Echo(EchoAt::Root), &root);
    let other_outbox = running.join(2, echo_path(), &other);
    running.send_texts(1, &outbox, &["hi"]);
    running.send_texts(2, &other_outbox, &["ho"]);
    assert_eq!(root.frames(2), [text("message"), text("hi")]);
    assert_eq!(other.frames(1), [text("ho")]);
    running.end();
}

#[test]
fn members_of_a_classroom_hear_who_joins_whispers_and_leaves() {
    let running = run(Config::default());
    let (ana, ben) = (Memory::unlimited(), Memory::unlimited());
    let blue = || Service::Group(Group::Classroom("blue".to_owned()));
    let ana_outbox = running.join(1, blue(), &ana);
    let ben_outbox = running.join(2, blue(), &ben);
    running.send_request(1, &ana_outbox, r#"{"type":"join","name":"Ana"}"#);
    running.send_request(2, &ben_outbox, r#"{"type":"join","name":"Ben"}"#);
    running.send_request(2, &ben_outbox, r#"{"type":"whisper","to":"Ana","text":"psst"}"#);
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

/// A dispatcher without a thread. The test calls it, and decides what time it is.
struct ByHand {
    dispatcher: Dispatcher,
    threads: Arc<Threads>,
    began: Instant,
}

impl ByHand {
    fn new() -> ByHand {
        let threads = Arc::new(Threads::default());
        // The defaults: a Ping after 20 s, dropped 20 s after that, 5 s to answer a Close.
        let dispatcher = Dispatcher::new(&Config::default(), Arc::clone(&threads), Arc::default());
        ByHand { dispatcher, threads, began: Instant::now() }
    }

    fn join(&mut self, client: u64, memory: &Arc<Memory>) -> Arc<AtomicU64> {
        self.join_at(client, echo_path(), memory)
    }

    fn send_requests(&mut self, client: u64, requests: Vec<String>) {
        let request = |text: String| Received::Classroom(classroom::parse(&text));
        self.dispatcher.clients[&conn(client)].outbox.add_in_flight(1);
        let messages = requests.into_iter().map(request).collect();
        self.dispatcher.handle(Event::Received { client: conn(client), messages, cost: 1 });
    }

    fn flush_groups(&mut self) {
        let dispatcher = &mut self.dispatcher;
        dispatcher.batches.start_flush();
        dispatcher.batches.flush_some(&mut dispatcher.counters, || false);
    }

    fn demo(
        &mut self,
        client: impl Into<Option<u64>>,
        asker: Asker,
        action: DemoAction,
    ) -> Result<ConnectionId, DemoError> {
        let client = client.into().map(conn);
        let (reply, done) = bounded(1);
        self.dispatcher.handle(Event::Demo { client, asker, action, reply });
        done.try_recv().expect("a reply")
    }

    fn snapshot(&self) -> Snapshot {
        self.dispatcher.counters.snapshot(&self.dispatcher.clients, 0)
    }

    fn join_at(&mut self, client: u64, service: Service, memory: &Arc<Memory>) -> Arc<AtomicU64> {
        let transport = Arc::clone(memory) as _;
        let outbox =
            Outbox::new(transport, drainer(&self.threads), Arc::default(), conn(client), 1 << 20);
        let peer = "127.0.0.1:1".parse().unwrap();
        let bytes_in = Arc::new(AtomicU64::new(0));
        let alive = Arc::clone(&bytes_in);
        outbox.add_in_flight(1);
        let joined = Joined { client: conn(client), peer, tab: tab(), service, outbox, bytes_in };
        self.dispatcher.handle(Event::Joined(Box::new(joined)));
        alive
    }

    /// Checks all clients, so many seconds after the beginning. (A little later, because the clients
    /// have joined a little after the beginning.)
    fn check_at(&mut self, seconds: u64) {
        let now = self.began + Duration::from_secs(seconds) + Duration::from_millis(900);
        self.dispatcher.check_timeouts(now);
    }
}
