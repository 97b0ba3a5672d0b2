//! The dispatcher's end of the event channel: it waits for events, and spins for a moment before it
//! sleeps when that makes the server faster.

use std::time::Instant;

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::event::Event;
use crate::config::{EVENTS_WAITING, SPIN_TIME};
use crate::sys::ConnectionId;

/// Takes events out of the channel, a round at a time.
///
/// A round is all that waits in the channel. The dispatcher handles it together, so that many
/// broadcasts cost one system call for each client, and not one for each message and client.
pub(super) struct Inbox<'a> {
    events: &'a Receiver<Event>,
    /// The client whose messages were the only event of the current round, if there is one.
    sender: Option<ConnectionId>,
    /// The same for the round before.
    sender_before: Option<ConnectionId>,
}

impl<'a> Inbox<'a> {
    pub(super) fn new(events: &'a Receiver<Event>) -> Inbox<'a> {
        Inbox { events, sender: None, sender_before: None }
    }

    /// Waits until there is an event or until `deadline`, and returns all events that wait then:
    /// none after the deadline. Returns `None` when the last sender is gone.
    pub(super) fn next_round(&mut self, deadline: Instant) -> Option<impl Iterator<Item = Event>> {
        if self.sender.is_some() && self.sender == self.sender_before {
            self.spin_for_next_event();
        }
        self.sender_before = self.sender.take();
        let first = match self.events.recv_deadline(deadline) {
            Ok(event) => Some(event),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return None,
        };
        if let Some(Event::Received { client, .. }) = &first {
            self.sender = Some(*client);
        }
        let sender = &mut self.sender;
        let more = self.events.try_iter().take(EVENTS_WAITING).inspect(|_| *sender = None);
        Some(first.into_iter().chain(more))
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crossbeam_channel::{Sender, unbounded};

    use super::*;

    fn send_message(events: &Sender<Event>, client: u64) {
        let client = ConnectionId(client);
        events.send(Event::Received { client, messages: Vec::new(), cost: 0 }).unwrap();
    }

    /// Takes one round and returns how many events it had.
    fn count(inbox: &mut Inbox<'_>) -> usize {
        inbox.next_round(Instant::now()).expect("the channel is open").count()
    }

    #[test]
    fn a_round_is_all_that_waits() {
        let (sender, receiver) = unbounded();
        let mut inbox = Inbox::new(&receiver);
        assert_eq!(count(&mut inbox), 0, "nothing before the deadline");
        (0..5).for_each(|client| send_message(&sender, client));
        assert_eq!(count(&mut inbox), 5);
        send_message(&sender, 1);
        drop(sender);
        assert_eq!(count(&mut inbox), 1, "what was sent before the end is not lost");
        assert!(inbox.next_round(Instant::now() + Duration::from_secs(20)).is_none());
    }

    #[test]
    fn two_rounds_of_one_message_from_the_same_client_make_it_the_only_sender() {
        let (sender, receiver) = unbounded();
        let mut inbox = Inbox::new(&receiver);
        let mut is_alone = |clients: &[u64]| {
            clients.iter().for_each(|client| send_message(&sender, *client));
            count(&mut inbox);
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
