//! The two kinds of group: in most groups all members get the same frames, and in a classroom each
//! member gets texts of its own. A flush to the members of either can be interrupted after each send.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::classroom::{Classroom, Delivery, Request};
use super::stats::PathCounts;
use crate::outbox::batch::FrameBatch;
use crate::outbox::{AbortReason, Cause, Outbox, SendOutcome};
use crate::protocol::Opcode;
use crate::sys::ConnectionId;
use crate::sys::message_memory::MessageMemory;

/// Members that all get the same frames, which are encoded once.
pub(super) struct BroadcastMembers {
    /// Counts the frames for as long as a member has not taken them.
    memory: Arc<MessageMemory>,
    members: BTreeMap<ConnectionId, Arc<Outbox>>,
    collected: Collected,
    /// The batch that the members are getting now.
    flush: Option<Flush>,
}

/// The messages that wait for the next flush.
#[derive(Default)]
struct Collected {
    batch: FrameBatch,
    /// Messages in the batch.
    messages: u64,
    /// The client that sent all messages of the batch; `None` if several clients did.
    only_sender: Option<ConnectionId>,
}

/// A batch that is on its way to the members, in the order of their numbers.
struct Flush {
    pieces: Vec<Bytes>,
    messages: u64,
    only_sender: Option<ConnectionId>,
    /// Members with this number or a higher one have not got it yet.
    next: ConnectionId,
}

impl Flush {
    fn send_to(&self, id: ConnectionId, outbox: &Arc<Outbox>, counts: &mut PathCounts) {
        let cause = if self.only_sender == Some(id) { Cause::Own } else { Cause::Others };
        send_or_drop(outbox, &self.pieces, cause, self.messages, counts);
    }
}

impl BroadcastMembers {
    pub(super) fn new(memory: Arc<MessageMemory>) -> BroadcastMembers {
        BroadcastMembers {
            memory,
            members: BTreeMap::new(),
            collected: Collected::default(),
            flush: None,
        }
    }

    pub(super) fn join(&mut self, id: ConnectionId, outbox: &Arc<Outbox>) {
        self.members.insert(id, Arc::clone(outbox));
    }

    /// Removes a member, after it has got what has been collected so far.
    pub(super) fn leave(&mut self, id: ConnectionId, counts: &mut PathCounts) {
        let Some(outbox) = self.members.remove(&id) else { return };
        if let Some(flush) = self.flush.as_ref().filter(|flush| id >= flush.next) {
            flush.send_to(id, &outbox, counts);
        }
        if !self.collected.batch.is_empty() {
            let Collected { batch, messages, only_sender } = &mut self.collected;
            let pieces = batch.pieces().to_vec();
            Flush { pieces, messages: *messages, only_sender: *only_sender, next: id }
                .send_to(id, &outbox, counts);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(super) fn collected_bytes(&self) -> usize {
        self.collected.batch.len()
    }

    /// Adds a message to the batch.
    pub(super) fn add(&mut self, from: ConnectionId, opcode: Opcode, payload: Bytes) {
        let Collected { batch, messages, only_sender } = &mut self.collected;
        *only_sender = if batch.is_empty() {
            Some(from)
        } else {
            only_sender.filter(|sender| *sender == from)
        };
        batch.push(opcode, payload);
        *messages += 1;
    }

    /// Takes the batch, to send it to each member.
    pub(super) fn start_flush(&mut self) {
        let Collected { mut batch, messages, only_sender } = std::mem::take(&mut self.collected);
        if !batch.is_empty() {
            let next = ConnectionId(0);
            let pieces = self.memory.hold(batch.take());
            self.flush = Some(Flush { pieces, messages, only_sender, next });
        }
    }

    /// Sends the batch to the members that do not have it yet, until `is_interrupted` after a send. Returns whether
    /// all have it.
    pub(super) fn flush_some(
        &mut self,
        counts: &mut PathCounts,
        is_interrupted: impl Fn() -> bool,
    ) -> bool {
        let Some(flush) = &mut self.flush else { return true };
        let mut is_stopped = false;
        for (id, outbox) in self.members.range(flush.next..) {
            if is_stopped {
                flush.next = *id;
                return false;
            }
            flush.send_to(*id, outbox, counts);
            is_stopped = is_interrupted();
        }
        self.flush = None;
        true
    }
}

/// Members of a classroom. Each gets texts of its own, because a whisper is for one member and a
/// refusal for the member that asked.
pub(super) struct ClassroomMembers {
    /// Counts the texts for as long as their member has not taken them.
    memory: Arc<MessageMemory>,
    classroom: Classroom,
    members: BTreeMap<ConnectionId, (Arc<Outbox>, PendingTexts)>,
    pending_text_bytes: usize,
    /// During a flush: members with this number or a higher one have not got their texts yet.
    next: ConnectionId,
}

/// The texts that wait for one member until the next flush.
#[derive(Default)]
struct PendingTexts {
    batch: FrameBatch,
    count: u64,
    /// Whether another client, or the room itself, has caused at least one of them.
    from_others: bool,
}

impl PendingTexts {
    /// Sends the texts, and returns their length in bytes.
    fn send(
        &mut self,
        outbox: &Arc<Outbox>,
        memory: &Arc<MessageMemory>,
        counts: &mut PathCounts,
    ) -> usize {
        let PendingTexts { mut batch, count, from_others } = std::mem::take(self);
        let length = batch.len();
        let cause = if from_others { Cause::Others } else { Cause::Own };
        send_or_drop(outbox, &memory.hold(batch.take()), cause, count, counts);
        length
    }
}

impl ClassroomMembers {
    pub(super) fn new(room: &str, memory: Arc<MessageMemory>) -> ClassroomMembers {
        ClassroomMembers {
            memory,
            classroom: Classroom::new(room),
            members: BTreeMap::new(),
            pending_text_bytes: 0,
            next: ConnectionId(0),
        }
    }

    pub(super) fn join(&mut self, id: ConnectionId, outbox: &Arc<Outbox>) {
        self.members.insert(id, (Arc::clone(outbox), PendingTexts::default()));
    }

    /// Removes a member, after it has got the texts for it, and tells the others.
    pub(super) fn leave(&mut self, id: ConnectionId, counts: &mut PathCounts) {
        if let Some((outbox, mut pending_texts)) = self.members.remove(&id)
            && pending_texts.count > 0
        {
            self.pending_text_bytes -= pending_texts.send(&outbox, &self.memory, counts);
        }
        if let Some(delivery) = self.classroom.leave(id) {
            self.deliver(None, delivery);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(super) fn collected_bytes(&self) -> usize {
        self.pending_text_bytes
    }

    /// Does what a member asks for, and keeps the texts that follow from it.
    pub(super) fn add(&mut self, from: ConnectionId, request: Result<Request, String>) {
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
            let before = pending_texts.batch.len();
            pending_texts.batch.push(Opcode::Text, text.clone());
            pending_texts.count += 1;
            pending_texts.from_others |= from != Some(id);
            self.pending_text_bytes += pending_texts.batch.len() - before;
        }
    }

    /// Starts with the first member.
    pub(super) fn start_flush(&mut self) {
        self.next = ConnectionId(0);
    }

    /// Sends its texts to each member that has not got them yet, until `is_interrupted` after a send. Returns
    /// whether all have theirs.
    pub(super) fn flush_some(
        &mut self,
        counts: &mut PathCounts,
        is_interrupted: impl Fn() -> bool,
    ) -> bool {
        let mut is_stopped = false;
        for (id, (outbox, pending_texts)) in self.members.range_mut(self.next..) {
            if is_stopped {
                self.next = *id;
                return false;
            }
            if pending_texts.count > 0 {
                self.pending_text_bytes -= pending_texts.send(outbox, &self.memory, counts);
                is_stopped = is_interrupted();
            }
        }
        true
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
