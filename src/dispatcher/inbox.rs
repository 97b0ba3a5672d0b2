//! The dispatcher's end of the event channel: events wait in a fair queue, and the dispatcher spins for a moment
//! before it sleeps when that makes the server faster.

use std::time::Instant;

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::event::{Event, Received};
use super::fair_queue::{FairQueue, Weight};
use crate::config::{EVENTS_WAITING, LIGHT_COST, SPIN_TIME};
use crate::sys::ConnectionId;

/// Takes events out of the channel, and lets their clients take turns.
///
/// The channel itself is served in order, so an event in it waits for all events before it. That is why the
/// dispatcher empties the channel often: before each event that it handles, and between two sends to the members of
/// a group. What waits in the queue is limited for each client, by the credit of its
/// [flow control](crate::outbox::Outbox::add_in_flight).
pub(super) struct Inbox<'a> {
    events: &'a Receiver<Event>,
    /// The events of clients, and under `None` those of pages that ask something.
    queue: FairQueue<Option<ConnectionId>, Event>,
    /// The client whose messages were the only event since the dispatcher slept, if there is one.
    sender: Option<ConnectionId>,
    /// The same for the time before.
    sender_before: Option<ConnectionId>,
}

impl<'a> Inbox<'a> {
    pub(super) fn new(events: &'a Receiver<Event>) -> Inbox<'a> {
        Inbox { events, queue: FairQueue::new(), sender: None, sender_before: None }
    }

    /// Empties the channel. `at_once` may handle an event, or return it, so that it waits for its turn.
    pub(super) fn take_in(&mut self, mut at_once: impl FnMut(Event) -> Option<Event>) {
        for event in self.events.try_iter().take(EVENTS_WAITING) {
            self.sender = None;
            if let Some(event) = at_once(event) {
                enqueue(&mut self.queue, event);
            }
        }
    }

    /// Whether a light event waits, or one whose weight is not known yet.
    pub(super) fn has_light(&self) -> bool {
        self.queue.has_light() || !self.events.is_empty()
    }

    /// The next event of this weight.
    pub(super) fn next(&mut self, weight: Weight) -> Option<Event> {
        self.queue.pop(weight)
    }

    /// Waits until there is an event, or until `deadline`. Returns false when the last sender is gone. Called when
    /// nothing waits.
    pub(super) fn wait(
        &mut self,
        deadline: Instant,
        mut at_once: impl FnMut(Event) -> Option<Event>,
    ) -> bool {
        if self.sender.is_some() && self.sender == self.sender_before {
            self.spin_for_next_event();
        }
        self.sender_before = self.sender.take();
        match self.events.recv_deadline(deadline) {
            Ok(event) => {
                if let Event::Received { client, .. } = &event {
                    self.sender = Some(*client);
                }
                if let Some(event) = at_once(event) {
                    enqueue(&mut self.queue, event);
                }
                true
            }
            Err(RecvTimeoutError::Timeout) => true,
            Err(RecvTimeoutError::Disconnected) => false,
        }
    }

    /// Waits a moment for the next event without sleeping, while one client alone sends.
    ///
    /// A client that waits for each answer before it sends the next message is served 1.7 times as
    /// fast (measured as `echo-1` in the bench), because waking a sleeping thread takes longer than
    /// the answer. When several clients send, it does not pay, because their threads need the
    /// processor.
    fn spin_for_next_event(&self) {
        let until = Instant::now() + SPIN_TIME;
        while self.events.is_empty() && Instant::now() < until {
            std::thread::yield_now();
        }
    }
}

/// Puts an event into the line of its client, or of the pages that ask something.
fn enqueue(queue: &mut FairQueue<Option<ConnectionId>, Event>, event: Event) {
    let (client, weight) = match &event {
        Event::Joined(joined) => (Some(joined.client), Weight::Light),
        Event::Received { client, messages, cost } => {
            // A request to a classroom makes work for every member.
            let is_request = matches!(messages.first(), Some(Received::Classroom(_)));
            let is_light = !is_request && *cost <= LIGHT_COST;
            (Some(*client), if is_light { Weight::Light } else { Weight::Heavy })
        }
        Event::Pong { client, .. } => (Some(*client), Weight::Light),
        // The other members of a classroom are told.
        Event::Left { client } => (Some(*client), Weight::Heavy),
        // The answers include what was sent before the questions.
        Event::Demo { .. } | Event::Stats(_) | Event::OutOfMemory | Event::Shutdown => {
            (None, Weight::Heavy)
        }
    };
    queue.push(client, weight, event);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use crossbeam_channel::{Sender, bounded, unbounded};

    use super::*;
    use crate::dispatcher::classroom;
    use crate::protocol::Opcode;

    fn received(client: u64, messages: Vec<Received>, cost: usize) -> Event {
        Event::Received { client: ConnectionId(client), messages, cost }
    }

    fn send_message(events: &Sender<Event>, client: u64) {
        events.send(received(client, Vec::new(), 0)).unwrap();
    }

    /// The clients of all events that wait, in the order in which the dispatcher handles them.
    fn order(inbox: &mut Inbox<'_>) -> Vec<u64> {
        inbox.take_in(Some);
        std::iter::from_fn(|| inbox.next(Weight::Light).or_else(|| inbox.next(Weight::Heavy)))
            .map(|event| match event {
                Event::Received { client, .. } | Event::Left { client } => client.0,
                _ => 0,
            })
            .collect()
    }

    #[test]
    fn a_message_waits_for_one_event_of_a_flood() {
        let (sender, receiver) = unbounded();
        let mut inbox = Inbox::new(&receiver);
        (0..500).for_each(|_| send_message(&sender, 1));
        send_message(&sender, 2);
        assert!(inbox.has_light());
        assert_eq!(order(&mut inbox)[..4], [1, 2, 1, 1]);
    }

    #[test]
    fn large_messages_requests_and_questions_are_heavy() {
        let (sender, receiver) = unbounded();
        let mut inbox = Inbox::new(&receiver);
        let (reply, _answer) = bounded(1);
        let request = Received::Classroom(classroom::parse("{}"));
        let large = Received::Message(Opcode::Binary, Bytes::new());
        sender.send(received(1, vec![request], 1)).unwrap();
        sender.send(received(2, vec![large], LIGHT_COST + 1)).unwrap();
        sender.send(Event::Left { client: ConnectionId(3) }).unwrap();
        sender.send(Event::Stats(reply)).unwrap();
        send_message(&sender, 4);
        assert_eq!(order(&mut inbox), [4, 1, 2, 3, 0]);
    }

    #[test]
    fn waiting_ends_with_an_event_at_the_deadline_or_without_a_sender() {
        let (sender, receiver) = unbounded();
        let mut inbox = Inbox::new(&receiver);
        assert!(inbox.wait(Instant::now(), Some), "the deadline");
        assert!(order(&mut inbox).is_empty());
        send_message(&sender, 1);
        drop(sender);
        let later = Instant::now() + Duration::from_secs(20);
        assert!(inbox.wait(later, Some));
        assert_eq!(order(&mut inbox), [1], "what was sent before the end is not lost");
        assert!(!inbox.wait(later, Some));
    }

    #[test]
    fn two_messages_alone_from_the_same_client_make_it_the_only_sender() {
        let (sender, receiver) = unbounded();
        let mut inbox = Inbox::new(&receiver);
        let mut is_alone = |clients: &[u64]| {
            clients.iter().for_each(|client| send_message(&sender, *client));
            inbox.wait(Instant::now(), Some);
            order(&mut inbox);
            inbox.sender.is_some() && inbox.sender == inbox.sender_before
        };
        assert!(!is_alone(&[1]));
        assert!(is_alone(&[1]));
        assert!(is_alone(&[1]));
        assert!(!is_alone(&[2]), "another client");
        assert!(!is_alone(&[2, 2]), "more than it waits for");
        assert!(!is_alone(&[2]));
        assert!(is_alone(&[2]));
        assert!(!is_alone(&[]), "nothing");
    }
}
