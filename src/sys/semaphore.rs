//! Lets a limited number in at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A count with a limit.
#[derive(Debug)]
pub struct Semaphore {
    in_use: AtomicUsize,
    limit: usize,
}

/// A place in_use; given back when dropped.
#[derive(Debug)]
pub struct Permit(Arc<Semaphore>);

impl Semaphore {
    /// A semaphore that lets `limit` in.
    pub fn new(limit: usize) -> Arc<Semaphore> {
        Arc::new(Semaphore { in_use: AtomicUsize::new(0), limit })
    }

    /// A place in_use, if one is free.
    pub fn try_acquire(self: &Arc<Self>) -> Option<Permit> {
        let free = |in_use| (in_use < self.limit).then_some(in_use + 1);
        let entered = self.in_use.fetch_update(Ordering::Relaxed, Ordering::Relaxed, free);
        entered.ok().map(|_| Permit(Arc::clone(self)))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.in_use.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_more_than_the_limit_waits_outside() {
        let semaphore = Semaphore::new(2);
        let first = semaphore.try_acquire();
        let second = semaphore.try_acquire();
        assert!(first.is_some() && second.is_some());
        assert!(semaphore.try_acquire().is_none());
        drop(first);
        assert!(semaphore.try_acquire().is_some());
    }
}
