//! One thread that owns the list of clients and decides who gets what.
//!
//! No other thread touches the list, so it needs no lock. And the dispatcher never waits for a
//! client: it takes events, and sends through outboxes that accept bytes at once. So no client can
//! hold up another.
//!
//! | file | what it does |
//! |---|---|
//! | [`event`], `inbox` | the input: events, and the channel that they come from |
//! | [`group`], `client` | what a client is connected to, and its state |
//! | `batches`, `members` | broadcasts: collect messages for a group, send them, drop slow members |
//! | [`classroom`] | the subprotocol `classroom.v1` |
//! | [`heartbeat`] | which clients get a Ping, and which are dropped for their silence |
//! | `load_shedding` | which clients lose their messages when these take too much memory |
//! | [`on_demand`] | frames that the lab page asks for |
//! | [`stats`] | the numbers in `/stats` |

mod batches;
pub mod classroom;
mod client;
pub mod event;
pub mod group;
pub mod heartbeat;
mod inbox;
mod load_shedding;
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
use self::group::{EchoAt, Group, Service};
use self::heartbeat::Heartbeat;
use self::inbox::Inbox;
use self::load_shedding::LoadShedding;
use self::stats::Counters;
use crate::config::Config;
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
    /// Whether the server is shutting down. Then a client that joins gets a Close at once.
    is_stopping: bool,
}

impl Dispatcher {
    /// Creates a dispatcher without clients.
    pub fn new(config: &Config, threads: Arc<Threads>, memory: Arc<MessageMemory>) -> Dispatcher {
        let heartbeat = Heartbeat::new(config);
        Dispatcher {
            greeting: config.greeting.clone().map(Bytes::from),
            clients: Clients::new(),
            batches: Batches::default(),
            counters: Counters::new(),
            next_check: Instant::now() + heartbeat.check_interval,
            heartbeat,
            memory,
            load_shedding: LoadShedding::new(),
            threads,
            is_stopping: false,
        }
    }

    /// Handles events until the last sender of events is gone, because the server and all clients'
    /// threads have ended.
    pub fn run(mut self, events: &Receiver<Event>) {
        let mut inbox = Inbox::new(events);
        while let Some(round) = inbox.next_round(self.next_check) {
            round.for_each(|event| self.handle(event));
            self.flush_groups();
            if self.memory.is_exhausted() {
                self.load_shedding.shed(&self.memory, &mut self.clients, &mut self.counters);
            }
            self.check_timeouts_when_due(Instant::now());
        }
    }

    fn handle(&mut self, event: Event) {
        if !matches!(event, Event::Received { .. } | Event::Pong { .. }) {
            // Messages that came before this event leave before it: a client that joins now does not
            // get them, and a client that leaves now does.
            self.flush_groups();
        }
        match event {
            Event::Joined(joined) => self.joined(*joined),
            Event::Received { client, messages, cost } => self.received(client, messages, cost),
            Event::Pong { client, payload, at } => {
                if let Some(client) = self.clients.get_mut(&client) {
                    client.liveness.pong(&payload, at);
                }
            }
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
            // It has only to wake the dispatcher, which looks at the memory after each round.
            Event::OutOfMemory => {}
            Event::Shutdown => self.shutdown(),
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
        if self.is_stopping {
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
                self.batches.add(group, id, messages, credit, counts);
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
            self.batches.leave(group, id);
        }
    }

    /// Sends what has been collected for the members of groups.
    fn flush_groups(&mut self) {
        self.batches.flush_groups(&mut self.counters);
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

    fn shutdown(&mut self) {
        self.is_stopping = true;
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
