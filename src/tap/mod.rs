//! The tap: copies what crosses the wire for those who watch.
//!
//! A connection's reader (`connection/stream.rs`) and its outbox each call the tap. While nobody watches,
//! that costs two relaxed loads for each read and each write. While somebody watches, the tap
//! [captures](capture) whole frames and hands them to the [watch thread](crate::wire::watch) over a bounded
//! channel. It never waits: when the channel is full, the tap counts the crossings that it leaves out, and
//! the next crossing carries the count.

pub mod capture;
pub mod crossing;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, bounded};

use self::capture::{CapturedFrame, FrameCapture};
use self::crossing::{Crossing, Gap, KeptHandshake, TimedCrossing};
use crate::config::{CROSSINGS_WAITING, HANDSHAKES_KEPT};
use crate::protocol::parser::FrameParser;
use crate::protocol::{BrokenRule, Side};
use crate::sys::lock::lock;
use crate::sys::{ConnectionId, Secret};

/// The server's end of the tap. Each connection gets a [`ConnectionTap`] from it.
pub struct Tap {
    /// Whether anybody watches. The watch thread writes it; every connection reads it.
    watching: AtomicBool,
    crossings: Sender<TimedCrossing>,
    /// The last handshakes, oldest first. The tap keeps them also while nobody watches, because a page
    /// can ask to watch only after its own handshake.
    handshakes: Mutex<VecDeque<KeptHandshake>>,
}

impl Tap {
    /// A closed tap, and the channel from which the watch thread takes the crossings.
    pub fn new() -> (Arc<Tap>, Receiver<TimedCrossing>) {
        let (sender, crossings) = bounded(CROSSINGS_WAITING);
        let tap = Tap {
            watching: AtomicBool::new(false),
            crossings: sender,
            handshakes: Mutex::default(),
        };
        (Arc::new(tap), crossings)
    }

    /// Opens the tap when the first watcher comes, and closes it when the last has gone.
    pub fn set_watching(&self, watching: bool) {
        self.watching.store(watching, Ordering::Relaxed);
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
            tab: OnceLock::new(),
            unwatched: AtomicBool::new(false),
            missed: AtomicU64::new(0),
        }
    }
}

/// The tap of one connection, shared by its reader and its outbox.
pub struct ConnectionTap {
    tap: Arc<Tap>,
    connection: ConnectionId,
    /// The secret of the tab that opened the connection. It comes with the request.
    tab: OnceLock<Secret>,
    /// Whether bytes have passed while nobody watched, since the last crossing that was handed over.
    unwatched: AtomicBool,
    /// Crossings for which the channel had no room since the last that was handed over.
    missed: AtomicU64,
}

impl ConnectionTap {
    /// Whether anybody watches. Reader and outbox ask before each read and each write.
    #[inline]
    pub fn is_watched(&self) -> bool {
        let watched = self.tap.watching.load(Ordering::Relaxed);
        // Written once, so that the reader and the outbox do not fight over the cache line.
        if !watched && !self.unwatched.load(Ordering::Relaxed) {
            self.unwatched.store(true, Ordering::Relaxed);
        }
        watched
    }

    /// Notes the secret of the tab that opened the connection, before anything of the connection is shown.
    pub fn set_tab(&self, tab: Option<Secret>) {
        if let Some(tab) = tab {
            // A connection has one request, so the secret is set once.
            let _ = self.tab.set(tab);
        }
    }

    /// The secret of the tab that opened the connection.
    pub fn tab(&self) -> Option<Secret> {
        self.tab.get().copied()
    }

    /// Takes the request head that has come.
    pub fn request(&self, head: Bytes) {
        let mut kept = lock(&self.tap.handshakes);
        // The time is taken under the lock. So when the watch thread notes a time and then reads the
        // list, the list has every handshake from before that time.
        let at = Instant::now();
        if kept.len() == HANDSHAKES_KEPT {
            kept.pop_front();
        }
        kept.push_back(KeptHandshake {
            connection: self.connection,
            tab: self.tab(),
            request: (at, head.clone()),
            response: None,
        });
        drop(kept);
        self.hand_over(at, Crossing::Request(head));
    }

    /// Takes the response head that leaves. If the server refuses the request because it broke a rule,
    /// `broken_rule` is that rule.
    pub fn response(&self, head: Bytes, broken_rule: Option<BrokenRule>) {
        let mut kept = lock(&self.tap.handshakes);
        let at = Instant::now();
        // The newest first, because an answer follows its request soon.
        if let Some(mine) = kept.iter_mut().rev().find(|kept| kept.connection == self.connection) {
            mine.response = Some((at, head.clone(), broken_rule.clone()));
        }
        drop(kept);
        self.hand_over(at, Crossing::Response { head, broken_rule });
    }

    /// Takes a frame that has come or leaves.
    pub fn frame(&self, side: Side, frame: CapturedFrame) {
        self.hand_over(Instant::now(), Crossing::Frame(side, frame));
    }

    /// Takes whole frames that leave. Their bytes lie in `pieces`, one behind the other.
    pub fn frames_out(&self, pieces: &[Bytes]) {
        let mut parser = FrameParser::default();
        let mut capture = FrameCapture::default();
        for piece in pieces {
            parser.feed(piece, |part| {
                if let Some(frame) = capture.take(part) {
                    self.frame(Side::Server, frame);
                }
            });
        }
    }

    /// Takes the end of the connection: how it ended, as a sentence.
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
        let crossing =
            TimedCrossing { connection: self.connection, tab: self.tab(), at, gap, what };
        if self.tap.crossings.try_send(crossing).is_err() {
            self.missed.fetch_add(gap.missed + 1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Frame, FrameHeader, Opcode};

    fn ping() -> CapturedFrame {
        CapturedFrame::new(FrameHeader::new(Opcode::Ping, None, 0))
    }

    #[test]
    fn the_tap_counts_what_the_channel_has_no_room_for() {
        let (tap, crossings) = Tap::new();
        let connection = tap.connection(ConnectionId(1));
        assert!(!connection.is_watched());
        connection.frame(Side::Client, ping());
        assert!(crossings.is_empty(), "nobody watches");
        tap.set_watching(true);
        assert!(connection.is_watched());
        for _ in 0..CROSSINGS_WAITING + 5 {
            connection.frame(Side::Client, ping());
        }
        let first = crossings.recv().unwrap().gap;
        assert_eq!(first, Gap { unwatched: true, missed: 0 });
        connection.frame(Side::Client, ping());
        let gaps: Vec<Gap> = crossings.try_iter().map(|crossing| crossing.gap).collect();
        assert_eq!(gaps.len(), CROSSINGS_WAITING);
        assert_eq!(gaps.last(), Some(&Gap { unwatched: false, missed: 5 }));
        // A connection on which nothing has crossed before has no gap.
        let newcomer = tap.connection(ConnectionId(2));
        newcomer.frame(Side::Client, ping());
        assert_eq!(crossings.recv().unwrap().gap, Gap::default());
    }

    #[test]
    fn the_tap_keeps_the_last_handshakes_while_nobody_watches() {
        let (tap, _crossings) = Tap::new();
        let rule = BrokenRule { sentence: "no key".to_owned(), section: "4.2.1" };
        for id in 0..HANDSHAKES_KEPT as u64 + 1 {
            let connection = tap.connection(ConnectionId(id));
            connection.request(Bytes::from(format!("request {id}")));
            connection.response(Bytes::from(format!("response {id}")), Some(rule.clone()));
        }
        let kept = tap.handshakes();
        assert_eq!(kept.len(), HANDSHAKES_KEPT);
        assert_eq!(kept[0].request.1, "request 1");
        let (_, head, broken_rule) = kept[0].response.clone().expect("a response");
        assert_eq!((head, broken_rule), (Bytes::from("response 1"), Some(rule)));
    }

    #[test]
    fn frames_that_leave_are_captured_across_pieces() {
        let (tap, crossings) = Tap::new();
        tap.set_watching(true);
        let stream =
            [Frame::new(Opcode::Text, None, b"Hello"), Frame::new(Opcode::Binary, None, &[7; 300])]
                .each_ref()
                .map(Frame::encode)
                .concat();
        let (first, second) = stream.split_at(20);
        let pieces = [Bytes::copy_from_slice(first), Bytes::copy_from_slice(second)];
        tap.connection(ConnectionId(1)).frames_out(&pieces);
        let lengths: Vec<_> = crossings
            .try_iter()
            .map(|crossing| match crossing.what {
                Crossing::Frame(Side::Server, frame) => frame.header.payload_length,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(lengths, [5, 300]);
    }
}
