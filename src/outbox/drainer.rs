//! The drainer: sends the backlogs of all slow clients from one thread.
//!
//! Slow clients therefore cost no threads, however many they are. A thread for each of them was tried
//! before: 8,600 clients that did not read, and one large message to all of them, then took more
//! threads than the system has memory maps for. A writer thread for every client was tried too: a
//! broadcast to 1,000 clients took 2 to 4 times as long, because waking a thread costs more than the
//! send itself.
//!
//! Windows has a thread for each slow client, at most `MAX_DRAIN_THREADS` of them.

use std::io;
use std::sync::Arc;

use super::backlog::Backlogged;
#[cfg(unix)]
use super::poller::{PollLoop, Poller};
use super::transport::Transport;
use crate::config::{DRAIN_STACK, MAX_DRAIN_THREADS};
use crate::sys::ConnectionId;
use crate::sys::semaphore::Semaphore;
use crate::sys::threads::Threads;

/// Sends what the sockets of slow clients have not taken. All outboxes share it.
pub struct Drainer {
    #[cfg(unix)]
    poller: Arc<Poller>,
    threads: Arc<Threads>,
    /// Places for threads that serve one slow client each.
    places: Arc<Semaphore>,
}

/// The body of the drain thread.
pub struct DrainLoop {
    #[cfg(unix)]
    poll_loop: PollLoop,
}

impl DrainLoop {
    /// Sends backlogs until the last outbox is gone. On Windows this ends at once.
    ///
    /// # Errors
    /// When the system can no longer wait for sockets.
    pub fn run(self) -> io::Result<()> {
        #[cfg(unix)]
        self.poll_loop.run()?;
        Ok(())
    }
}

impl Drainer {
    /// Creates a drainer, and the loop that a thread has to run for it.
    ///
    /// # Errors
    /// When the system has no descriptors for it.
    pub fn new(threads: Arc<Threads>) -> io::Result<(Arc<Drainer>, DrainLoop)> {
        #[cfg(unix)]
        let (poller, poll_loop) = Poller::new()?;
        let drainer = Drainer {
            #[cfg(unix)]
            poller,
            threads,
            places: Semaphore::new(MAX_DRAIN_THREADS),
        };
        let drain_loop = DrainLoop {
            #[cfg(unix)]
            poll_loop,
        };
        Ok((Arc::new(drainer), drain_loop))
    }

    /// Begins to send the backlog of `client`.
    ///
    /// # Errors
    /// When the system has no memory to wait for the socket, or no thread is left.
    pub(super) fn add(&self, id: ConnectionId, client: Arc<dyn Backlogged>) -> io::Result<()> {
        #[cfg(unix)]
        {
            let same_client = Arc::clone(&client);
            if let Some(socket) = same_client.transport().socket() {
                return self.poller.add(id, socket, client);
            }
        }
        let place = self.places.try_acquire().ok_or(io::ErrorKind::QuotaExceeded)?;
        self.threads.spawn(format!("drain {}", id.0), DRAIN_STACK, move || {
            client.write_all();
            drop(place);
        })
    }

    /// Stops waiting for the socket of a client, because its backlog is empty or the connection is gone.
    /// A thread that serves this client alone notices that by itself.
    pub(super) fn remove(&self, id: ConnectionId, transport: &dyn Transport) {
        #[cfg(unix)]
        if let Some(socket) = transport.socket() {
            self.poller.remove(id, socket);
        }
        #[cfg(not(unix))]
        let _ = (id, transport);
    }
}
