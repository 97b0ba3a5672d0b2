//! Load shedding: when the messages of all clients take more memory than they may, the clients that owe
//! most lose theirs.
//!
//! A client that sends a large message gets Close 1013 (try again later). A client that does not read its
//! backlog is disconnected, because a Close would wait behind the backlog.

use std::time::Instant;

use super::client::Clients;
use super::stats::Counters;
use crate::config::SHED_INTERVAL;
use crate::outbox::AbortReason;
use crate::sys::ConnectionId;
use crate::sys::message_memory::MessageMemory;

/// Sheds load, at most once in [`SHED_INTERVAL`], because it looks at all clients.
pub(super) struct LoadShedding {
    next: Instant,
}

impl LoadShedding {
    pub(super) fn new() -> LoadShedding {
        LoadShedding { next: Instant::now() }
    }

    /// Takes memory from the largest debtors, until what the others have fits into seven eighths of the
    /// limit.
    ///
    /// A client that has got its Close needs a moment to let go, so its memory counts as free already. But
    /// when the sum is a quarter over the limit, such a client is disconnected.
    pub(super) fn shed(
        &mut self,
        memory: &MessageMemory,
        clients: &mut Clients,
        counters: &mut Counters,
    ) {
        let now = Instant::now();
        if now < self.next {
            return;
        }
        self.next = now + SHED_INTERVAL;
        memory.reset_report();
        let is_far_over = memory.used().saturating_sub(memory.limit()) > memory.limit() / 4;
        let mut leaving = 0;
        let mut debtors: Vec<(usize, ConnectionId)> = Vec::new();
        for (id, client) in clients.iter() {
            if client.outbox.must_let_go() {
                if is_far_over {
                    client.outbox.abort(AbortReason::OutOfMemory);
                }
                leaving += client.outbox.debt();
            } else if client.outbox.debt() > 0 {
                debtors.push((client.outbox.debt(), *id));
            }
        }
        debtors.sort_unstable();
        let target = memory.limit() - memory.limit() / 8;
        while memory.used().saturating_sub(leaving) > target
            && let Some((_, id)) = debtors.pop()
            && let Some(client) = clients.get_mut(&id)
        {
            counters.path(client.service.counted_as()).dropped += 1;
            client.take_memory(now);
            leaving += client.outbox.debt();
        }
    }
}
