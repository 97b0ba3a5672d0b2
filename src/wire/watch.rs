//! The watch thread: takes what the tap gives, sees how it hangs together, and passes it on to
//! whoever watches.
//!
//! It is behind the tap, away from the way of a message: if it is slow, watchers miss something, and
//! are told so; messages never wait for it. Each watcher has a bounded channel of its own.

use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use super::tracker::{ConnectionTracker, FIRST_FRAME, Tracker};
use super::{WireEvent, WireEventKind};
use crate::config::WATCHER_EVENTS_WAITING;
use crate::tap::{Raw, Tap};

/// One who watches: the sending end of its events.
pub struct Watcher {
    events: Sender<Arc<WireEvent>>,
    /// Since when it watches. WireEventKind is kept of before is shown to it once, when it comes; and what
    /// was still on its way here at that moment is not shown again.
    since: Instant,
    /// Events for which there was no room.
    missed: u64,
}

impl Watcher {
    /// A watcher, and where its events come out. It watches until that end is dropped.
    pub fn new() -> (Watcher, Receiver<Arc<WireEvent>>) {
        let (events, receiver) = bounded(WATCHER_EVENTS_WAITING);
        (Watcher { events, since: Instant::now(), missed: 0 }, receiver)
    }

    /// Passes an event on without waiting. False when the watcher has gone.
    fn show(&mut self, event: &Arc<WireEvent>) -> bool {
        if self.missed > 0 {
            let missed = WireEvent {
                what: WireEventKind::Missed { events: self.missed },
                gap: None,
                ..WireEvent::clone(event)
            };
            match self.events.try_send(Arc::new(missed)) {
                Ok(()) => self.missed = 0,
                Err(TrySendError::Full(_)) => {
                    self.missed += 1;
                    return true;
                }
                Err(TrySendError::Disconnected(_)) => return false,
            }
        }
        match self.events.try_send(Arc::clone(event)) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                self.missed += 1;
                true
            }
            Err(TrySendError::Disconnected(_)) => false,
        }
    }
}

/// The body of the watch thread. Ends when the last tap is gone.
pub fn run(tap: std::sync::Weak<Tap>, raw: &Receiver<Raw>, began: Instant) {
    let mut watchers: Vec<Watcher> = Vec::new();
    let mut ending = false;
    let mut conversations = Tracker::new(began, FIRST_FRAME);
    for raw in raw {
        match raw {
            Raw::Crossing { connection, at, gap, what } => {
                if let Some(event) = conversations.take(connection, at, gap, what) {
                    let event = Arc::new(event);
                    watchers.retain_mut(|watcher| at < watcher.since || watcher.show(&event));
                }
            }
            Raw::Watch(mut watcher) if !ending => {
                let Some(tap) = tap.upgrade() else { return };
                for event in conversations.kept(&tap, watcher.since) {
                    watcher.show(&Arc::new(event));
                }
                watchers.push(watcher);
                if watchers.len() == 1 {
                    tap.set_watching(true);
                }
            }
            // Too late: its end of the channel closes.
            Raw::Watch(_) => {}
            Raw::Stop => {
                ending = true;
                watchers.clear();
            }
        }
        if watchers.is_empty()
            && let Some(tap) = tap.upgrade()
        {
            tap.set_watching(false);
            // WireEventKind hangs together would be stale when the next watcher comes; the numbers go on.
            conversations.open.values_mut().for_each(ConnectionTracker::forget);
        }
    }
}
