//! The watch thread: takes crossings from the tap, makes events of them, and sends these to everybody
//! who watches.
//!
//! Messages never wait for it. When it falls behind, the tap counts what it leaves out; when a watcher
//! falls behind, its own bounded channel is full, and the watch thread counts for it. Watchers come
//! and leave on a channel of their own, so that the tap does not depend on the view.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crossbeam_channel::{
    Receiver, RecvTimeoutError, Sender, bounded, never, select_biased, unbounded,
};

use super::credentials::Credentials;
use super::event::{WireEvent, WireEventKind};
use super::tracker::{AFTER_HANDSHAKE, Tracker};
use crate::config::{WATCHER_BYTES_WAITING, WATCHER_EVENTS_WAITING};
use crate::sys::Asker;
use crate::tap::Tap;
use crate::tap::crossing::{Crossing, TimedCrossing};

/// A handle to the list of watchers, which only the watch thread has. It adds watchers, and lets all of
/// them go.
pub struct WatchList {
    requests: Sender<WatchRequest>,
    next_id: AtomicU64,
}

/// A request to the watch thread.
pub enum WatchRequest {
    /// Add a watcher.
    Add(Watcher),
    /// Remove the watcher with this id, because it has left.
    Remove(u64),
    /// Let all watchers go, and do not accept others, because the server ends.
    Stop,
}

impl WatchList {
    /// An empty list, and the channel from which the watch thread takes requests. The channel does not
    /// need a limit, because the number of watchers has one.
    pub fn new() -> (WatchList, Receiver<WatchRequest>) {
        let (requests, receiver) = unbounded();
        (WatchList { requests, next_id: AtomicU64::new(0) }, receiver)
    }

    /// Adds a watcher, and returns its subscription, on which it gets the events that `asker` may see,
    /// until it drops the subscription or the server ends.
    pub fn add(&self, asker: Asker) -> Subscription {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (watcher, subscription) = subscribe(id, asker, self.requests.clone());
        // An error says that the watch thread has ended. Then the subscription has ended too.
        let _ = self.requests.send(WatchRequest::Add(watcher));
        subscription
    }

    /// Ends all subscriptions.
    pub fn stop(&self) {
        let _ = self.requests.send(WatchRequest::Stop);
    }
}

/// Both ends of a watcher's channel.
fn subscribe(id: u64, asker: Asker, requests: Sender<WatchRequest>) -> (Watcher, Subscription) {
    let (sender, events) = bounded(WATCHER_EVENTS_WAITING);
    let memory = Arc::new(AtomicUsize::new(0));
    let now = Instant::now();
    let watcher = Watcher {
        id,
        events: sender,
        asker,
        memory: Arc::clone(&memory),
        since: now,
        handshakes_since: now,
        missed: 0,
    };
    (watcher, Subscription { id, events, memory, requests })
}

/// The receiving end of a watcher's channel. When it is dropped, the watch thread removes the watcher
/// at once, also while nothing crosses the wire.
pub struct Subscription {
    id: u64,
    events: Receiver<Arc<WireEvent>>,
    memory: Arc<AtomicUsize>,
    requests: Sender<WatchRequest>,
}

impl Subscription {
    /// Waits for the next event for at most `timeout`.
    ///
    /// # Errors
    /// When no event has come in time, and when the server ends.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Arc<WireEvent>, RecvTimeoutError> {
        self.events.recv_timeout(timeout).inspect(|event| self.release(event))
    }

    fn release(&self, event: &WireEvent) {
        self.memory.fetch_sub(event.memory(), Ordering::Relaxed);
    }
}

/// Waits for each event. The iterator ends when the server ends.
impl Iterator for Subscription {
    type Item = Arc<WireEvent>;

    fn next(&mut self) -> Option<Arc<WireEvent>> {
        self.events.recv().ok().inspect(|event| self.release(event))
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let _ = self.requests.send(WatchRequest::Remove(self.id));
    }
}

/// A watcher: a page or the terminal, with the sending end of its channel of events.
pub struct Watcher {
    id: u64,
    events: Sender<Arc<WireEvent>>,
    /// Decides whose connections it sees.
    asker: Asker,
    /// Bytes of memory that the events in the channel take.
    memory: Arc<AtomicUsize>,
    /// The time from which it sees frames.
    since: Instant,
    /// The time from which it sees handshakes as they cross. It has got the earlier ones from the tap,
    /// which keeps them, and must not see them again when they come out of the channel.
    handshakes_since: Instant,
    /// Events for which its channel had no room.
    missed: u64,
}

impl Watcher {
    /// Whether it has yet to see a crossing of this time.
    fn has_yet_to_see(&self, at: Instant, is_handshake: bool) -> bool {
        at >= if is_handshake { self.handshakes_since } else { self.since }
    }

    /// Shows the handshakes that the tap has kept and the watcher may see. If they take too much memory
    /// together, it shows the newest ones, because the watcher's own is among them.
    fn show_kept(&mut self, mut kept: Vec<Arc<WireEvent>>) {
        kept.retain(|event| self.asker.may_see(event.tab));
        let mut memory = 0;
        let fitting = kept.iter().rev().take_while(|event| {
            memory += event.memory();
            memory <= WATCHER_BYTES_WAITING
        });
        let (missed, shown) = kept.split_at(kept.len() - fitting.count());
        self.missed += missed.len() as u64;
        shown.iter().for_each(|event| self.show(event));
    }

    /// Sends an event without waiting, and before it the number of those that were missed. If there is no
    /// room for both, the event is missed too. A watcher for which nothing waits has room for any event.
    fn show(&mut self, event: &Arc<WireEvent>) {
        let told = (self.missed > 0).then(|| {
            let WireEvent { connection, tab, number, seconds, .. } = **event;
            let what = WireEventKind::Missed { events: self.missed };
            Arc::new(WireEvent { connection, tab, number, seconds, gap: None, what })
        });
        let events = || told.iter().chain([event]);
        let memory: usize = events().map(|event| event.memory()).sum();
        let waiting = self.memory.load(Ordering::Relaxed);
        let has_memory = waiting == 0 || waiting + memory <= WATCHER_BYTES_WAITING;
        if !has_memory || self.events.len() + events().count() > WATCHER_EVENTS_WAITING {
            self.missed += 1;
            return;
        }
        // Counted first, because the other end may take the event and count it down at once.
        self.memory.fetch_add(memory, Ordering::Relaxed);
        for event in events() {
            // Only this thread sends, so there is room. An error says that the watcher has left; the
            // request to remove it is on its way.
            let _ = self.events.try_send(Arc::clone(event));
        }
        self.missed = 0;
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
                    let kept = tracker.kept(tap.handshakes(), watcher.handshakes_since);
                    watcher.show_kept(kept);
                    watchers.push(watcher);
                }
                Ok(WatchRequest::Remove(id)) => watchers.retain(|watcher| watcher.id != id),
                Ok(WatchRequest::Stop) => {
                    is_ending = true;
                    watchers.clear();
                }
                // Nobody can ask any more, but crossings may still wait.
                Err(_) => requests = never(),
            },
            recv(crossings) -> crossing => {
                let Ok(crossing) = crossing else { return };
                let (at, tab) = (crossing.at, crossing.tab);
                let is_handshake =
                    matches!(crossing.what, Crossing::Request(_) | Crossing::Response { .. });
                let event = Arc::new(tracker.take(crossing));
                for watcher in &mut watchers {
                    if watcher.has_yet_to_see(at, is_handshake) && watcher.asker.may_see(tab) {
                        watcher.show(&event);
                    }
                }
            }
        }
        if watchers.is_empty()
            && let Some(tap) = tap.upgrade()
        {
            tap.set_watching(false);
            tracker.forget_all();
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

    fn next(events: &Subscription) -> ConnectionId {
        events.recv_timeout(DEADLINE).expect("an event").connection
    }

    fn wait_until(ready: impl Fn() -> bool) {
        let began = Instant::now();
        while !ready() {
            assert!(began.elapsed() < DEADLINE);
            thread::yield_now();
        }
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
        assert!(first.events.is_empty() && second.events.is_empty());
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
        assert!(events.events.is_empty());
    }

    #[test]
    fn a_watcher_that_leaves_is_forgotten_at_once_and_the_last_one_closes_the_tap() {
        let watching = Watching::begin();
        let connection = watching.tap.connection(ConnectionId(1));
        assert!(!connection.is_watched());
        watching.request(1);
        let events = watching.list.add(Asker::OPERATOR);
        next(&events);
        assert!(connection.is_watched());
        let other = watching.list.add(Asker::OPERATOR);
        next(&other);
        let memory = Arc::downgrade(&events.memory);
        // Both leave while nothing crosses the wire.
        drop(events);
        wait_until(|| memory.strong_count() == 0);
        assert!(connection.is_watched(), "the other watches on");
        drop(other);
        wait_until(|| !connection.is_watched());
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

    fn end_of(id: u64, how: &str) -> Arc<WireEvent> {
        let what = WireEventKind::End { how: how.to_owned() };
        let connection = ConnectionId(id);
        Arc::new(WireEvent { connection, tab: None, number: 3, seconds: 0.0, gap: None, what })
    }

    #[test]
    fn a_watcher_that_does_not_read_is_told_how_much_it_missed() {
        let (mut watcher, subscription) = subscribe(0, Asker::OPERATOR, unbounded().0);
        let event = end_of(1, "over");
        for _ in 0..WATCHER_EVENTS_WAITING + 3 {
            watcher.show(&event);
        }
        assert_eq!(subscription.events.try_iter().count(), WATCHER_EVENTS_WAITING);
        watcher.show(&event);
        let told = subscription.events.try_recv().expect("an event");
        assert!(matches!(told.what, WireEventKind::Missed { events: 3 }), "{told:?}");
        assert_eq!(next(&subscription), ConnectionId(1));
    }

    #[test]
    fn large_events_wait_for_a_watcher_only_up_to_a_limit_in_bytes() {
        let (mut watcher, mut subscription) = subscribe(0, Asker::OPERATOR, unbounded().0);
        let large = end_of(1, &"x".repeat(WATCHER_BYTES_WAITING / 10));
        for _ in 0..20 {
            watcher.show(&large);
        }
        assert_eq!(subscription.events.len(), 9, "a tenth of the limit each, and a little more");
        for _ in 0..9 {
            subscription.next();
        }
        assert_eq!(watcher.memory.load(Ordering::Relaxed), 0);
        watcher.show(&large);
        let told = subscription.next().expect("an event");
        assert!(matches!(told.what, WireEventKind::Missed { events: 11 }), "{told:?}");
        subscription.next();
        // An event larger than the limit passes when nothing else waits.
        watcher.show(&end_of(2, &"x".repeat(2 * WATCHER_BYTES_WAITING)));
        assert_eq!(next(&subscription), ConnectionId(2));
    }

    #[test]
    fn a_newcomer_sees_the_newest_handshakes_if_all_take_too_much_memory() {
        let (mut watcher, mut subscription) = subscribe(0, Asker::OPERATOR, unbounded().0);
        let kept: Vec<_> =
            (0..20).map(|id| end_of(id, &"x".repeat(WATCHER_BYTES_WAITING / 10))).collect();
        watcher.show_kept(kept);
        let told = subscription.next().expect("an event");
        assert!(matches!(told.what, WireEventKind::Missed { events: 11 }), "{told:?}");
        let shown: Vec<_> =
            subscription.events.try_iter().map(|event| event.connection.0).collect();
        assert_eq!(shown, (11..20).collect::<Vec<_>>());
    }

    #[test]
    fn all_newcomers_share_the_events_of_the_kept_handshakes() {
        let watching = Watching::begin();
        watching.request(1);
        let (mut first, mut second) =
            (watching.list.add(Asker::OPERATOR), watching.list.add(Asker::OPERATOR));
        let same = (first.next().expect("an event"), second.next().expect("an event"));
        assert!(Arc::ptr_eq(&same.0, &same.1));
    }
}
