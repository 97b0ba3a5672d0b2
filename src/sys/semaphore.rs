//! Lets a limited number in at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A count with a limit.
#[derive(Debug)]
pub struct Gate {
    inside: AtomicUsize,
    limit: usize,
}

/// A place inside; given back when dropped.
#[derive(Debug)]
pub struct Permit(Arc<Gate>);

impl Gate {
    /// A gate that lets `limit` in.
    pub fn new(limit: usize) -> Arc<Gate> {
        Arc::new(Gate { inside: AtomicUsize::new(0), limit })
    }

    /// A place inside, if one is free.
    pub fn enter(self: &Arc<Self>) -> Option<Permit> {
        let free = |inside| (inside < self.limit).then_some(inside + 1);
        let entered = self.inside.fetch_update(Ordering::Relaxed, Ordering::Relaxed, free);
        entered.ok().map(|_| Permit(Arc::clone(self)))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_more_than_the_limit_waits_outside() {
        let gate = Gate::new(2);
        let first = gate.enter();
        let second = gate.enter();
        assert!(first.is_some() && second.is_some());
        assert!(gate.enter().is_none());
        drop(first);
        assert!(gate.enter().is_some());
    }
}
