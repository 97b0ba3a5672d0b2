//! The atomics, the lock and the condition variable of flow control: those of `std`, or those of loom.
//!
//! loom is a model checker. It runs a test again and again, each time with another order of the threads'
//! steps, and lets each atomic load return every value that the memory model allows. For that it has to see
//! each step, so it brings types of its own, which a build with `--cfg loom` gets from here.

#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicUsize, fence};
#[cfg(not(loom))]
pub(crate) use std::sync::{Condvar, Mutex};

#[cfg(loom)]
pub(crate) use self::modelled::{fence, lock, wait_until_unlocked};
#[cfg(not(loom))]
pub(crate) use super::lock::lock;
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicUsize};
#[cfg(loom)]
pub(crate) use loom::sync::{Condvar, Mutex};

/// Waits until the thread that holds the lock, if there is one, gives it back or sleeps.
#[cfg(not(loom))]
pub(crate) fn wait_until_unlocked<T>(mutex: &Mutex<T>) {
    drop(lock(mutex));
}

/// The same for loom, except that a model can leave out a part, to show that it then fails.
#[cfg(loom)]
#[cfg_attr(not(test), allow(dead_code))] // Only the models leave something out.
pub(crate) mod modelled {
    use std::cell::Cell;
    use std::sync::PoisonError;
    use std::sync::atomic::Ordering;

    use loom::sync::{Mutex, MutexGuard};

    /// A part that a model can leave out.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub(crate) enum Part {
        Fences,
        WaitUntilUnlocked,
    }

    thread_local! {
        // loom runs all threads of a model in one thread of the system.
        static LEFT_OUT: Cell<Option<Part>> = const { Cell::new(None) };
    }

    /// From now on this thread's models do without `part`.
    pub(crate) fn leave_out(part: Part) {
        LEFT_OUT.set(Some(part));
    }

    pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn wait_until_unlocked<T>(mutex: &Mutex<T>) {
        if LEFT_OUT.get() != Some(Part::WaitUntilUnlocked) {
            drop(lock(mutex));
        }
    }

    pub(crate) fn fence(order: Ordering) {
        if LEFT_OUT.get() != Some(Part::Fences) {
            loom::sync::atomic::fence(order);
        }
    }
}
