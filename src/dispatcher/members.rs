//! The two kinds of group: in most groups all members get the same frames, and in a classroom each
//! member gets texts of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::classroom::{Classroom, Delivery, Request};
use super::stats::PathCounts;
use crate::outbox::batch::FrameBatch;
use crate::outbox::{AbortReason, Cause, Outbox, SendOutcome};
use crate::protocol::Opcode;
use crate::sys::ConnectionId;

/// Members that all get the same frames, which are encoded once.
#[derive(Default)]
pub(super) struct BroadcastMembers {
    members: Vec<(ConnectionId, Arc<Outbox>)>,
    batch: FrameBatch,
    /// Messages in the batch.
    messages: u64,
    /// The client that sent all messages of the batch; `None` if several clients did.
    only_sender: Option<ConnectionId>,
}

impl BroadcastMembers {
    pub(super) fn join(&mut self, id: ConnectionId, outbox: &Arc<Outbox>) {
        self.members.push((id, Arc::clone(outbox)));
    }

    pub(super) fn leave(&mut self, id: ConnectionId) {
        self.members.retain(|(member, _)| *member != id);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(super) fn collected_bytes(&self) -> usize {
        self.batch.len()
    }

    /// Adds a message to the batch.
    pub(super) fn add(&mut self, from: ConnectionId, opcode: Opcode, payload: Bytes) {
        self.only_sender = if self.batch.is_empty() {
            Some(from)
        } else {
            self.only_sender.filter(|sender| *sender == from)
        };
        self.batch.push(opcode, payload);
        self.messages += 1;
    }

    /// Sends the batch to each member.
    pub(super) fn flush(&mut self, counts: &mut PathCounts) {
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

/// Members of a classroom. Each gets texts of its own, because a whisper is for one member and a
/// refusal for the member that asked.
pub(super) struct ClassroomMembers {
    classroom: Classroom,
    members: BTreeMap<ConnectionId, (Arc<Outbox>, PendingTexts)>,
    pending_text_bytes: usize,
}

/// The texts that wait for one member until the next flush.
#[derive(Default)]
struct PendingTexts {
    batch: FrameBatch,
    count: u64,
    /// Whether another client, or the room itself, has caused at least one of them.
    from_others: bool,
}

impl ClassroomMembers {
    pub(super) fn new(room: &str) -> ClassroomMembers {
        ClassroomMembers {
            classroom: Classroom::new(room),
            members: BTreeMap::new(),
            pending_text_bytes: 0,
        }
    }

    pub(super) fn join(&mut self, id: ConnectionId, outbox: &Arc<Outbox>) {
        self.members.insert(id, (Arc::clone(outbox), PendingTexts::default()));
    }

    /// Removes a member, and tells the others.
    pub(super) fn leave(&mut self, id: ConnectionId) {
        self.members.remove(&id);
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
            pending_texts.batch.push(Opcode::Text, text.clone());
            pending_texts.count += 1;
            pending_texts.from_others |= from != Some(id);
            self.pending_text_bytes += text.len();
        }
    }

    /// Sends each member its texts.
    pub(super) fn flush(&mut self, counts: &mut PathCounts) {
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
