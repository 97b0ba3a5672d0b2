//! A counting semaphore that never waits: the caller gets a permit at once, or none.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Gives out a limited number of permits at the same time.
#[derive(Debug)]
pub struct Semaphore {
    in_use: AtomicUsize,
    limit: usize,
}

/// A permit of a [`Semaphore`]. Dropping it gives it back.
#[derive(Debug)]
pub struct Permit(Arc<Semaphore>);

impl Semaphore {
    /// Creates a semaphore with `limit` permits.
    pub fn new(limit: usize) -> Arc<Semaphore> {
        Arc::new(Semaphore { in_use: AtomicUsize::new(0), limit })
    }

    /// Takes a permit if one is free, and does not wait.
    pub fn try_acquire(self: &Arc<Self>) -> Option<Permit> {
        let one_more = |in_use| (in_use < self.limit).then_some(in_use + 1);
        // The count is all that is shared, so no other memory needs an order.
        let acquired = self.in_use.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        acquired.ok().map(|_| Permit(Arc::clone(self)))
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
    fn a_permit_is_refused_at_the_limit_until_another_is_dropped() {
        let semaphore = Semaphore::new(2);
        let first = semaphore.try_acquire();
        let second = semaphore.try_acquire();
        assert!(first.is_some() && second.is_some());
        assert!(semaphore.try_acquire().is_none());
        drop(first);
        assert!(semaphore.try_acquire().is_some());
    }
}
