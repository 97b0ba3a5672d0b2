//! Collects messages for the members of groups, so that many messages leave in one send for each
//! member, and releases the senders' credits after that.

use std::collections::HashMap;
use std::sync::Arc;

use super::event::Received;
use super::group::Group;
use super::members::{BroadcastMembers, ClassroomMembers};
use super::stats::{Counters, PathCounts};
use crate::config::BATCH_BYTES;
use crate::outbox::Outbox;
use crate::sys::ConnectionId;

/// All groups that have members, and the messages that have been collected for them.
#[derive(Default)]
pub(super) struct Batches {
    groups: HashMap<Group, Members>,
    /// Groups for which something has been collected.
    groups_to_flush: Vec<Group>,
}

impl Batches {
    /// Adds a member to a group, and creates the group for its first member.
    pub(super) fn join(&mut self, group: &Group, id: ConnectionId, outbox: &Arc<Outbox>) {
        let members = self.groups.entry(group.clone()).or_insert_with(|| Members::new(group));
        match &mut members.kind {
            Kind::Broadcast(broadcast) => broadcast.join(id, outbox),
            Kind::Classroom(classroom) => classroom.join(id, outbox),
        }
    }

    /// Removes a member from a group. The others in a classroom are told.
    pub(super) fn leave(&mut self, group: &Group, id: ConnectionId) {
        let Some(members) = self.queue(group) else { return };
        if members.leave(id) {
            self.groups.remove(group);
        }
    }

    /// Adds messages from a member. `credit` is released when all answers to them have been sent.
    pub(super) fn add(
        &mut self,
        group: &Group,
        from: ConnectionId,
        messages: Vec<Received>,
        credit: Credit,
        counts: &mut PathCounts,
    ) {
        let Some(members) = self.queue(group) else { return };
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
            if members.collected_bytes() >= BATCH_BYTES {
                members.flush(counts);
            }
        }
        // Only now: a flush above sends the first of these messages, but not yet the last.
        members.credits.push(credit);
    }

    /// Sends the collected messages of all groups: one send for each member.
    pub(super) fn flush_groups(&mut self, counters: &mut Counters) {
        for group in std::mem::take(&mut self.groups_to_flush) {
            if let Some(members) = self.groups.get_mut(&group) {
                members.is_queued = false;
                members.flush(counters.path(group.counted_as()));
            }
        }
    }

    /// Looks a group up, to collect something for it.
    fn queue(&mut self, group: &Group) -> Option<&mut Members> {
        let members = self.groups.get_mut(group)?;
        if !members.is_queued {
            members.is_queued = true;
            self.groups_to_flush.push(group.clone());
        }
        Some(members)
    }
}

/// The cost of messages that a client's thread has handed over and the dispatcher has not answered
/// completely.
pub(super) struct Credit {
    outbox: Arc<Outbox>,
    /// In bytes.
    cost: usize,
}

impl Credit {
    pub(super) fn new(outbox: &Arc<Outbox>, cost: usize) -> Credit {
        Credit { outbox: Arc::clone(outbox), cost }
    }

    fn release(self) {
        self.outbox.release_in_flight(self.cost);
    }
}

/// The members of one group.
struct Members {
    kind: Kind,
    /// Whether the group is in `groups_to_flush`.
    is_queued: bool,
    /// Released when the collected messages have been sent. Until then the thread of a client that
    /// sends a lot waits, and its Close cannot overtake its messages.
    credits: Vec<Credit>,
}

enum Kind {
    /// All members get the same frames.
    Broadcast(BroadcastMembers),
    /// Each member gets texts of its own.
    Classroom(ClassroomMembers),
}

impl Members {
    fn new(group: &Group) -> Members {
        let kind = match group {
            Group::Classroom(room) => Kind::Classroom(ClassroomMembers::new(room)),
            _ => Kind::Broadcast(BroadcastMembers::default()),
        };
        Members { kind, is_queued: false, credits: Vec::new() }
    }

    /// Removes a member, and returns whether it was the last one.
    fn leave(&mut self, id: ConnectionId) -> bool {
        match &mut self.kind {
            Kind::Broadcast(broadcast) => {
                broadcast.leave(id);
                broadcast.is_empty()
            }
            Kind::Classroom(classroom) => {
                classroom.leave(id);
                classroom.is_empty()
            }
        }
    }

    fn collected_bytes(&self) -> usize {
        match &self.kind {
            Kind::Broadcast(broadcast) => broadcast.collected_bytes(),
            Kind::Classroom(classroom) => classroom.collected_bytes(),
        }
    }

    fn flush(&mut self, counts: &mut PathCounts) {
        match &mut self.kind {
            Kind::Broadcast(broadcast) => broadcast.flush(counts),
            Kind::Classroom(classroom) => classroom.flush(counts),
        }
        self.credits.drain(..).for_each(Credit::release);
    }
}
