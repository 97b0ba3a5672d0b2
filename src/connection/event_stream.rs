//! The wire view for a page, as Server-Sent Events: one connection for each page that watches.

use std::sync::Arc;

use bytes::Bytes;
use crossbeam_channel::RecvTimeoutError;

use crate::config::{STILL_HERE_EVERY, WATCHER_PATIENCE};
use crate::http::response::Response;
use crate::outbox::{AbortReason, Cause, Outbox, SendOutcome};
use crate::wire::watch::WatchList;

/// Sends what crosses the wire until the page leaves or the server shuts down. Returns false when the
/// server had to abort the connection.
///
/// Each event has `run` as its id. A server that is started again counts its connections from 1 again,
/// and the id tells a page that watches across the restart which run an event belongs to.
pub(super) fn send_events(outbox: &Arc<Outbox>, watch_list: &WatchList, run: &str) -> bool {
    let events = watch_list.add();
    let mut start = Response::event_stream().encode();
    start.push(Bytes::from(format!("retry: 1000\nid: {run}\n\n")));
    outbox.send(&start, Cause::Own);
    loop {
        let line = match events.recv_timeout(STILL_HERE_EVERY) {
            Ok(event) => match serde_json::to_string(&*event) {
                Ok(json) => format!("data: {json}\n\n"),
                Err(error) => format!(": {error}\n\n"),
            },
            // Without this comment, a server with nothing to send would not notice that the page has gone.
            Err(RecvTimeoutError::Timeout) => ": still here\n\n".to_owned(),
            Err(RecvTimeoutError::Disconnected) => return true,
        };
        // When the page does not read, this thread waits for a while. The watcher counts the events
        // that the page misses meanwhile.
        if !outbox.wait_for_room_at_most(WATCHER_PATIENCE) {
            outbox.abort(AbortReason::CloseTimeout);
            return false;
        }
        if outbox.send(&[line.into()], Cause::Own) == SendOutcome::Closed {
            return true;
        }
    }
}
