//! Collects what the members of a group are to get, so that many messages leave in one send for
//! each member.
//!
//! Two kinds of group differ in what a member gets. In most groups all members get the same frames,
//! which are encoded once. In a classroom a member gets texts of its own, because a whisper is for
//! one member and a refusal for the member that asked.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;

use super::classroom::{Classroom, Delivery, Request};
use super::event::Received;
use super::group::Group;
use super::stats::{Counters, PathCounts};
use crate::config::BATCH_BYTES;
use crate::outbox::batch::FrameBatch;
use crate::outbox::{AbortReason, Cause, Outbox, SendOutcome};
use crate::protocol::Opcode;
use crate::sys::ConnectionId;

/// All groups that have members, and what has been collected for them.
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
            Kind::Broadcast(broadcast) => broadcast.members.push((id, Arc::clone(outbox))),
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

    /// Sends each group what has been collected for its members: one send for each member.
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

/// What a client's thread has handed over and the dispatcher has not answered completely.
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

struct Members {
    kind: Kind,
    /// Whether the group is in `groups_to_flush`.
    is_queued: bool,
    /// Released when what has been collected is sent, so that a client's thread that sends a lot
    /// waits, and its Close does not overtake its messages.
    credits: Vec<Credit>,
}

enum Kind {
    Broadcast(BroadcastMembers),
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
                broadcast.members.retain(|(member, _)| *member != id);
                broadcast.members.is_empty()
            }
            Kind::Classroom(classroom) => {
                classroom.leave(id);
                classroom.members.is_empty()
            }
        }
    }

    fn collected_bytes(&self) -> usize {
        match &self.kind {
            Kind::Broadcast(broadcast) => broadcast.batch.len(),
            Kind::Classroom(classroom) => classroom.pending_text_bytes,
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

/// Members that all get the same frames.
#[derive(Default)]
struct BroadcastMembers {
    members: Vec<(ConnectionId, Arc<Outbox>)>,
    batch: FrameBatch,
    /// Messages in the batch.
    messages: u64,
    /// The client that sent all messages of the batch; `None` if several clients did.
    only_sender: Option<ConnectionId>,
}

impl BroadcastMembers {
    fn add(&mut self, from: ConnectionId, opcode: Opcode, payload: Bytes) {
        self.only_sender = if self.batch.is_empty() {
            Some(from)
        } else {
            self.only_sender.filter(|sender| *sender == from)
        };
        self.batch.push(opcode, payload);
        self.messages += 1;
    }

    fn flush(&mut self, counts: &mut PathCounts) {
        if self.batch.is_empty() {
            return;
        }
        let pieces = self.batch.take();
        let only_sender = self.only_sender.take();
        let messages = std::mem::take(&mut self.messages);
        for (id, outbox) in &self.members {
            let cause = if only_sender == Some(*id) { Cause::Own } else { Cause::Others };
            send_or_drop(outbox, &pieces, cause, messages, counts);
        }
    }
}

/// Members of a classroom, each with texts of its own.
struct ClassroomMembers {
    classroom: Classroom,
    members: BTreeMap<ConnectionId, (Arc<Outbox>, PendingTexts)>,
    pending_text_bytes: usize,
}

/// What one member is about to get.
#[derive(Default)]
struct PendingTexts {
    batch: FrameBatch,
    count: u64,
    /// Whether another client, or the room itself, has caused at least one of them.
    from_others: bool,
}

impl ClassroomMembers {
    fn new(room: &str) -> ClassroomMembers {
        ClassroomMembers {
            classroom: Classroom::new(room),
            members: BTreeMap::new(),
            pending_text_bytes: 0,
        }
    }

    fn join(&mut self, id: ConnectionId, outbox: &Arc<Outbox>) {
        self.members.insert(id, (Arc::clone(outbox), PendingTexts::default()));
    }

    fn leave(&mut self, id: ConnectionId) {
        self.members.remove(&id);
        if let Some(delivery) = self.classroom.leave(id) {
            self.deliver(None, delivery);
        }
    }

    fn add(&mut self, from: ConnectionId, request: Result<Request, String>) {
        for delivery in self.classroom.take(from, request) {
            self.deliver(Some(from), delivery);
        }
    }

    /// Keeps a text for some of the members until the next flush. `from` has caused it; `None` is
    /// the room itself.
    fn deliver(&mut self, from: Option<ConnectionId>, delivery: Delivery) {
        let text = Bytes::from(delivery.text);
        for id in delivery.to {
            let Some((_, pending_texts)) = self.members.get_mut(&id) else { continue };
            pending_texts.batch.push(Opcode::Text, text.clone());
            pending_texts.count += 1;
            pending_texts.from_others |= from != Some(id);
            self.pending_text_bytes += text.len();
        }
    }

    fn flush(&mut self, counts: &mut PathCounts) {
        if self.pending_text_bytes == 0 {
            return;
        }
        self.pending_text_bytes = 0;
        for (outbox, pending_texts) in self.members.values_mut() {
            if pending_texts.count > 0 {
                let PendingTexts { mut batch, count, from_others } = std::mem::take(pending_texts);
                let cause = if from_others { Cause::Others } else { Cause::Own };
                send_or_drop(outbox, &batch.take(), cause, count, counts);
            }
        }
    }
}

/// Sends `messages` messages to a client, or drops the client because it reads too slowly.
fn send_or_drop(
    outbox: &Arc<Outbox>,
    pieces: &[Bytes],
    cause: Cause,
    messages: u64,
    counts: &mut PathCounts,
) {
    match outbox.send(pieces, cause) {
        SendOutcome::Accepted => counts.messages_out += messages,
        SendOutcome::BacklogFull => {
            // The abort wakes the client's thread, which then reports that the client has left.
            outbox.abort(AbortReason::TooSlow);
            counts.dropped += 1;
        }
        SendOutcome::Closed => {}
    }
}
