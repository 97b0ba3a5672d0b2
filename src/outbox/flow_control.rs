//! Flow control for one client: when its own thread has to stop reading, and how it is woken.
//!
//! A client that does not read its own echoes must not fill the server's memory. So the server
//! counts what the client itself has caused and what has not left yet, and at the limit the
//! client's thread waits here instead of reading. Then the socket's receive buffer fills up, and
//! TCP slows the client down. Nothing is lost.
//!
//! # Why no waking is lost
//!
//! Three threads meet here: the client's thread waits, the dispatcher and the drain thread wake it.
//! The counts are atomics, so that a message costs no lock here while nobody waits. The danger is a
//! waiter that sees the old count and falls asleep after the last waking. Two rules prevent it:
//!
//! 1. The waiter stores `waiting`, and *then* loads the counts. The waker changes a count, and
//!    *then* loads `waiting`. Between the two steps each has a `SeqCst` fence, and all threads agree
//!    on the order of such fences. So the thread whose fence comes second sees what the other stored
//!    before its own: either the waiter sees the new count and does not sleep, or the waker sees
//!    `waiting` and wakes. (Without the fences both loads could miss both stores, because a processor
//!    may load before its own store has reached the others.)
//! 2. The waiter holds the lock from before it stores `waiting` until the condition variable puts
//!    it to sleep. A waker that sees `waiting` takes that lock once before it notifies. So it
//!    notifies a thread that sleeps already, and not one between its look and its sleep.
//!
//! The end of the output needs no such argument, because it is changed and read under the lock.
//!
//! Each count is changed with `Release` and loaded with `Acquire`. So a thread that sees that something
//! has been counted down also sees what the other thread did before that.
//!
//! The models in `outbox/model.rs` try every order of the threads' steps. They also leave out the
//! fences, and the lock of rule 2, and expect that a waking is then lost.
//!
//! A plain mutex around the counts was tried, and need not be tried again: ten lines less, but 0.9
//! of the speed with 100 clients that echo, and 0.8 with one.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::sys::sync::{AtomicBool, AtomicUsize, Condvar, Mutex, fence, lock, wait_until_unlocked};

/// Counts the bytes that a client has caused and that have not left yet, and lets the client's
/// thread wait until they are fewer.
#[derive(Debug)]
pub struct FlowControl {
    /// Bytes; see [`Config::max_backlog`](crate::Config::max_backlog).
    limit: usize,
    /// Cost in bytes of the events that the client's thread has handed over and the dispatcher has
    /// not finished with. The thread adds, the dispatcher subtracts.
    in_flight: AtomicUsize,
    /// Cost in bytes of the client's own part of the backlog. Changed under the outbox's lock.
    own_unsent: AtomicUsize,
    /// True while the client's thread waits, so that the other threads take the lock only then.
    waiting: AtomicBool,
    output: Mutex<Output>,
    /// Notified when something has changed that the client's thread may wait for.
    changed: Condvar,
}

/// How far the output of a connection has come. It only moves down this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Output {
    /// Bytes may still leave.
    Open,
    /// The last byte has left.
    Finished,
    /// The connection is gone: every wait ends.
    Aborted,
}

impl FlowControl {
    /// Creates the flow control of a client that may have `limit` bytes outstanding.
    pub fn new(limit: usize) -> FlowControl {
        FlowControl {
            limit,
            in_flight: AtomicUsize::new(0),
            own_unsent: AtomicUsize::new(0),
            waiting: AtomicBool::new(false),
            output: Mutex::new(Output::Open),
            changed: Condvar::new(),
        }
    }

    /// Counts an event that the client's thread is about to hand over to the dispatcher.
    pub fn add_in_flight(&self, cost: usize) {
        self.in_flight.fetch_add(cost, Ordering::Release);
    }

    /// Counts an event down, after the dispatcher has given all answers to it to the outboxes.
    pub fn release_in_flight(&self, cost: usize) {
        self.in_flight.fetch_sub(cost, Ordering::Release);
        self.wake();
    }

    /// The cost of the events that the dispatcher has not finished with.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }

    /// Counts bytes of the client's own that have gone to the backlog.
    pub fn add_own_unsent(&self, cost: usize) {
        self.own_unsent.fetch_add(cost, Ordering::Release);
    }

    /// Counts bytes down that have left the backlog.
    pub fn release_own_unsent(&self, cost: usize) {
        self.own_unsent.fetch_sub(cost, Ordering::Release);
        self.wake();
    }

    /// Notes that the last byte has left.
    pub fn finish(&self) {
        self.advance_output(Output::Finished);
    }

    /// Ends every wait, because the connection is gone and its backlog with it.
    pub fn abort(&self) {
        self.own_unsent.store(0, Ordering::Release);
        self.advance_output(Output::Aborted);
    }

    /// Waits while the bytes outstanding have reached the limit, or until the connection is gone.
    pub fn wait_for_room(&self) {
        if self.is_over_limit() {
            self.wait_until(None, |_| !self.is_over_limit());
        }
    }

    /// Does the same for at most `patience`, and returns whether there is room.
    pub fn wait_for_room_at_most(&self, patience: Duration) -> bool {
        self.wait_until(Some(Instant::now() + patience), |_| !self.is_over_limit())
    }

    /// Waits until the dispatcher has finished with all events that were handed over, or until the
    /// connection is gone.
    pub fn wait_until_idle(&self) {
        let is_idle = || self.in_flight.load(Ordering::Acquire) == 0;
        if !is_idle() {
            self.wait_until(None, |_| is_idle());
        }
    }

    /// Does the same for at most `patience`, and returns whether nothing is in flight.
    #[cfg(test)]
    pub fn wait_for_idle_at_most(&self, patience: Duration) -> bool {
        let is_idle = |_| self.in_flight.load(Ordering::SeqCst) == 0;
        self.wait_until(Some(Instant::now() + patience), is_idle)
    }

    /// Waits until the last byte has left, the connection is gone, or `deadline` has passed.
    /// Returns false only after the deadline.
    pub fn wait_until_over(&self, deadline: Instant) -> bool {
        self.wait_until(Some(deadline), |output| output != Output::Open)
    }

    /// Whether the bytes outstanding have reached the limit. A client with nothing outstanding
    /// never waits, even if the limit is 0.
    fn is_over_limit(&self) -> bool {
        let outstanding = self.outstanding();
        outstanding > 0 && outstanding >= self.limit
    }

    /// The cost in bytes of all that the client has caused and that has not left yet.
    pub fn outstanding(&self) -> usize {
        // In this order: the dispatcher counts an answer as unsent before it counts the event down. In the
        // other order this could load the one count before that and the other after it, and miss the answer.
        let in_flight = self.in_flight.load(Ordering::Acquire);
        in_flight + self.own_unsent.load(Ordering::Acquire)
    }

    /// Waits until `ready` is true, the connection is gone, or `deadline` has passed. Returns
    /// whether `ready` is true. Only the client's own thread may call this, because one flag stands
    /// for one waiter.
    fn wait_until(&self, deadline: Option<Instant>, ready: impl Fn(Output) -> bool) -> bool {
        let mut output = lock(&self.output);
        // Before `ready` looks at the counts: rule 1 above.
        self.waiting.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let mut is_late = false;
        while !ready(*output) && !is_late && *output != Output::Aborted {
            let Some(deadline) = deadline else {
                output = self.changed.wait(output).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            is_late = left.is_zero();
            let woken = self.changed.wait_timeout(output, left);
            output = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        self.waiting.store(false, Ordering::Relaxed);
        ready(*output)
    }

    /// Wakes the client's thread if it waits. Called after a count has changed: rule 1 above.
    fn wake(&self) {
        fence(Ordering::SeqCst);
        if self.waiting.load(Ordering::Relaxed) {
            // Rule 2: once the lock is free, the waiter sleeps.
            wait_until_unlocked(&self.output);
            self.changed.notify_one();
        }
    }

    /// Whether the client's thread waits now.
    #[cfg(test)]
    pub fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::Relaxed)
    }

    fn advance_output(&self, to: Output) {
        let mut output = lock(&self.output);
        if *output != Output::Aborted {
            *output = to;
        }
        self.changed.notify_one();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use crossbeam_channel::{Receiver, bounded};

    use super::*;
    use crate::outbox::memory::DEADLINE;

    /// Runs `wait` in a thread of its own. The channel delivers what it returns.
    fn in_thread<T: Send + 'static>(
        flow: &Arc<FlowControl>,
        wait: impl FnOnce(&FlowControl) -> T + Send + 'static,
    ) -> Receiver<T> {
        let (sender, result) = bounded(1);
        let flow = Arc::clone(flow);
        thread::spawn(move || sender.send(wait(&flow)));
        result
    }

    fn wait_until_asleep(flow: &FlowControl) {
        let deadline = Instant::now() + DEADLINE;
        while !flow.is_waiting() {
            assert!(Instant::now() < deadline, "nobody waits");
            thread::yield_now();
        }
    }

    #[test]
    fn below_the_limit_nobody_waits() {
        let flow = FlowControl::new(100);
        flow.wait_for_room();
        flow.add_in_flight(60);
        flow.add_own_unsent(39);
        flow.wait_for_room();
        flow.add_own_unsent(1);
        assert!(!flow.wait_for_room_at_most(Duration::ZERO));
    }

    #[test]
    fn a_client_with_nothing_outstanding_never_waits_even_at_limit_0() {
        let flow = FlowControl::new(0);
        flow.wait_for_room();
        flow.add_in_flight(1);
        assert!(!flow.wait_for_room_at_most(Duration::ZERO));
        flow.release_in_flight(1);
        flow.wait_for_room();
    }

    #[test]
    fn both_counts_wake_the_waiter_when_there_is_room_again() {
        let flow = Arc::new(FlowControl::new(100));
        let in_flight: fn(&FlowControl, usize) = FlowControl::release_in_flight;
        let own_unsent: fn(&FlowControl, usize) = FlowControl::release_own_unsent;
        for (first, second) in [(in_flight, own_unsent), (own_unsent, in_flight)] {
            flow.add_in_flight(100);
            flow.add_own_unsent(100);
            let done = in_thread(&flow, FlowControl::wait_for_room);
            wait_until_asleep(&flow);
            first(&flow, 100);
            assert!(done.recv_timeout(Duration::from_millis(20)).is_err(), "100 are left");
            second(&flow, 1);
            done.recv_timeout(DEADLINE).expect("the waiter is woken");
            second(&flow, 99);
        }
    }

    #[test]
    fn idle_means_that_nothing_is_in_flight_however_much_is_unsent() {
        let flow = Arc::new(FlowControl::new(100));
        flow.add_own_unsent(1000);
        flow.wait_until_idle();
        flow.add_in_flight(5);
        let done = in_thread(&flow, FlowControl::wait_until_idle);
        wait_until_asleep(&flow);
        flow.release_in_flight(5);
        done.recv_timeout(DEADLINE).expect("idle");
    }

    #[test]
    fn the_end_of_output_is_waited_for_until_the_deadline() {
        let flow = Arc::new(FlowControl::new(100));
        assert!(!flow.wait_until_over(Instant::now()));
        let done = in_thread(&flow, |flow| flow.wait_until_over(Instant::now() + DEADLINE));
        wait_until_asleep(&flow);
        flow.finish();
        assert_eq!(done.recv_timeout(DEADLINE), Ok(true));
        assert!(flow.wait_until_over(Instant::now()));
    }

    #[test]
    fn after_the_last_byte_has_left_events_in_flight_are_still_waited_for() {
        let flow = FlowControl::new(100);
        flow.add_in_flight(100);
        flow.finish();
        assert!(!flow.wait_for_room_at_most(Duration::ZERO));
    }

    #[test]
    fn an_abort_ends_every_wait() {
        let flow = Arc::new(FlowControl::new(100));
        flow.add_in_flight(1);
        flow.add_own_unsent(100);
        let waits: [fn(&FlowControl); 2] =
            [FlowControl::wait_for_room, FlowControl::wait_until_idle];
        let done = in_thread(&flow, move |flow| waits.map(|wait| wait(flow)));
        wait_until_asleep(&flow);
        flow.abort();
        done.recv_timeout(DEADLINE).expect("both waits end");
        flow.finish();
        assert!(flow.wait_until_over(Instant::now()), "an aborted output stays aborted");
    }

    /// The dispatcher's side and the client's side race for each message. Without one of the two
    /// rules in the documentation of this module a waking is lost sooner or later.
    #[test]
    fn no_waking_is_lost() {
        // Miri takes a thousand times as long.
        const ROUNDS: usize = if cfg!(miri) { 100 } else { 50_000 };
        let flow = Arc::new(FlowControl::new(1));
        let (sender, receiver) = bounded(1);
        let releasing = Arc::clone(&flow);
        thread::spawn(move || receiver.iter().for_each(|cost| releasing.release_in_flight(cost)));
        let done = in_thread(&flow, move |flow| {
            for _ in 0..ROUNDS {
                flow.add_in_flight(1);
                sender.send(1).expect("the other thread runs");
                flow.wait_for_room();
            }
        });
        done.recv_timeout(DEADLINE).expect("no waking is lost");
    }
}
