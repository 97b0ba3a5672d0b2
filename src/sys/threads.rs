//! Every thread of the server starts here: named, counted, and joined at the end.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use super::lock::lock;

/// The server's threads.
#[derive(Debug, Default)]
pub struct Threads {
    live: Arc<AtomicUsize>,
    /// Handles of threads that run, and of some that have ended since the last look.
    handles: Mutex<Vec<JoinHandle<()>>>,
}

impl Threads {
    /// Starts a thread. `name` is its role and, where it has one, the client's number; the log
    /// and debuggers show it. `stack` is in bytes.
    ///
    /// # Errors
    /// When the system has no room for another thread.
    pub fn spawn(
        &self,
        name: String,
        stack: usize,
        body: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        let live = Live::enter(&self.live);
        let handle = thread::Builder::new().name(name).stack_size(stack).spawn(move || {
            let _live = live;
            body();
        })?;
        let mut handles = lock(&self.handles);
        // The stack of an ended thread is kept until its handle is let go of. So that is done when a small
        // part of the list has ended: one of n is looked through once in n/32 starts.
        let live = self.live();
        if handles.len() > live + live / 32 + 16 {
            handles.retain(|handle| !handle.is_finished());
        }
        handles.push(handle);
        Ok(())
    }

    /// How many threads there are now.
    pub fn live(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }

    /// Waits until all have ended, also those that are started meanwhile.
    pub fn join_all(&self) {
        loop {
            let Some(handle) = lock(&self.handles).pop() else { return };
            if let Err(panic) = handle.join() {
                log::error!("a thread ended in a panic: {panic:?}");
            }
        }
    }
}

/// Counts its thread while it lives, also when the thread ends in a panic.
struct Live(Arc<AtomicUsize>);

impl Live {
    fn enter(count: &Arc<AtomicUsize>) -> Live {
        count.fetch_add(1, Ordering::Relaxed);
        Live(Arc::clone(count))
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_named_counted_and_joined() {
        let threads = Threads::default();
        let (sender, receiver) = crossbeam_channel::bounded::<()>(0);
        let (names, seen) = crossbeam_channel::unbounded();
        for n in 0..3 {
            let (receiver, names) = (receiver.clone(), names.clone());
            threads
                .spawn(format!("client {n}"), 64 * 1024, move || {
                    names.send(thread::current().name().map(str::to_owned)).unwrap();
                    let _ = receiver.recv();
                })
                .unwrap();
        }
        let mut names: Vec<_> = (0..3).filter_map(|_| seen.recv().unwrap()).collect();
        names.sort();
        assert_eq!(names, ["client 0", "client 1", "client 2"]);
        assert_eq!(threads.live(), 3);
        drop(sender);
        threads.join_all();
        assert_eq!(threads.live(), 0);
    }

    #[test]
    fn handles_of_ended_threads_are_let_go_of() {
        let threads = Threads::default();
        for _ in 0..500 {
            threads.spawn("short".to_owned(), 64 * 1024, || {}).unwrap();
            while threads.live() > 0 {
                thread::yield_now();
            }
        }
        let kept = lock(&threads.handles).len();
        assert!(kept < 100, "{kept} handles of ended threads");
    }
}
