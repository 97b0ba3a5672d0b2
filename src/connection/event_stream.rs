//! The wire view for a page, as Server-Sent Events: one connection for each page that watches.

use std::sync::Arc;

use bytes::Bytes;
use crossbeam_channel::RecvTimeoutError;
use serde::Serialize;

use crate::config::{STILL_HERE_EVERY, WATCHER_PATIENCE};
use crate::outbox::{AbortReason, Cause, Outbox, SendOutcome};
use crate::sys::Asker;
use crate::wire::WireEvent;
use crate::wire::watch::WatchList;

/// The head of an answer whose body goes on for as long as the page watches.
const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
    Cache-Control: no-store\r\nConnection: close\r\nX-Content-Type-Options: nosniff\r\n\r\n\
    retry: 1000\n";

/// An event as `asker` gets it, with the mark on its own connections.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    event: &'a WireEvent,
    /// Whether the connection is the watcher's own. The head does not show the secret by which a page could tell.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    own: bool,
}

/// Sends what `asker` may see until the page leaves or the server shuts down. Returns false when the
/// server had to abort the connection.
///
/// Each event has `run` as its id. A server that is started again counts its connections from 1 again,
/// and the id tells a page that watches across the restart which run an event belongs to.
pub(super) fn send_events(
    outbox: &Arc<Outbox>,
    watch_list: &WatchList,
    asker: Asker,
    run: &str,
) -> bool {
    let events = watch_list.add(asker);
    outbox.send(&[Bytes::from(format!("{HEAD}id: {run}\n\n"))], Cause::Own);
    loop {
        let line = match events.recv_timeout(STILL_HERE_EVERY) {
            Ok(event) => match json(&event, &asker) {
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

fn json(event: &WireEvent, asker: &Asker) -> serde_json::Result<String> {
    serde_json::to_string(&Shown { event, own: asker.owns(event.tab) })
}
