//! Collects messages for the members of groups, so that many messages leave in one send for each
//! member, and releases the senders' credits after that.
//!
//! A flush to a large group takes many sends. The dispatcher may do a part of them, look after other
//! clients, and go on. Meanwhile further messages for the group are collected for the next flush, so all
//! members get the same messages in the same order.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use super::event::Received;
use super::group::Group;
use super::members::{BroadcastMembers, ClassroomMembers};
use super::stats::{Counters, PathCounts};
use crate::config::{BATCH_BYTES, COLLECT_TIME};
use crate::outbox::Outbox;
use crate::sys::ConnectionId;
use crate::sys::message_memory::MessageMemory;

/// All groups that have members, and the messages that have been collected for them.
pub(super) struct Batches {
    /// Counts what waits for members.
    memory: Arc<MessageMemory>,
    groups: HashMap<Group, Members>,
    /// Groups for which something has been collected.
    collecting: Vec<Group>,
    /// Groups whose members are getting what was collected.
    flushing: VecDeque<Group>,
    /// When the collected messages have to leave, although more events wait.
    collect_until: Option<Instant>,
    /// Whether so much has been collected for a group that it has to leave.
    is_full: bool,
}

impl Batches {
    pub(super) fn new(memory: Arc<MessageMemory>) -> Batches {
        Batches {
            memory,
            groups: HashMap::new(),
            collecting: Vec::new(),
            flushing: VecDeque::new(),
            collect_until: None,
            is_full: false,
        }
    }

    /// Forgets all groups and what was collected for them.
    pub(super) fn clear(&mut self) {
        *self = Batches::new(Arc::clone(&self.memory));
    }

    /// Adds a member to a group, and creates the group for its first member. The member gets all messages that are
    /// added from now on, and may also get messages that have not left yet.
    pub(super) fn join(&mut self, group: &Group, id: ConnectionId, outbox: &Arc<Outbox>) {
        let members = self
            .groups
            .entry(group.clone())
            .or_insert_with(|| Members::new(group, Arc::clone(&self.memory)));
        match &mut members.kind {
            Kind::Broadcast(broadcast) => broadcast.join(id, outbox),
            Kind::Classroom(classroom) => classroom.join(id, outbox),
        }
    }

    /// Removes a member from a group, after it has got what was collected for it. The others in a classroom are
    /// told.
    pub(super) fn leave(&mut self, group: &Group, id: ConnectionId, counts: &mut PathCounts) {
        let Some(members) = self.groups.get_mut(group) else { return };
        match &mut members.kind {
            Kind::Broadcast(broadcast) => broadcast.leave(id, counts),
            Kind::Classroom(classroom) => classroom.leave(id, counts),
        }
        if members.is_empty() {
            self.groups.remove(group);
        } else {
            self.note_collected(group);
        }
    }

    /// Adds messages from a member. `credit` is released when all answers to them have been sent.
    pub(super) fn add(
        &mut self,
        group: &Group,
        from: ConnectionId,
        messages: Vec<Received>,
        credit: Credit,
    ) {
        let Some(members) = self.groups.get_mut(group) else { return };
        for message in messages {
            match (&mut members.kind, message) {
                (Kind::Broadcast(broadcast), Received::Message(opcode, payload)) => {
                    broadcast.add(from, opcode, payload);
                }
                (Kind::Classroom(classroom), Received::Classroom(request)) => {
                    classroom.add(from, request);
                }
                // The client's thread reads each message for the service of its client.
                _ => {}
            }
        }
        members.credits.push(credit);
        self.note_collected(group);
    }

    /// Whether collected messages have to leave now, although more events wait.
    pub(super) fn is_flush_due(&self) -> bool {
        self.is_full || self.collect_until.is_some_and(|until| Instant::now() >= until)
    }

    /// Starts to send the collected messages of all groups. Returns false when there are none.
    pub(super) fn start_flush(&mut self) -> bool {
        self.collect_until = None;
        self.is_full = false;
        for group in self.collecting.drain(..) {
            if let Some(members) = self.groups.get_mut(&group) {
                members.start_flush();
                self.flushing.push_back(group);
            }
        }
        self.is_flushing()
    }

    /// Whether members still wait for messages of a flush.
    pub(super) fn is_flushing(&self) -> bool {
        !self.flushing.is_empty()
    }

    /// Goes on with the flush: one send for each member, until all have got theirs, or until `is_interrupted` after
    /// a send. The groups take turns.
    pub(super) fn flush_some(
        &mut self,
        counters: &mut Counters,
        is_interrupted: impl Fn() -> bool + Copy,
    ) {
        while let Some(group) = self.flushing.pop_front() {
            let Some(members) = self.groups.get_mut(&group) else { continue };
            if !members.flush_some(counters.path(group.counted_as()), is_interrupted) {
                self.flushing.push_back(group);
                return;
            }
        }
        // Messages that came during the flush may wait for others as long as those before them.
        if self.collect_until.is_some() {
            self.collect_until = Some(Instant::now() + COLLECT_TIME);
        }
    }

    /// Notes that something may have been collected for a group.
    fn note_collected(&mut self, group: &Group) {
        let Some(members) = self.groups.get_mut(group) else { return };
        self.is_full |= members.collected_bytes() >= BATCH_BYTES;
        if !members.is_collecting {
            members.is_collecting = true;
            self.collecting.push(group.clone());
            self.collect_until.get_or_insert_with(|| Instant::now() + COLLECT_TIME);
        }
    }
}

/// The cost of messages that a client's thread has handed over and the dispatcher has not answered
/// completely. It is released when this is dropped.
pub(super) struct Credit {
    outbox: Arc<Outbox>,
    /// In bytes.
    cost: usize,
}

impl Credit {
    pub(super) fn new(outbox: &Arc<Outbox>, cost: usize) -> Credit {
        Credit { outbox: Arc::clone(outbox), cost }
    }
}

impl Drop for Credit {
    fn drop(&mut self) {
        self.outbox.release_in_flight(self.cost);
    }
}

/// The members of one group.
struct Members {
    kind: Kind,
    /// Whether the group is in `collecting`.
    is_collecting: bool,
    /// For the messages that have been collected. Until they are released, the thread of a client that sends a lot
    /// waits, and its Close cannot overtake its messages.
    credits: Vec<Credit>,
    /// For the messages that are being sent.
    credits_of_flush: Vec<Credit>,
}

enum Kind {
    /// All members get the same frames.
    Broadcast(BroadcastMembers),
    /// Each member gets texts of its own.
    Classroom(ClassroomMembers),
}

impl Members {
    fn new(group: &Group, memory: Arc<MessageMemory>) -> Members {
        let kind = match group {
            Group::Classroom(room) => Kind::Classroom(ClassroomMembers::new(room, memory)),
            _ => Kind::Broadcast(BroadcastMembers::new(memory)),
        };
        Members { kind, is_collecting: false, credits: Vec::new(), credits_of_flush: Vec::new() }
    }

    fn is_empty(&self) -> bool {
        match &self.kind {
            Kind::Broadcast(broadcast) => broadcast.is_empty(),
            Kind::Classroom(classroom) => classroom.is_empty(),
        }
    }

    fn collected_bytes(&self) -> usize {
        match &self.kind {
            Kind::Broadcast(broadcast) => broadcast.collected_bytes(),
            Kind::Classroom(classroom) => classroom.collected_bytes(),
        }
    }

    /// Called when the flush before has ended.
    fn start_flush(&mut self) {
        self.is_collecting = false;
        self.credits_of_flush = std::mem::take(&mut self.credits);
        match &mut self.kind {
            Kind::Broadcast(broadcast) => broadcast.start_flush(),
            Kind::Classroom(classroom) => classroom.start_flush(),
        }
    }

    /// Returns whether the flush has ended.
    fn flush_some(&mut self, counts: &mut PathCounts, is_interrupted: impl Fn() -> bool) -> bool {
        let is_over = match &mut self.kind {
            Kind::Broadcast(broadcast) => broadcast.flush_some(counts, is_interrupted),
            Kind::Classroom(classroom) => classroom.flush_some(counts, is_interrupted),
        };
        if is_over {
            self.credits_of_flush.clear();
        }
        is_over
    }
}
