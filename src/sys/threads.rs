//! Starts every thread of the server: each has a name, is counted while it runs, and is waited for
//! at the end.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use crossbeam_utils::sync::WaitGroup;

use super::lock::lock;

/// The server's threads.
///
/// They are detached: the system frees the stack of a thread as soon as the thread ends, and no
/// list of handles grows while clients come and go.
#[derive(Debug)]
pub struct Threads {
    live: Arc<AtomicUsize>,
    /// The largest number that may run at the same time.
    limit: usize,
    /// Each thread holds a clone. [`wait_for_all`](Self::wait_for_all) takes the group away and
    /// leaves an empty one for the threads that are started after that.
    group: Mutex<WaitGroup>,
}

impl Default for Threads {
    /// Threads without a limit.
    fn default() -> Self {
        Threads::new(usize::MAX)
    }
}

impl Threads {
    /// Creates a group of at most `limit` threads at the same time.
    pub fn new(limit: usize) -> Threads {
        Threads { live: Arc::default(), limit, group: Mutex::default() }
    }

    /// Starts a thread. `name` is its role and, where it serves a connection, the number of that
    /// connection; the log and debuggers show it. `stack` is in bytes.
    ///
    /// A panic ends this thread only, and the log reports it.
    ///
    /// # Errors
    /// When as many threads run as may run, or when the system cannot start another one.
    pub fn spawn(
        &self,
        name: String,
        stack: usize,
        body: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        let running = Running::new(self)?;
        thread::Builder::new().name(name).stack_size(stack).spawn(move || {
            if catch_unwind(AssertUnwindSafe(body)).is_err() {
                // Rust's panic hook has printed the message and the line of code already.
                log::error!("thread {:?} panicked", thread::current().name().unwrap_or_default());
            }
            drop(running);
        })?;
        Ok(())
    }

    /// The number of threads that run now.
    pub fn live(&self) -> usize {
        self.live.load(Ordering::Acquire)
    }

    /// Waits until all threads have ended, including those that are started meanwhile.
    pub fn wait_for_all(&self) {
        while self.live() > 0 {
            let group = std::mem::take(&mut *lock(&self.group));
            group.wait();
        }
    }
}

/// Asks Linux to schedule this thread, and every thread that it starts from now on, by the batch
/// policy: a thread that wakes up does not interrupt the one that runs.
///
/// A client that sends a message wakes its thread, and a message for the dispatcher wakes the
/// dispatcher. Without the interruptions, the thread that runs handles more messages before it makes
/// room for the next: echo with 100 and 1,000 clients is 1.2 times as fast, at three quarters of the
/// processor time for each message. A single client and broadcasts are as fast as before. Other
/// systems keep their policy.
pub fn prefer_batch_scheduling() {
    #[cfg(target_os = "linux")]
    {
        use preempt_rt::sched::{Pid, Scheduler, SchedulerParams, get_scheduler, set_scheduler};
        let thread = Pid::current_thread();
        // Somebody who starts the program may have chosen another policy.
        let is_default = matches!(get_scheduler(thread), Ok(Scheduler::SCHED_NORMAL));
        let parameters = SchedulerParams { priority: 0 };
        if is_default && let Err(error) = set_scheduler(thread, Scheduler::SCHED_BATCH, parameters)
        {
            log::debug!("the server keeps the default scheduling policy: {error}");
        }
    }
}

/// Stands for one running thread.
struct Running {
    live: Arc<AtomicUsize>,
    /// Dropped after `live` has been counted down, so that the count is right when `wait_for_all`
    /// has waited for the group.
    _group: WaitGroup,
}

impl Running {
    fn new(threads: &Threads) -> io::Result<Running> {
        // Counted before it joins the group: `wait_for_all` must not find an empty group and a
        // count of zero while a thread is being started.
        let before = threads.live.fetch_add(1, Ordering::AcqRel);
        let group = lock(&threads.group).clone();
        let running = Running { live: Arc::clone(&threads.live), _group: group };
        if before >= threads.limit {
            let why = format!("{} threads run, and the system has room for no more", threads.limit);
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, why));
        }
        Ok(running)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.live.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    const STACK: usize = 64 * 1024;

    #[test]
    fn threads_have_names_and_are_counted_and_waited_for() {
        let threads = Threads::default();
        let (sender, receiver) = crossbeam_channel::bounded::<()>(0);
        let (names, seen) = crossbeam_channel::unbounded();
        for n in 0..3 {
            let (receiver, names) = (receiver.clone(), names.clone());
            threads
                .spawn(format!("conn {n}"), STACK, move || {
                    names.send(thread::current().name().map(str::to_owned)).unwrap();
                    let _ = receiver.recv();
                })
                .unwrap();
        }
        let mut names: Vec<_> = (0..3).filter_map(|_| seen.recv().unwrap()).collect();
        names.sort();
        assert_eq!(names, ["conn 0", "conn 1", "conn 2"]);
        assert_eq!(threads.live(), 3);
        drop(sender);
        threads.wait_for_all();
        assert_eq!(threads.live(), 0);
    }

    #[test]
    fn a_panic_ends_its_own_thread_only() {
        let threads = Threads::default();
        threads.spawn("panics".to_owned(), STACK, || panic!("on purpose")).unwrap();
        threads.wait_for_all();
        assert_eq!(threads.live(), 0);
        let (sender, receiver) = crossbeam_channel::bounded(1);
        threads.spawn("next".to_owned(), STACK, move || sender.send(7).unwrap()).unwrap();
        assert_eq!(receiver.recv(), Ok(7));
        threads.wait_for_all();
    }

    #[test]
    fn one_thread_more_than_the_limit_is_an_error_until_another_has_ended() {
        let threads = Threads::new(2);
        let (sender, receiver) = crossbeam_channel::bounded::<()>(0);
        let start = || {
            let receiver = receiver.clone();
            threads.spawn("waits".to_owned(), STACK, move || receiver.recv().unwrap())
        };
        start().unwrap();
        start().unwrap();
        assert_eq!(start().map_err(|error| error.kind()), Err(io::ErrorKind::QuotaExceeded));
        assert_eq!(threads.live(), 2, "the one that was refused does not count");
        sender.send(()).unwrap();
        while threads.live() == 2 {
            thread::yield_now();
        }
        start().unwrap();
        sender.send(()).unwrap();
        sender.send(()).unwrap();
        threads.wait_for_all();
    }

    /// Starts the next thread of a chain; the last one sets `reached_end`.
    fn start_chain(threads: &Arc<Threads>, left: usize, reached_end: &Arc<AtomicBool>) {
        let (more, flag) = (Arc::clone(threads), Arc::clone(reached_end));
        let body = move || match left {
            0 => flag.store(true, Ordering::Relaxed),
            _ => start_chain(&more, left - 1, &flag),
        };
        threads.spawn(format!("link {left}"), STACK, body).unwrap();
    }

    #[test]
    fn threads_that_are_started_during_the_wait_are_waited_for_too() {
        let threads = Arc::new(Threads::default());
        let reached_end = Arc::new(AtomicBool::new(false));
        start_chain(&threads, 200, &reached_end);
        threads.wait_for_all();
        assert!(reached_end.load(Ordering::Relaxed));
    }
}
