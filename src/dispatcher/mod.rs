//! One thread that owns the connection list and decides who gets what.
//!
//! Nobody else touches the list, so there is no lock on it. The dispatcher never waits: it takes
//! events, and sends through outboxes that take bytes at once. So no client can hold up another.

pub mod classroom;
pub mod event;
pub mod group;
pub mod heartbeat;
pub mod stats;

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use crossbeam_channel::{Receiver, RecvTimeoutError};

use crate::config::{BURST_BYTES, Config, EVENTS_WAITING};
use crate::dispatcher::classroom::{Classroom, Delivery};
use crate::dispatcher::event::{Asked, Event, Joined, Received};
use crate::dispatcher::group::{EchoAt, Group, Service};
use crate::dispatcher::heartbeat::{Heartbeat, Life, Sign};
use crate::dispatcher::stats::{ClientRow, PathCounts, Snapshot};
use crate::outbox::batch::FrameBatch;
use crate::outbox::{Cut, Outbox, Sent, Whose};
use crate::protocol::{CloseCode, Fault};
use crate::protocol::{Frame, Opcode};
use crate::sys::threads::Threads;

/// How long the dispatcher looks for another event before it sleeps, while one client alone speaks.
const LOOK_FOR: Duration = Duration::from_micros(50);

/// The owner of the connection list. Its whole input is [`Event`].
pub struct Dispatcher {
    greeting: Option<Bytes>,
    heartbeat: Heartbeat,
    threads: Arc<Threads>,
    started: Instant,
    /// The connection list.
    clients: BTreeMap<u64, Client>,
    groups: HashMap<Group, Members>,
    /// Groups with a burst that has not been sent yet.
    bursting: Vec<Group>,
    /// What members of classrooms are about to get, each their own.
    letters: BTreeMap<u64, Letters>,
    letters_bytes: usize,
    /// Who handed over what led to those letters, and at what cost.
    letter_senders: Vec<(Arc<Outbox>, usize)>,
    /// Counts of clients that have left, and of messages.
    counts: BTreeMap<&'static str, PathCounts>,
    /// The server ends: whoever comes now is told so.
    stopping: bool,
    /// The last snapshot: when it was taken, and how long that took.
    last_snapshot: Option<(Instant, Duration, Arc<Snapshot>)>,
}

/// All that is known of one client.
struct Client {
    peer: SocketAddr,
    service: Service,
    outbox: Arc<Outbox>,
    joined_at: Instant,
    messages_in: u64,
    /// Written by the client's thread.
    bytes_in: Arc<AtomicU64>,
    life: Life,
    /// When this side sent a Close that has not been answered.
    close_sent_at: Option<Instant>,
}

/// The clients of a group, and what they are about to get.
#[derive(Default)]
struct Members {
    members: Vec<(u64, Arc<Outbox>)>,
    burst: FrameBatch,
    messages: u64,
    /// Who handed the burst's messages over, and at what cost.
    senders: Vec<(Arc<Outbox>, usize)>,
    /// The one client that all messages of the burst come from; `None` when they are from several.
    sole_sender: Option<u64>,
    /// In groups that speak `classroom.v1`: names, and who is to hear what.
    classroom: Option<Classroom>,
}

/// Texts for one member of a classroom.
#[derive(Default)]
struct Letters {
    batch: FrameBatch,
    count: u64,
    from_others: bool,
}

impl Dispatcher {
    /// A dispatcher with nobody connected.
    pub fn new(config: &Config, threads: Arc<Threads>) -> Dispatcher {
        Dispatcher {
            greeting: config.greeting.clone().map(Bytes::from),
            heartbeat: Heartbeat::new(config),
            threads,
            started: Instant::now(),
            clients: BTreeMap::new(),
            groups: HashMap::new(),
            bursting: Vec::new(),
            letters: BTreeMap::new(),
            letters_bytes: 0,
            letter_senders: Vec::new(),
            counts: BTreeMap::new(),
            stopping: false,
            last_snapshot: None,
        }
    }

    /// Takes events until nobody is left who could send one: the server and all clients' threads
    /// have ended.
    pub fn run(mut self, events: &Receiver<Event>) {
        let mut look_at = Instant::now() + self.heartbeat.look_every;
        // Who alone has spoken the last time, and the time before.
        let (mut speaker, mut before) = (None, None);
        loop {
            if speaker.is_some() && speaker == before {
                look_for_another(events);
            }
            before = speaker.take();
            match events.recv_deadline(look_at) {
                Ok(event) => {
                    if let Event::Received { client, .. } = &event {
                        speaker = Some(*client);
                    }
                    self.take(event);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            // What waits already is taken together: a burst of broadcasts then costs one system
            // call a client, not one a message and client.
            for event in events.try_iter().take(EVENTS_WAITING) {
                speaker = None;
                self.take(event);
            }
            self.send_bursts();
            let now = Instant::now();
            if now >= look_at {
                self.look_after_clients(now);
                look_at = now + self.heartbeat.look_every;
            }
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Received { client, messages, cost } => self.received(client, messages, cost),
            Event::Pong { client, payload, at } => self.pong(client, &payload, at),
            // Whoever comes or goes does so between two messages, not inside a burst.
            Event::Joined(joined) => {
                self.send_bursts();
                self.joined(*joined);
            }
            Event::Left { client } => {
                self.send_bursts();
                self.left(client);
            }
            Event::Ask { client, asker, what, reply } => {
                self.send_bursts();
                // The one who asked may have gone.
                let _ = reply.try_send(self.ask(client, asker, what));
            }
            Event::Stats(reply) => {
                self.send_bursts();
                // The one who asked may have gone.
                let _ = reply.try_send(self.recent_snapshot());
            }
            Event::Shutdown => {
                self.send_bursts();
                self.shutdown();
            }
        }
    }

    fn joined(&mut self, joined: Joined) {
        let Joined { client, peer, service, outbox, bytes_in } = joined;
        outbox.open();
        outbox.dealt_with(1);
        if self.stopping {
            say_goodbye(&outbox);
        }
        if let Service::Group(group) = &service {
            let members = self.groups.entry(group.clone()).or_default();
            if let Group::Classroom(room) = group {
                members.classroom.get_or_insert_with(|| Classroom::new(room));
            }
            members.members.push((client, Arc::clone(&outbox)));
        }
        let counts = self.counts.entry(service.counted_as()).or_default();
        counts.clients += 1;
        counts.clients_total += 1;
        let at_root = matches!(service, Service::Echo(EchoAt::Root) | Service::Group(Group::Root));
        if let (Some(greeting), true) = (&self.greeting, at_root) {
            counts.messages_out += 1;
            send_one(&outbox, Opcode::Text, greeting.clone(), Whose::Own);
        }
        let now = Instant::now();
        let life = Life::new(now);
        let close_sent_at = self.stopping.then_some(now);
        let joined_at = now;
        let messages_in = 0;
        self.clients.insert(
            client,
            Client { peer, service, outbox, joined_at, messages_in, bytes_in, life, close_sent_at },
        );
    }

    fn received(&mut self, id: u64, messages: Vec<Received>, cost: usize) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let count = messages.len() as u64;
        client.messages_in += count;
        let outbox = Arc::clone(&client.outbox);
        let counts = self.counts.entry(client.service.counted_as()).or_default();
        counts.messages_in += count;
        match &client.service {
            Service::Echo(_) => {
                counts.messages_out += count;
                echo(&outbox, messages);
            }
            Service::Group(group @ Group::Classroom(_)) => {
                let group = group.clone();
                self.classroom(id, &group, messages);
                // Dealt with when the last of its letters is sent. The first may have been sent
                // already, if they were many: so not before this.
                self.letter_senders.push((outbox, cost));
                return;
            }
            Service::Group(group) => {
                let members = self.groups.entry(group.clone()).or_default();
                if members.burst.is_empty() {
                    self.bursting.push(group.clone());
                }
                members.add_to_burst(id, messages);
                // Dealt with when the burst is sent, not before.
                members.senders.push((outbox, cost));
                if members.burst.len() >= BURST_BYTES {
                    self.send_bursts();
                }
                return;
            }
        }
        outbox.dealt_with(cost);
    }

    /// Sends each group what its members have said since the last time: one send a member.
    fn send_bursts(&mut self) {
        self.send_letters();
        for group in std::mem::take(&mut self.bursting) {
            let Some(members) = self.groups.get_mut(&group) else { continue };
            let Some(counts) = self.counts.get_mut(Service::Group(group).counted_as()) else {
                continue;
            };
            let pieces = members.burst.take();
            let sole_sender = members.sole_sender.take();
            let messages = std::mem::take(&mut members.messages);
            for (id, outbox) in &members.members {
                let whose = if sole_sender == Some(*id) { Whose::Own } else { Whose::Others };
                match outbox.send(&pieces, whose) {
                    Sent::Taken => counts.messages_out += messages,
                    Sent::TooSlow => {
                        // It is off the list when its thread, woken by this, says so.
                        outbox.cut(Cut::TooSlow);
                        counts.dropped += 1;
                    }
                    Sent::Closed => {}
                }
            }
            for (outbox, cost) in members.senders.drain(..) {
                outbox.dealt_with(cost);
            }
        }
    }

    fn classroom(&mut self, id: u64, group: &Group, messages: Vec<Received>) {
        for message in messages {
            let Received::Classroom(request) = message else { continue };
            let room = self.groups.get_mut(group).and_then(|members| members.classroom.as_mut());
            let Some(room) = room else { return };
            for delivery in room.take(id, request) {
                self.deliver(Some(id), delivery);
            }
        }
    }

    /// Puts a text aside for some clients, on behalf of one of them or of nobody. It leaves with
    /// the next bursts: one send a client, however many texts it gets.
    fn deliver(&mut self, on_behalf_of: Option<u64>, delivery: Delivery) {
        let text = Bytes::from(delivery.text);
        for id in delivery.to {
            let letters = self.letters.entry(id).or_default();
            letters.batch.push(Opcode::Text, text.clone());
            letters.count += 1;
            letters.from_others |= on_behalf_of != Some(id);
            self.letters_bytes += text.len();
        }
        if self.letters_bytes >= BURST_BYTES {
            self.send_letters();
        }
    }

    /// Sends each client of a classroom what was put aside for it.
    fn send_letters(&mut self) {
        self.letters_bytes = 0;
        for (id, mut letters) in std::mem::take(&mut self.letters) {
            let Some(client) = self.clients.get(&id) else { continue };
            let counts = self.counts.entry(client.service.counted_as()).or_default();
            let whose = if letters.from_others { Whose::Others } else { Whose::Own };
            match client.outbox.send(&letters.batch.take(), whose) {
                Sent::Taken => counts.messages_out += letters.count,
                Sent::TooSlow => {
                    client.outbox.cut(Cut::TooSlow);
                    counts.dropped += 1;
                }
                Sent::Closed => {}
            }
        }
        for (outbox, cost) in self.letter_senders.drain(..) {
            outbox.dealt_with(cost);
        }
    }

    /// Sends a client what the page has asked for. The client must be at the address that asks:
    /// nobody is to close other people's connections. And what waits for it is limited as if
    /// others had sent it, since asking costs nothing.
    fn ask(&mut self, id: u64, asker: IpAddr, what: Asked) -> Result<(), &'static str> {
        let Some(client) = self.clients.get_mut(&id) else {
            return Err("there is no such client");
        };
        if client.peer.ip() != asker {
            return Err("that client is somebody else's");
        }
        let mut batch = FrameBatch::default();
        match what {
            Asked::Ping => batch.push(Opcode::Ping, Bytes::from_static(b"asked")),
            Asked::Fragments => {
                let fragment = |opcode, fin, payload: &str| {
                    let mut frame = Frame::new(opcode, None, payload.as_bytes());
                    frame.header.fin = fin;
                    frame.encode()
                };
                let frames = [
                    fragment(Opcode::Text, false, "one message "),
                    fragment(Opcode::Continuation, false, "in three "),
                    fragment(Opcode::Ping, true, "between"),
                    fragment(Opcode::Continuation, true, "fragments"),
                ];
                return refused_or_sent(
                    client.outbox.send(&[frames.concat().into()], Whose::Others),
                );
            }
            Asked::Bytes(count) => {
                let payload: Vec<u8> = (0..count).map(|n| n as u8).collect();
                batch.push(Opcode::Binary, payload.into());
            }
            Asked::Close(code) => {
                client.outbox.close(code, "asked for");
                client.close_sent_at.get_or_insert_with(Instant::now);
                return Ok(());
            }
        }
        refused_or_sent(client.outbox.send(&batch.take(), Whose::Others))
    }

    fn left(&mut self, id: u64) {
        let Some(client) = self.clients.remove(&id) else { return };
        let counts = self.counts.entry(client.service.counted_as()).or_default();
        counts.clients -= 1;
        counts.bytes_in += client.bytes_in.load(Ordering::Relaxed);
        counts.bytes_out += client.outbox.bytes_out();
        let Service::Group(group) = client.service else { return };
        let Some(members) = self.groups.get_mut(&group) else { return };
        members.members.retain(|(member, _)| *member != id);
        let farewell = members.classroom.as_mut().and_then(|room| room.leave(id));
        if members.members.is_empty() {
            self.groups.remove(&group);
        }
        if let Some(farewell) = farewell {
            self.deliver(None, farewell);
        }
    }

    fn pong(&mut self, id: u64, payload: &[u8], at: Instant) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.life.pong(payload, at);
        }
    }

    /// Pings the silent, gives up those that stay silent, and cuts those that do not answer a Close.
    fn look_after_clients(&mut self, now: Instant) {
        let heartbeat = &self.heartbeat;
        for client in self.clients.values_mut() {
            if let Some(since) = client.close_sent_at {
                if now - since >= heartbeat.close_timeout {
                    client.outbox.cut(Cut::CloseTimeout);
                }
                continue;
            }
            let bytes_in = client.bytes_in.load(Ordering::Relaxed);
            match client.life.look(now, bytes_in, &client.outbox, heartbeat) {
                Sign::Alive => {}
                Sign::Silent(ping) => send_one(&client.outbox, Opcode::Ping, ping, Whose::Own),
                Sign::Gone => {
                    self.counts.entry(client.service.counted_as()).or_default().dropped += 1;
                    if client.outbox.has_backlog() {
                        client.outbox.cut(Cut::NoPong);
                    } else {
                        let fault = Fault::NoPong(heartbeat.pong_timeout);
                        client.outbox.close(fault.close_code(), &fault.to_string());
                    }
                    client.close_sent_at = Some(now);
                }
            }
        }
    }

    fn shutdown(&mut self) {
        self.stopping = true;
        let now = Instant::now();
        for client in self.clients.values_mut() {
            say_goodbye(&client.outbox);
            client.close_sent_at.get_or_insert(now);
        }
    }

    /// With thousands of clients a snapshot takes its time. Whoever asks without end gets the
    /// same one again, so that the dispatcher spends a twentieth of its time on this at most.
    fn recent_snapshot(&mut self) -> Arc<Snapshot> {
        if let Some((taken_at, cost, snapshot)) = &self.last_snapshot
            && *cost > Duration::from_millis(1)
            && taken_at.elapsed() < 20 * *cost
        {
            return Arc::clone(snapshot);
        }
        let began = Instant::now();
        let snapshot = Arc::new(self.snapshot());
        self.last_snapshot = Some((Instant::now(), began.elapsed(), Arc::clone(&snapshot)));
        snapshot
    }

    fn snapshot(&self) -> Snapshot {
        let mut paths = self.counts.clone();
        let mut connected = Vec::with_capacity(self.clients.len());
        for (id, client) in &self.clients {
            let bytes_in = client.bytes_in.load(Ordering::Relaxed);
            let bytes_out = client.outbox.bytes_out();
            let counts = paths.entry(client.service.counted_as()).or_default();
            counts.bytes_in += bytes_in;
            counts.bytes_out += bytes_out;
            connected.push(ClientRow {
                client: *id,
                peer: client.peer.to_string(),
                path: client.service.to_string(),
                open_seconds: client.joined_at.elapsed().as_secs_f64(),
                messages_in: client.messages_in,
                bytes_in,
                bytes_out,
                round_trip_ms: client.life.round_trip.map(|time| time.as_secs_f64() * 1000.0),
            });
        }
        let sum = |count: fn(&PathCounts) -> u64| paths.values().map(count).sum();
        Snapshot {
            uptime_seconds: self.started.elapsed().as_secs_f64(),
            clients: connected.len(),
            clients_total: sum(|path| path.clients_total),
            threads: self.threads.live(),
            messages_in: sum(|path| path.messages_in),
            messages_out: sum(|path| path.messages_out),
            bytes_in: sum(|path| path.bytes_in),
            bytes_out: sum(|path| path.bytes_out),
            dropped: sum(|path| path.dropped),
            paths,
            connected,
        }
    }
}

impl Members {
    fn add_to_burst(&mut self, from: u64, messages: Vec<Received>) {
        self.sole_sender = if self.burst.is_empty() {
            Some(from)
        } else {
            self.sole_sender.filter(|sender| *sender == from)
        };
        for message in messages {
            if let Received::Message(opcode, payload) = message {
                self.burst.push(opcode, payload);
                self.messages += 1;
            }
        }
    }
}

/// Looks for the next event for a moment before the thread sleeps. A client that waits for each answer
/// before it asks again is served 1.7 times as fast so: to wake a sleeping thread takes longer than the
/// answer. Where several speak, their threads need the processor, and it does not pay.
fn look_for_another(events: &Receiver<Event>) {
    let until = Instant::now() + LOOK_FOR;
    while events.is_empty() && Instant::now() < until {
        std::thread::yield_now();
    }
}

fn refused_or_sent(sent: Sent) -> Result<(), &'static str> {
    match sent {
        Sent::Taken => Ok(()),
        Sent::TooSlow => Err("that client has not read what was sent to it before"),
        Sent::Closed => Err("that client has been closed"),
    }
}

fn echo(outbox: &Arc<Outbox>, messages: Vec<Received>) {
    let mut batch = FrameBatch::default();
    for message in messages {
        if let Received::Message(opcode, payload) = message {
            batch.push(opcode, payload);
        }
    }
    // Refused only when the client has been told goodbye.
    outbox.send(&batch.take(), Whose::Own);
}

fn send_one(outbox: &Arc<Outbox>, opcode: Opcode, payload: Bytes, whose: Whose) {
    let mut batch = FrameBatch::default();
    batch.push(opcode, payload);
    outbox.send(&batch.take(), whose);
}

fn say_goodbye(outbox: &Arc<Outbox>) {
    outbox.close(CloseCode::GOING_AWAY, "the server ends");
}

#[cfg(test)]
mod tests;
