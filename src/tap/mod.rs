//! The tap: copies what crosses the wire, for eyes only.
//!
//! It sits at the two ends of a connection's way through the server: where bytes are read, and where
//! frames go into the outbox. While nobody watches, it costs two relaxed loads a read and a send. While
//! somebody does, whole frames are [cut out](crate::tap::capture) and handed to the
//! watch thread without waiting: what does not fit is counted, and the count is told.

pub mod capture;
pub mod crossing;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, bounded};

use self::capture::{CapturedFrame, FrameCapture};
use self::crossing::{Crossing, Gap};
use crate::config::{HANDSHAKES_KEPT, RAW_EVENTS_WAITING};
use crate::protocol::Side;
use crate::sys::ConnectionId;
use crate::sys::lock::lock;
use crate::wire::watch::Watcher;

/// Something that crossed the wire, as it is handed to the watch thread.
pub enum Raw {
    /// A part of a connection's life.
    Crossing {
        /// The client's number.
        connection: ConnectionId,
        /// When.
        at: Instant,
        /// Frames of this connection that were not seen since the last that was.
        gap: Gap,
        /// What.
        what: Crossing,
    },
    /// Somebody wants to watch.
    Watch(Watcher),
    /// The server ends: no more watching.
    Stop,
}

/// The server's end of the tap.
pub struct Tap {
    watching: AtomicBool,
    raw: Sender<Raw>,
    /// The last handshakes: request and answer. Kept also when nobody watches, so that a page can
    /// be shown its own, which came before it could ask.
    handshakes: Mutex<VecDeque<KeptHandshake>>,
}

/// One of the last handshakes.
#[derive(Debug, Clone)]
pub struct KeptHandshake {
    /// The client's number.
    pub connection: ConnectionId,
    /// The request, and when it came.
    pub request: (Instant, Bytes),
    /// The answer, and when it left.
    pub response: Option<(Instant, Bytes)>,
}

impl Tap {
    /// A tap, and the end from which the watch thread takes what comes out.
    pub fn new() -> (Arc<Tap>, Receiver<Raw>) {
        let (raw, events) = bounded(RAW_EVENTS_WAITING);
        let tap = Tap { watching: AtomicBool::new(false), raw, handshakes: Mutex::default() };
        (Arc::new(tap), events)
    }

    /// Opens or closes the tap, as watchers come and go.
    pub fn set_watching(&self, watching: bool) {
        self.watching.store(watching, Ordering::Relaxed);
    }

    /// Adds a watcher. Waits when the watch thread is behind.
    pub fn watch(&self, watcher: Watcher) {
        let _ = self.raw.send(Raw::Watch(watcher));
    }

    /// Sends all watchers home.
    pub fn stop(&self) {
        let _ = self.raw.send(Raw::Stop);
    }

    /// The last handshakes, oldest first.
    pub fn handshakes(&self) -> Vec<KeptHandshake> {
        lock(&self.handshakes).iter().cloned().collect()
    }

    /// The tap of one connection.
    pub fn connection(self: &Arc<Self>, connection: ConnectionId) -> ConnectionTap {
        ConnectionTap {
            tap: Arc::clone(self),
            connection,
            unwatched: AtomicBool::new(false),
            missed: AtomicU64::new(0),
        }
    }
}

/// The tap of one connection, shared by its reader and its outbox.
pub struct ConnectionTap {
    tap: Arc<Tap>,
    connection: ConnectionId,
    /// Whether bytes have passed that nobody watched, since the last that somebody did.
    unwatched: AtomicBool,
    /// Frames for which there was no room, since the last that was handed over.
    missed: AtomicU64,
}

impl ConnectionTap {
    /// Whether anybody watches what passes now: all that is asked while nobody does.
    #[inline]
    pub fn is_watched(&self) -> bool {
        let watched = self.tap.watching.load(Ordering::Relaxed);
        // Written once, so that reader and outbox do not fight for the cache line.
        if !watched && !self.unwatched.load(Ordering::Relaxed) {
            self.unwatched.store(true, Ordering::Relaxed);
        }
        watched
    }

    /// A request head has come.
    pub fn request(&self, head: Bytes) {
        let at = Instant::now();
        let mut kept = lock(&self.tap.handshakes);
        if kept.len() == HANDSHAKES_KEPT {
            kept.pop_front();
        }
        kept.push_back(KeptHandshake {
            connection: self.connection,
            request: (at, head.clone()),
            response: None,
        });
        drop(kept);
        self.hand_over(at, Crossing::Request(head));
    }

    /// The answer to the request leaves.
    pub fn response(&self, head: Bytes) {
        let at = Instant::now();
        let mut kept = lock(&self.tap.handshakes);
        // Among the newest, most likely.
        if let Some(mine) = kept.iter_mut().rev().find(|kept| kept.connection == self.connection) {
            mine.response = Some((at, head.clone()));
        }
        drop(kept);
        self.hand_over(at, Crossing::Response(head));
    }

    /// A frame has come, or leaves.
    pub fn frame(&self, side: Side, frame: CapturedFrame) {
        self.hand_over(Instant::now(), Crossing::Frame(side, frame));
    }

    /// Whole frames leave, laid end to end.
    pub fn frames_out(&self, pieces: &[Bytes]) {
        let mut cutter = FrameCapture::default();
        for piece in pieces {
            cutter.feed(piece, |frame| self.frame(Side::Server, frame));
        }
    }

    /// The connection is over.
    pub fn end(&self, how: &str) {
        self.hand_over(Instant::now(), Crossing::End(how.to_owned()));
    }

    fn hand_over(&self, at: Instant, what: Crossing) {
        if !self.tap.watching.load(Ordering::Relaxed) {
            return;
        }
        let gap = Gap {
            unwatched: self.unwatched.swap(false, Ordering::Relaxed),
            missed: self.missed.swap(0, Ordering::Relaxed),
        };
        let raw = Raw::Crossing { connection: self.connection, at, gap, what };
        if self.tap.raw.try_send(raw).is_err() {
            self.missed.fetch_add(gap.missed + 1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_no_room_for_is_counted() {
        let (tap, events) = Tap::new();
        let connection = tap.connection(ConnectionId(1));
        assert!(!connection.is_watched());
        connection.frame(Side::Client, CapturedFrame::default());
        assert!(events.is_empty(), "nobody watches");
        tap.set_watching(true);
        assert!(connection.is_watched());
        for _ in 0..RAW_EVENTS_WAITING + 5 {
            connection.frame(Side::Client, CapturedFrame::default());
        }
        let gap = |raw: Raw| match raw {
            Raw::Crossing { gap, .. } => gap,
            _ => panic!("a crossing"),
        };
        assert_eq!(gap(events.recv().unwrap()), Gap { unwatched: true, missed: 0 });
        connection.frame(Side::Client, CapturedFrame::default());
        let gaps: Vec<Gap> = events.try_iter().map(gap).collect();
        assert_eq!(gaps.len(), RAW_EVENTS_WAITING);
        assert_eq!(gaps.last(), Some(&Gap { unwatched: false, missed: 5 }));
        // Where nothing came before, nothing was missed.
        let newcomer = tap.connection(ConnectionId(2));
        newcomer.frame(Side::Client, CapturedFrame::default());
        assert_eq!(gap(events.recv().unwrap()), Gap::default());
    }
}
