//! The wire view for a page, as Server-Sent Events: one connection for each page that watches.

use std::net::TcpStream;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use crossbeam_channel::RecvTimeoutError;
use serde::Serialize;

use crate::config::{STILL_HERE_EVERY, WATCHER_LOOK_EVERY, WATCHER_PATIENCE, WATCHER_READ};
use crate::http::response::Response;
use crate::outbox::{AbortReason, Cause, Outbox, SendOutcome};
use crate::sys::Asker;
use crate::sys::socket::{has_ended, limit_silence};
use crate::wire::WireEvent;
use crate::wire::watch::WatchList;

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
/// A page has left when it has closed its side of the connection, because a browser does that only when
/// it closes the stream. A page that vanishes without a word, as when a laptop is closed, is noticed when
/// it has not taken a comment for [`WATCHER_PATIENCE`].
///
/// Each event has `run` as its id. A server that is started again counts its connections from 1 again,
/// and the id tells a page that watches across the restart which run an event belongs to.
pub(super) fn send_events(
    socket: &TcpStream,
    outbox: &Arc<Outbox>,
    watch_list: &WatchList,
    asker: Asker,
    run: &str,
) -> bool {
    // An error says that the connection is lost, which the first write shows as well.
    let _ = limit_silence(socket, WATCHER_PATIENCE);
    let events = watch_list.add(asker);
    let mut start = Response::event_stream().encode();
    start.push(Bytes::from(format!("retry: 1000\nid: {run}\n\n")));
    outbox.send(&start, Cause::Own);
    let mut scratch = vec![0; WATCHER_READ];
    let mut next_look = Instant::now() + WATCHER_LOOK_EVERY;
    let mut last_sent = Instant::now();
    loop {
        let wait = next_look.saturating_duration_since(Instant::now());
        let line = match events.recv_timeout(wait) {
            Ok(event) => match json(&event, &asker) {
                Ok(json) => Some(format!("data: {json}\n\n")),
                Err(error) => Some(format!(": {error}\n\n")),
            },
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return true,
        };
        if Instant::now() >= next_look {
            if has_ended(socket, &mut scratch) {
                return true;
            }
            next_look = Instant::now() + WATCHER_LOOK_EVERY;
        }
        let line = match line {
            Some(line) => line,
            None if last_sent.elapsed() < STILL_HERE_EVERY => continue,
            None => ": still here\n\n".to_owned(),
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
        last_sent = Instant::now();
    }
}

fn json(event: &WireEvent, asker: &Asker) -> serde_json::Result<String> {
    serde_json::to_string(&Shown { event, own: asker.owns(event.tab) })
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::{Shutdown, TcpListener};
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::outbox::memory::drainer;
    use crate::sys::ConnectionId;
    use crate::wire::watch::WatchRequest;

    /// The server's end of a connection, and the page's.
    fn pair() -> (Arc<TcpStream>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let page = TcpStream::connect(listener.local_addr().unwrap()).expect("it works");
        page.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        (Arc::new(listener.accept().unwrap().0), page)
    }

    fn outbox_of(socket: &Arc<TcpStream>) -> Arc<Outbox> {
        Outbox::new(
            Arc::clone(socket) as _,
            drainer(&Arc::default()),
            Arc::default(),
            ConnectionId(1),
            1024,
        )
    }

    #[cfg(unix)]
    #[test]
    fn a_page_that_closes_its_side_ends_the_stream_before_the_next_comment() {
        let (socket, mut page) = pair();
        let outbox = outbox_of(&socket);
        let (list, requests) = WatchList::new();
        // What a page sends after its request is discarded.
        page.write_all(&[b'x'; WATCHER_READ / 2]).unwrap();
        page.shutdown(Shutdown::Write).unwrap();
        let thread = thread::spawn(move || {
            let is_over = send_events(&socket, &outbox, &list, Asker::OPERATOR, "run");
            outbox.send_final(&[]);
            is_over
        });
        let lines = BufReader::new(page).lines().map(|line| line.expect("a line, or the end"));
        for line in lines {
            assert!(!line.contains("still here"), "the server noticed only at a comment");
        }
        assert!(thread.join().expect("no panic"));
        // Nothing has crossed the wire, and the watcher is removed.
        let requests: Vec<_> = requests.iter().collect();
        assert!(matches!(requests[..], [WatchRequest::Add(_), WatchRequest::Remove(_)]));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_system_drops_a_watcher_that_vanishes_after_the_same_patience() {
        let (socket, _page) = pair();
        let (list, requests) = WatchList::new();
        // Without the watch thread the stream ends at once.
        drop(requests);
        assert!(send_events(&socket, &outbox_of(&socket), &list, Asker::OPERATOR, "run"));
        let timeout = rustix::net::sockopt::tcp_user_timeout(&socket).unwrap();
        assert_eq!(u128::from(timeout), WATCHER_PATIENCE.as_millis());
    }
}
