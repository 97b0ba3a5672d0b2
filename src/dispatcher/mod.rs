//! One thread that owns the list of clients and decides who gets what.
//!
//! No other thread touches the list, so it needs no lock. And the dispatcher never waits for a
//! client: it takes events, and sends through outboxes that accept bytes at once. So no client can
//! hold up another by being slow.
//!
//! # Fairness
//!
//! Nor can a client hold up another by being fast. Clients take turns, and light work comes before heavy
//! work. After each step the dispatcher looks into the channel, and takes the first of these that there is:
//!
//! 1. A light event, such as a short message at `/echo`. After 16 of them comes one step of the others.
//! 2. One send of a flush, if members of groups still wait for it.
//! 3. A heavy event, such as a request to a classroom. Then, when a batch is full or one millisecond old, or
//!    when nothing else waits, a flush begins.
//!
//! So a message at `/echo` waits for one send, or for one heavy event, whatever a thousand others do in a
//! room. What a client may have waiting here is limited by its credit.
//!
//! # What stays in order
//!
//! - The events of one client wait in one line, except Pongs. Its credit is released after the last
//!   send that its messages cause, and its thread sends a Close only after that.
//! - Messages for a group are collected in one batch, in the order in which they are handled. While a
//!   batch is being sent, the next one collects, and it is sent after that. So all members get the same
//!   order.
//! - A client is added to its group before its thread goes on, so it gets every message that is
//!   handled after its 101. It may also get messages that were collected before and have not been sent.
//! - A client that leaves a group gets what was collected for it before.
//! - At a shutdown, messages that came after it are not handled. Those before it are, for a part of the
//!   close timeout, and then every client gets a Close.
//!
//! | file | what it does |
//! |---|---|
//! | [`event`], `inbox`, `fair_queue` | the input: events, the channel that they come from, and whose turn it is |
//! | [`group`], `client` | what a client is connected to, and its state |
//! | `batches`, `members` | broadcasts: collect messages for a group, send them, drop slow members |
//! | [`classroom`], `member_name` | the subprotocol `classroom.v1`, and which names it allows |
//! | [`heartbeat`] | which clients get a Ping, and which are dropped for their silence |
//! | `load_shedding` | which clients lose their messages when these take too much memory |
//! | [`on_demand`] | frames that the lab page asks for |
//! | [`stats`] | the numbers in `/stats` |

mod batches;
pub mod classroom;
mod client;
pub mod event;
mod fair_queue;
pub mod group;
pub mod heartbeat;
mod inbox;
mod load_shedding;
mod member_name;
mod members;
pub mod on_demand;
pub mod stats;

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use crossbeam_channel::Receiver;

use self::batches::{Batches, Credit};
use self::client::{Client, Clients};
use self::event::{Event, Joined, Received};
use self::fair_queue::Weight;
use self::group::{EchoAt, Group, Service};
use self::heartbeat::Heartbeat;
use self::inbox::Inbox;
use self::load_shedding::LoadShedding;
use self::stats::Counters;
use crate::config::{Config, LAST_MESSAGES, LIGHT_IN_A_ROW};
use crate::outbox::batch::FrameBatch;
use crate::outbox::{Cause, Outbox, SendOutcome};
use crate::protocol::Opcode;
use crate::sys::ConnectionId;
use crate::sys::message_memory::MessageMemory;
use crate::sys::threads::Threads;

/// The owner of the list of clients. [`Event`] is its whole input, and outboxes are its output.
pub struct Dispatcher {
    /// A text for each client that connects to `/`.
    greeting: Option<Bytes>,
    clients: Clients,
    batches: Batches,
    counters: Counters,
    heartbeat: Heartbeat,
    next_check: Instant,
    /// Counts the messages of all clients.
    memory: Arc<MessageMemory>,
    load_shedding: LoadShedding,
    /// For the number of threads in the statistics.
    threads: Arc<Threads>,
    stopping: Stopping,
}

/// How far a shutdown has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stopping {
    /// The server is not shutting down.
    No,
    /// The messages that came before the shutdown still leave, at most until this time.
    LastMessages { until: Instant },
    /// All clients have got a Close, and a client that joins gets one at once.
    Closed,
}

impl Dispatcher {
    /// Creates a dispatcher without clients.
    pub fn new(config: &Config, threads: Arc<Threads>, memory: Arc<MessageMemory>) -> Dispatcher {
        let heartbeat = Heartbeat::new(config);
        Dispatcher {
            greeting: config.greeting.clone().map(Bytes::from),
            clients: Clients::new(),
            batches: Batches::new(Arc::clone(&memory)),
            counters: Counters::new(),
            next_check: Instant::now() + heartbeat.check_interval,
            heartbeat,
            memory,
            load_shedding: LoadShedding::new(),
            threads,
            stopping: Stopping::No,
        }
    }

    /// Handles events until the last sender of events is gone, because the server and all clients'
    /// threads have ended.
    pub fn run(mut self, events: &Receiver<Event>) {
        let mut inbox = Inbox::new(events);
        let mut light_in_a_row = 0;
        loop {
            inbox.take_in(|event| self.handle_at_once(event));
            self.close_when_due();
            if self.memory.is_exhausted() {
                self.load_shedding.shed(&self.memory, &mut self.clients, &mut self.counters);
            }
            if light_in_a_row < LIGHT_IN_A_ROW
                && let Some(event) = inbox.next(Weight::Light)
            {
                light_in_a_row += 1;
                self.handle(event);
                continue;
            }
            light_in_a_row = 0;
            if self.batches.is_flushing() {
                self.batches.flush_some(&mut self.counters, || inbox.has_light());
                continue;
            }
            self.check_timeouts_when_due(Instant::now());
            let heavy = inbox.next(Weight::Heavy);
            let is_idle = heavy.is_none() && !inbox.has_light();
            heavy.into_iter().for_each(|event| self.handle(event));
            if is_idle || self.batches.is_flush_due() {
                let has_work = self.batches.start_flush();
                if is_idle && !has_work && !self.rest(&mut inbox) {
                    return;
                }
            }
        }
    }

    /// Waits for the next event when nothing is left to do. Returns false when the last sender is gone.
    fn rest(&mut self, inbox: &mut Inbox<'_>) -> bool {
        if let Stopping::LastMessages { .. } = self.stopping {
            self.close_all();
            return true;
        }
        let deadline = self.next_check;
        inbox.wait(deadline, |event| self.handle_at_once(event))
    }

    /// Handles an event that does not wait for its turn, or returns it.
    fn handle_at_once(&mut self, event: Event) -> Option<Event> {
        match event {
            Event::Pong { client, payload, at } => {
                if let Some(client) = self.clients.get_mut(&client) {
                    client.liveness.pong(&payload, at);
                }
                None
            }
            // It has only to wake the dispatcher, which looks at the memory before each event.
            Event::OutOfMemory => None,
            Event::Shutdown => {
                let until = Instant::now() + self.heartbeat.close_timeout.mul_f32(LAST_MESSAGES);
                self.stopping = Stopping::LastMessages { until };
                None
            }
            // It came after the shutdown, so nobody was promised anything.
            Event::Received { client, cost, .. } if self.stopping != Stopping::No => {
                if let Some(client) = self.clients.get(&client) {
                    client.outbox.release_in_flight(cost);
                }
                None
            }
            event => Some(event),
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Joined(joined) => self.joined(*joined),
            Event::Received { client, messages, cost } => self.received(client, messages, cost),
            Event::Left { client } => self.left(client),
            Event::Demo { client, asker, action, reply } => {
                let done = on_demand::perform(&mut self.clients, client, &asker, action);
                // The page that asked may have gone away.
                let _ = reply.try_send(done);
            }
            Event::Stats(reply) => {
                let snapshot = self.counters.recent_snapshot(&self.clients, self.threads.live());
                let _ = reply.try_send(snapshot);
            }
            // The inbox hands these to `handle_at_once`.
            Event::Pong { .. } | Event::OutOfMemory | Event::Shutdown => {}
        }
    }

    fn joined(&mut self, joined: Joined) {
        let Joined { client: id, peer, tab, service, outbox, bytes_in } = joined;
        let now = Instant::now();
        outbox.open();
        outbox.release_in_flight(1);
        if let Service::Group(group) = &service {
            self.batches.join(group, id, &outbox);
        }
        let mut client = Client::new(peer, tab, service, outbox, bytes_in, now);
        let counts = self.counters.path(client.service.counted_as());
        counts.clients += 1;
        counts.clients_total += 1;
        if self.stopping == Stopping::Closed {
            client.close_going_away(now);
        }
        let is_root =
            matches!(client.service, Service::Echo(EchoAt::Root) | Service::Group(Group::Root));
        if let (Some(greeting), true) = (&self.greeting, is_root)
            && client.send(Opcode::Text, greeting.clone()) == SendOutcome::Accepted
        {
            counts.messages_out += 1;
        }
        self.clients.insert(id, client);
    }

    fn received(&mut self, id: ConnectionId, messages: Vec<Received>, cost: usize) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let count = messages.len() as u64;
        client.messages_in += count;
        let counts = self.counters.path(client.service.counted_as());
        counts.messages_in += count;
        match &client.service {
            Service::Echo(_) => {
                counts.messages_out += count;
                echo(&client.outbox, messages);
                client.outbox.release_in_flight(cost);
            }
            Service::Group(group) => {
                let credit = Credit::new(&client.outbox, cost);
                self.batches.add(group, id, messages, credit);
            }
        }
    }

    fn left(&mut self, id: ConnectionId) {
        let Some(client) = self.clients.remove(&id) else { return };
        let counts = self.counters.path(client.service.counted_as());
        counts.clients -= 1;
        counts.bytes_in += client.bytes_in();
        counts.bytes_out += client.outbox.bytes_out();
        if let Service::Group(group) = &client.service {
            self.batches.leave(group, id, counts);
        }
    }

    fn check_timeouts_when_due(&mut self, now: Instant) {
        if now >= self.next_check {
            self.check_timeouts(now);
            self.next_check = now + self.heartbeat.check_interval;
        }
    }

    fn check_timeouts(&mut self, now: Instant) {
        for client in self.clients.values_mut() {
            if client.check_timeouts(now, &self.heartbeat) {
                self.counters.path(client.service.counted_as()).dropped += 1;
            }
        }
    }

    /// Ends the time for the last messages when it is over.
    fn close_when_due(&mut self) {
        if let Stopping::LastMessages { until } = self.stopping
            && Instant::now() >= until
        {
            self.close_all();
        }
    }

    /// Sends every client a Close. Nothing may follow it, so what has been collected for groups is dropped.
    fn close_all(&mut self) {
        self.stopping = Stopping::Closed;
        self.batches.clear();
        let now = Instant::now();
        for client in self.clients.values_mut() {
            client.close_going_away(now);
        }
    }
}

fn echo(outbox: &Arc<Outbox>, messages: Vec<Received>) {
    let mut batch = FrameBatch::default();
    for message in messages {
        if let Received::Message(opcode, payload) = message {
            batch.push(opcode, payload);
        }
    }
    // An outbox refuses the client's own messages only after a Close, which nothing may follow.
    outbox.send(&batch.take(), Cause::Own);
}

#[cfg(test)]
mod tests;
