//! The watch thread: takes crossings from the tap, makes events of them, and sends these to everybody
//! who watches.
//!
//! Messages never wait for it. When it falls behind, the tap counts what it leaves out; when a watcher
//! falls behind, its own bounded channel is full, and the watch thread counts for it. New watchers
//! come on a channel of their own, so that the tap does not depend on the view.

use std::sync::{Arc, Weak};
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, never, select_biased, unbounded};

use super::credentials::Credentials;
use super::event::{WireEvent, WireEventKind};
use super::tracker::{AFTER_HANDSHAKE, Tracker};
use crate::config::WATCHER_EVENTS_WAITING;
use crate::sys::Asker;
use crate::tap::Tap;
use crate::tap::crossing::{Crossing, TimedCrossing};

/// A handle to the list of watchers, which only the watch thread has. It adds watchers, and lets all of
/// them go.
pub struct WatchList {
    requests: Sender<WatchRequest>,
}

/// A request to the watch thread.
pub enum WatchRequest {
    /// Add a watcher.
    Add(Watcher),
    /// Let all watchers go, and do not accept others, because the server ends.
    Stop,
}

impl WatchList {
    /// An empty list, and the channel from which the watch thread takes requests. The channel does not
    /// need a limit, because the number of watchers has one.
    pub fn new() -> (WatchList, Receiver<WatchRequest>) {
        let (requests, receiver) = unbounded();
        (WatchList { requests }, receiver)
    }

    /// Adds a watcher, and returns the channel on which it gets the events that `asker` may see. It
    /// watches until it drops the channel, or the server ends and closes it.
    pub fn add(&self, asker: Asker) -> Receiver<Arc<WireEvent>> {
        let (events, receiver) = bounded(WATCHER_EVENTS_WAITING);
        let watcher = Watcher::new(events, asker);
        // An error says that the watch thread has ended. Then the channel is closed too.
        let _ = self.requests.send(WatchRequest::Add(watcher));
        receiver
    }

    /// Closes the channels of all watchers.
    pub fn stop(&self) {
        let _ = self.requests.send(WatchRequest::Stop);
    }
}

/// A watcher: a page or the terminal, with the sending end of its channel of events.
pub struct Watcher {
    events: Sender<Arc<WireEvent>>,
    /// Decides whose connections it sees.
    asker: Asker,
    /// The time from which it sees frames.
    since: Instant,
    /// The time from which it sees handshakes as they cross. It has got the earlier ones from the tap,
    /// which keeps them, and must not see them again when they come out of the channel.
    handshakes_since: Instant,
    /// Events for which its channel had no room.
    missed: u64,
}

impl Watcher {
    fn new(events: Sender<Arc<WireEvent>>, asker: Asker) -> Watcher {
        let now = Instant::now();
        Watcher { events, asker, since: now, handshakes_since: now, missed: 0 }
    }

    /// Whether it has yet to see a crossing of this time.
    fn has_yet_to_see(&self, at: Instant, is_handshake: bool) -> bool {
        at >= if is_handshake { self.handshakes_since } else { self.since }
    }

    /// Sends an event without waiting, if the watcher may see it. False when the watcher has gone.
    fn show(&mut self, event: &Arc<WireEvent>) -> bool {
        if !self.asker.may_see(event.tab) {
            return true;
        }
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

/// The body of the watch thread. It counts seconds from `began`, and ends when the tap has been
/// dropped; so it must not keep the tap alive itself. `credentials` says whether heads show theirs.
pub fn run(
    tap: Weak<Tap>,
    crossings: &Receiver<TimedCrossing>,
    mut requests: Receiver<WatchRequest>,
    began: Instant,
    credentials: Credentials,
) {
    let mut watchers: Vec<Watcher> = Vec::new();
    let mut is_ending = false;
    let mut tracker = Tracker::new(began, AFTER_HANDSHAKE, credentials);
    loop {
        // Requests first: a watcher must be on the list before the crossings that came after it.
        select_biased! {
            recv(requests) -> request => match request {
                // Dropping the watcher closes its channel.
                Ok(WatchRequest::Add(_)) if is_ending => {}
                Ok(WatchRequest::Add(mut watcher)) => {
                    let Some(tap) = tap.upgrade() else { return };
                    // The tap hands over all handshakes from here on, and keeps those before.
                    tap.set_watching(true);
                    watcher.handshakes_since = Instant::now();
                    for event in tracker.kept(tap.handshakes(), watcher.handshakes_since) {
                        watcher.show(&Arc::new(event));
                    }
                    watchers.push(watcher);
                }
                Ok(WatchRequest::Stop) => {
                    is_ending = true;
                    watchers.clear();
                }
                // Nobody can ask any more, but crossings may still wait.
                Err(_) => requests = never(),
            },
            recv(crossings) -> crossing => {
                let Ok(crossing) = crossing else { return };
                let at = crossing.at;
                let is_handshake =
                    matches!(crossing.what, Crossing::Request(_) | Crossing::Response { .. });
                let event = Arc::new(tracker.take(crossing));
                watchers.retain_mut(|watcher| {
                    !watcher.has_yet_to_see(at, is_handshake) || watcher.show(&event)
                });
            }
        }
        if watchers.is_empty()
            && let Some(tap) = tap.upgrade()
        {
            tap.set_watching(false);
            tracker.forget_frames();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread::{self, JoinHandle};
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::sys::ConnectionId;

    const DEADLINE: Duration = Duration::from_secs(10);
    const HIDDEN: Credentials = Credentials::Hidden;

    /// A tap with its watch thread.
    struct Watching {
        tap: Arc<Tap>,
        list: WatchList,
        thread: JoinHandle<()>,
    }

    impl Watching {
        fn begin() -> Watching {
            let (tap, crossings) = Tap::new();
            let (list, requests) = WatchList::new();
            let weak = Arc::downgrade(&tap);
            let began = Instant::now();
            let thread = thread::spawn(move || run(weak, &crossings, requests, began, HIDDEN));
            Watching { tap, list, thread }
        }

        fn request(&self, id: u64) {
            self.tap.connection(ConnectionId(id)).request(Bytes::from_static(b"GET / HTTP/1.1"));
        }
    }

    fn next(events: &Receiver<Arc<WireEvent>>) -> ConnectionId {
        events.recv_timeout(DEADLINE).expect("an event").connection
    }

    #[test]
    fn a_newcomer_sees_kept_handshakes_and_then_what_crosses_but_nothing_twice() {
        let watching = Watching::begin();
        watching.request(1);
        let first = watching.list.add(Asker::OPERATOR);
        assert_eq!(next(&first), ConnectionId(1));
        watching.request(2);
        assert_eq!(next(&first), ConnectionId(2));
        let second = watching.list.add(Asker::OPERATOR);
        assert_eq!((next(&second), next(&second)), (ConnectionId(1), ConnectionId(2)));
        watching.request(3);
        assert_eq!((next(&first), next(&second)), (ConnectionId(3), ConnectionId(3)));
        assert!(first.is_empty() && second.is_empty());
    }

    #[test]
    fn a_crossing_that_waits_in_the_channel_is_shown_once_or_not_at_all() {
        let (tap, crossings) = Tap::new();
        let (list, requests) = WatchList::new();
        tap.set_watching(true);
        let connection = tap.connection(ConnectionId(1));
        connection.request(Bytes::from_static(b"before"));
        connection.end("before");
        let events = list.add(Asker::OPERATOR);
        connection.response(Bytes::from_static(b"after"), None);
        connection.end("after");
        // All of these wait when the thread starts.
        let weak = Arc::downgrade(&tap);
        let thread = thread::spawn(move || run(weak, &crossings, requests, Instant::now(), HIDDEN));
        let line = || match &events.recv_timeout(DEADLINE).expect("an event").what {
            WireEventKind::Request(head) | WireEventKind::Response(head) => head.line.clone(),
            WireEventKind::End { how } => format!("end {how}"),
            other => panic!("{other:?}"),
        };
        assert_eq!([line(), line(), line()], ["before", "after", "end after"]);
        drop((list, connection, tap));
        thread.join().expect("no panic");
        assert!(events.is_empty());
    }

    #[test]
    fn the_tap_is_open_only_while_somebody_watches() {
        let watching = Watching::begin();
        let connection = watching.tap.connection(ConnectionId(1));
        assert!(!connection.is_watched());
        watching.request(1);
        let events = watching.list.add(Asker::OPERATOR);
        next(&events);
        assert!(connection.is_watched());
        drop(events);
        // The thread notices when it has something to send.
        let dropped = Instant::now();
        while connection.is_watched() {
            assert!(dropped.elapsed() < DEADLINE);
            connection.end("over");
            thread::yield_now();
        }
    }

    #[test]
    fn stop_closes_the_channels_and_the_thread_ends_with_the_tap() {
        let Watching { tap, list, thread } = Watching::begin();
        let before = list.add(Asker::OPERATOR);
        list.stop();
        let after = list.add(Asker::OPERATOR);
        for events in [before, after] {
            let error = events.recv_timeout(DEADLINE).expect_err("no more events");
            assert!(error.is_disconnected());
        }
        drop(list);
        drop(tap);
        thread.join().expect("no panic");
    }

    #[test]
    fn a_watcher_that_does_not_read_is_told_how_much_it_missed() {
        let (events, receiver) = bounded(2);
        let mut watcher = Watcher::new(events, Asker::OPERATOR);
        let event = Arc::new(WireEvent {
            connection: ConnectionId(1),
            tab: None,
            number: 3,
            seconds: 0.0,
            gap: None,
            what: WireEventKind::End { how: "over".to_owned() },
        });
        for _ in 0..5 {
            assert!(watcher.show(&event));
        }
        assert_eq!(receiver.try_iter().count(), 2);
        assert!(watcher.show(&event));
        let told = receiver.try_recv().expect("an event");
        assert!(matches!(told.what, WireEventKind::Missed { events: 3 }), "{told:?}");
        assert!(matches!(receiver.try_recv().expect("an event").what, WireEventKind::End { .. }));
        drop(receiver);
        assert!(!watcher.show(&event));
    }
}
