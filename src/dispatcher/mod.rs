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

use crate::config::{BATCH_BYTES, Config, EVENTS_WAITING};
use crate::dispatcher::classroom::{Classroom, Delivery};
use crate::dispatcher::event::{DemoAction, Event, Joined, Received};
use crate::dispatcher::group::{EchoAt, Group, Service};
use crate::dispatcher::heartbeat::{Heartbeat, Liveness, Verdict};
use crate::dispatcher::stats::{ClientRow, PathCounts, Snapshot};
use crate::outbox::batch::FrameBatch;
use crate::outbox::{AbortReason, Cause, Outbox, SendOutcome};
use crate::protocol::{CloseCode, Fault};
use crate::protocol::{Frame, Opcode};
use crate::sys::ConnectionId;
use crate::sys::threads::Threads;

/// How long the dispatcher looks for another event before it sleeps, while one client alone speaks.
const SPIN_TIME: Duration = Duration::from_micros(50);

/// The owner of the connection list. Its whole input is [`Event`].
pub struct Dispatcher {
    greeting: Option<Bytes>,
    heartbeat: Heartbeat,
    threads: Arc<Threads>,
    started: Instant,
    /// The connection list.
    clients: BTreeMap<ConnectionId, Client>,
    groups: HashMap<Group, Members>,
    /// Groups with a batch that has not been sent yet.
    groups_to_flush: Vec<Group>,
    /// What members of classrooms are about to get, each their own.
    pending_texts: BTreeMap<ConnectionId, PendingTexts>,
    pending_text_bytes: usize,
    /// Who handed over what led to those pending_texts, and at what cost.
    text_credits: Vec<(Arc<Outbox>, usize)>,
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
    liveness: Liveness,
    /// When this side sent a Close that has not been answered.
    close_sent_at: Option<Instant>,
}

/// The clients of a group, and what they are about to get.
#[derive(Default)]
struct Members {
    members: Vec<(ConnectionId, Arc<Outbox>)>,
    batch: FrameBatch,
    messages: u64,
    /// Who handed the batch's messages over, and at what cost.
    credits: Vec<(Arc<Outbox>, usize)>,
    /// The one client that all messages of the batch come from; `None` when they are from several.
    only_sender: Option<ConnectionId>,
    /// In groups that speak `classroom.v1`: names, and who is to hear what.
    classroom: Option<Classroom>,
}

/// Texts for one member of a classroom.
#[derive(Default)]
struct PendingTexts {
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
            groups_to_flush: Vec::new(),
            pending_texts: BTreeMap::new(),
            pending_text_bytes: 0,
            text_credits: Vec::new(),
            counts: BTreeMap::new(),
            stopping: false,
            last_snapshot: None,
        }
    }

    /// Takes events until nobody is left who could send one: the server and all clients' threads
    /// have ended.
    pub fn run(mut self, events: &Receiver<Event>) {
        let mut look_at = Instant::now() + self.heartbeat.check_interval;
        // Who alone has spoken the last time, and the time before.
        let (mut speaker, mut before) = (None, None);
        loop {
            if speaker.is_some() && speaker == before {
                spin_for_next_event(events);
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
            // What waits already is taken together: a batch of broadcasts then costs one system
            // call a client, not one a message and client.
            for event in events.try_iter().take(EVENTS_WAITING) {
                speaker = None;
                self.take(event);
            }
            self.flush_groups();
            let now = Instant::now();
            if now >= look_at {
                self.check_timeouts(now);
                look_at = now + self.heartbeat.check_interval;
            }
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Received { client, messages, cost } => self.received(client, messages, cost),
            Event::Pong { client, payload, at } => self.pong(client, &payload, at),
            // Whoever comes or goes does so between two messages, not inside a batch.
            Event::Joined(joined) => {
                self.flush_groups();
                self.joined(*joined);
            }
            Event::Left { client } => {
                self.flush_groups();
                self.left(client);
            }
            Event::Demo { client, asker, what, reply } => {
                self.flush_groups();
                // The one who asked may have gone.
                let _ = reply.try_send(self.ask(client, asker, what));
            }
            Event::Stats(reply) => {
                self.flush_groups();
                // The one who asked may have gone.
                let _ = reply.try_send(self.recent_snapshot());
            }
            Event::Shutdown => {
                self.flush_groups();
                self.shutdown();
            }
        }
    }

    fn joined(&mut self, joined: Joined) {
        let Joined { client, peer, service, outbox, bytes_in } = joined;
        outbox.open();
        outbox.release_in_flight(1);
        if self.stopping {
            close_going_away(&outbox);
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
            send_one(&outbox, Opcode::Text, greeting.clone(), Cause::Own);
        }
        let now = Instant::now();
        let liveness = Liveness::new(now);
        let close_sent_at = self.stopping.then_some(now);
        let joined_at = now;
        let messages_in = 0;
        self.clients.insert(
            client,
            Client {
                peer,
                service,
                outbox,
                joined_at,
                messages_in,
                bytes_in,
                liveness,
                close_sent_at,
            },
        );
    }

    fn received(&mut self, id: ConnectionId, messages: Vec<Received>, cost: usize) {
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
                // Dealt with when the last of its pending_texts is sent. The first may have been sent
                // already, if they were many: so not before this.
                self.text_credits.push((outbox, cost));
                return;
            }
            Service::Group(group) => {
                let members = self.groups.entry(group.clone()).or_default();
                if members.batch.is_empty() {
                    self.groups_to_flush.push(group.clone());
                }
                members.add_to_batch(id, messages);
                // Dealt with when the batch is sent, not before.
                members.credits.push((outbox, cost));
                if members.batch.len() >= BATCH_BYTES {
                    self.flush_groups();
                }
                return;
            }
        }
        outbox.release_in_flight(cost);
    }

    /// Sends each group what its members have said since the last time: one send a member.
    fn flush_groups(&mut self) {
        self.flush_texts();
        for group in std::mem::take(&mut self.groups_to_flush) {
            let Some(members) = self.groups.get_mut(&group) else { continue };
            let Some(counts) = self.counts.get_mut(Service::Group(group).counted_as()) else {
                continue;
            };
            let pieces = members.batch.take();
            let only_sender = members.only_sender.take();
            let messages = std::mem::take(&mut members.messages);
            for (id, outbox) in &members.members {
                let whose = if only_sender == Some(*id) { Cause::Own } else { Cause::Others };
                match outbox.send(&pieces, whose) {
                    SendOutcome::Accepted => counts.messages_out += messages,
                    SendOutcome::BacklogFull => {
                        // It is off the list when its thread, woken by this, says so.
                        outbox.abort(AbortReason::TooSlow);
                        counts.dropped += 1;
                    }
                    SendOutcome::Closed => {}
                }
            }
            for (outbox, cost) in members.credits.drain(..) {
                outbox.release_in_flight(cost);
            }
        }
    }

    fn classroom(&mut self, id: ConnectionId, group: &Group, messages: Vec<Received>) {
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
    fn deliver(&mut self, on_behalf_of: Option<ConnectionId>, delivery: Delivery) {
        let text = Bytes::from(delivery.text);
        for id in delivery.to {
            let pending_texts = self.pending_texts.entry(id).or_default();
            pending_texts.batch.push(Opcode::Text, text.clone());
            pending_texts.count += 1;
            pending_texts.from_others |= on_behalf_of != Some(id);
            self.pending_text_bytes += text.len();
        }
        if self.pending_text_bytes >= BATCH_BYTES {
            self.flush_texts();
        }
    }

    /// Sends each client of a classroom what was put aside for it.
    fn flush_texts(&mut self) {
        self.pending_text_bytes = 0;
        for (id, mut pending_texts) in std::mem::take(&mut self.pending_texts) {
            let Some(client) = self.clients.get(&id) else { continue };
            let counts = self.counts.entry(client.service.counted_as()).or_default();
            let whose = if pending_texts.from_others { Cause::Others } else { Cause::Own };
            match client.outbox.send(&pending_texts.batch.take(), whose) {
                SendOutcome::Accepted => counts.messages_out += pending_texts.count,
                SendOutcome::BacklogFull => {
                    client.outbox.abort(AbortReason::TooSlow);
                    counts.dropped += 1;
                }
                SendOutcome::Closed => {}
            }
        }
        for (outbox, cost) in self.text_credits.drain(..) {
            outbox.release_in_flight(cost);
        }
    }

    /// Sends a client what the page has asked for. The client must be at the address that asks:
    /// nobody is to close other people's connections. And what waits for it is limited as if
    /// others had sent it, since asking costs nothing.
    fn ask(
        &mut self,
        id: ConnectionId,
        asker: IpAddr,
        what: DemoAction,
    ) -> Result<(), &'static str> {
        let Some(client) = self.clients.get_mut(&id) else {
            return Err("there is no such client");
        };
        if client.peer.ip() != asker {
            return Err("that client is somebody else's");
        }
        let mut batch = FrameBatch::default();
        match what {
            DemoAction::Ping => batch.push(Opcode::Ping, Bytes::from_static(b"asked")),
            DemoAction::Fragments => {
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
                    client.outbox.send(&[frames.concat().into()], Cause::Others),
                );
            }
            DemoAction::Bytes(count) => {
                let payload: Vec<u8> = (0..count).map(|n| n as u8).collect();
                batch.push(Opcode::Binary, payload.into());
            }
            DemoAction::Close(code) => {
                client.outbox.close(code, "asked for");
                client.close_sent_at.get_or_insert_with(Instant::now);
                return Ok(());
            }
        }
        refused_or_sent(client.outbox.send(&batch.take(), Cause::Others))
    }

    fn left(&mut self, id: ConnectionId) {
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

    fn pong(&mut self, id: ConnectionId, payload: &[u8], at: Instant) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.liveness.pong(payload, at);
        }
    }

    /// Pings the silent, gives up those that stay silent, and cuts those that do not answer a Close.
    fn check_timeouts(&mut self, now: Instant) {
        let heartbeat = &self.heartbeat;
        for client in self.clients.values_mut() {
            if let Some(since) = client.close_sent_at {
                if now - since >= heartbeat.close_timeout {
                    client.outbox.abort(AbortReason::CloseTimeout);
                }
                continue;
            }
            let bytes_in = client.bytes_in.load(Ordering::Relaxed);
            match client.liveness.look(now, bytes_in, &client.outbox, heartbeat) {
                Verdict::Alive => {}
                Verdict::SendPing(ping) => send_one(&client.outbox, Opcode::Ping, ping, Cause::Own),
                Verdict::TimedOut => {
                    self.counts.entry(client.service.counted_as()).or_default().dropped += 1;
                    if client.outbox.has_backlog() {
                        client.outbox.abort(AbortReason::NoPong);
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
            close_going_away(&client.outbox);
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
                round_trip_ms: client.liveness.round_trip.map(|time| time.as_secs_f64() * 1000.0),
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
    fn add_to_batch(&mut self, from: ConnectionId, messages: Vec<Received>) {
        self.only_sender = if self.batch.is_empty() {
            Some(from)
        } else {
            self.only_sender.filter(|sender| *sender == from)
        };
        for message in messages {
            if let Received::Message(opcode, payload) = message {
                self.batch.push(opcode, payload);
                self.messages += 1;
            }
        }
    }
}

/// Looks for the next event for a moment before the thread sleeps. A client that waits for each answer
/// before it asks again is served 1.7 times as fast so: to wake a sleeping thread takes longer than the
/// answer. Where several speak, their threads need the processor, and it does not pay.
fn spin_for_next_event(events: &Receiver<Event>) {
    let until = Instant::now() + SPIN_TIME;
    while events.is_empty() && Instant::now() < until {
        std::thread::yield_now();
    }
}

fn refused_or_sent(sent: SendOutcome) -> Result<(), &'static str> {
    match sent {
        SendOutcome::Accepted => Ok(()),
        SendOutcome::BacklogFull => Err("that client has not read what was sent to it before"),
        SendOutcome::Closed => Err("that client has been closed"),
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
    outbox.send(&batch.take(), Cause::Own);
}

fn send_one(outbox: &Arc<Outbox>, opcode: Opcode, payload: Bytes, whose: Cause) {
    let mut batch = FrameBatch::default();
    batch.push(opcode, payload);
    outbox.send(&batch.take(), whose);
}

fn close_going_away(outbox: &Arc<Outbox>) {
    outbox.close(CloseCode::GOING_AWAY, "the server ends");
}

#[cfg(test)]
mod tests;
