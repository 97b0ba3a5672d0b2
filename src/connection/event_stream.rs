//! What watchers see, as Server-Sent Events: one connection for each page that watches.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use crossbeam_channel::RecvTimeoutError;

use crate::outbox::{AbortReason, Cause, Outbox, SendOutcome};
use crate::wire::watch::WatchList;

/// The head of an answer that goes on for as long as somebody watches.
const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
    Cache-Control: no-store\r\nConnection: close\r\nX-Content-Type-Options: nosniff\r\n\r\n\
    retry: 1000\n";

/// How often a page that watches is told that nothing has happened.
const STILL_HERE_EVERY: Duration = Duration::from_secs(10);

/// How long a page that watches may read nothing at all.
const WATCHER_PATIENCE: Duration = Duration::from_secs(60);

/// Sends what crosses the wire until the page or the server goes away; false when the page had to be
/// cut off. Each event has `run` as its id: connections are counted anew when the server starts anew,
/// and a page that watches both must be able to tell.
pub(crate) fn send_events(outbox: &Arc<Outbox>, watch_list: &WatchList, run: &str) -> bool {
    let events = watch_list.add();
    outbox.send(&[Bytes::from(format!("{HEAD}id: {run}\n\n"))], Cause::Own);
    loop {
        let line = match events.recv_timeout(STILL_HERE_EVERY) {
            Ok(event) => match serde_json::to_string(&*event) {
                Ok(json) => format!("data: {json}\n\n"),
                Err(error) => format!(": {error}\n\n"),
            },
            // A comment: the only way to learn that the page has gone.
            Err(RecvTimeoutError::Timeout) => ": still here\n\n".to_owned(),
            Err(RecvTimeoutError::Disconnected) => return true,
        };
        // A page that does not read is waited for here, for a while; what it misses meanwhile is
        // counted there.
        if !outbox.wait_some_time_for_room(WATCHER_PATIENCE) {
            outbox.abort(AbortReason::CloseTimeout);
            return false;
        }
        if outbox.send(&[line.into()], Cause::Own) == SendOutcome::Closed {
            return true;
        }
    }
}
