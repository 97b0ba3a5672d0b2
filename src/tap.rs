//! The tap: copies what crosses the wire, for eyes only.
//!
//! It sits at the two ends of a connection's way through the server: where bytes are read, and where
//! frames go into the outbox. While nobody watches, it costs one relaxed load a read and a send. While
//! somebody does, it cuts out whole frames, shortens long ones in the middle, and hands them to the
//! watch thread without waiting: what does not fit is counted, and the count is told.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, bounded};

use crate::close::Fault;
use crate::config::{HANDSHAKES_KEPT, KEPT_END, KEPT_START, RAW_EVENTS_WAITING};
use crate::cursor::FrameCursor;
use crate::frame::FrameHeader;
use crate::threads::lock;
use crate::watch::Watcher;

/// Who a frame comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// From the client to the server.
    Client,
    /// From the server to the client.
    Server,
}

/// Something that crossed the wire, as it is handed to the watch thread.
pub enum Raw {
    /// A part of a connection's life.
    Crossing {
        /// The client's number.
        connection: u64,
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

/// What a connection's watchers have not been shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gap {
    /// Nobody was watching for a while.
    pub unwatched: bool,
    /// Frames for which there was no room.
    pub missed: u64,
}

/// What can cross the wire.
#[derive(Debug, Clone)]
pub enum Crossing {
    /// A request head, or what was sent in place of one.
    Request(Bytes),
    /// The head of the answer.
    Response(Bytes),
    /// A frame.
    Frame(Side, CutFrame),
    /// The connection is over; how it ended.
    End(String),
}

/// A frame, or the part of it that came, shortened in the middle if it is long.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CutFrame {
    /// Header and the first bytes of the payload, as they crossed the wire.
    pub start: Vec<u8>,
    /// The last bytes of the payload, when there are more than `start` has.
    pub end: Vec<u8>,
    /// Bytes that came between `start` and `end`.
    pub hidden: u64,
    /// Bytes that the header has announced and that never came.
    pub missing: u64,
    /// The rule that the frame breaks.
    pub fault: Option<Fault>,
}

/// The server's end of the tap.
pub struct Tap {
    watching: AtomicBool,
    /// How often watching has begun: who has seen another number has missed something.
    epoch: AtomicU64,
    raw: Sender<Raw>,
    /// The last handshakes: request and answer. Kept also when nobody watches, so that a page can
    /// be shown its own, which came before it could ask.
    handshakes: Mutex<VecDeque<KeptHandshake>>,
}

/// One of the last handshakes.
#[derive(Debug, Clone)]
pub struct KeptHandshake {
    /// The client's number.
    pub connection: u64,
    /// The request, and when it came.
    pub request: (Instant, Bytes),
    /// The answer, and when it left.
    pub response: Option<(Instant, Bytes)>,
}

impl Tap {
    /// A tap, and the end from which the watch thread takes what comes out.
    pub fn new() -> (Arc<Tap>, Receiver<Raw>) {
        let (raw, events) = bounded(RAW_EVENTS_WAITING);
        let tap = Tap {
            watching: AtomicBool::new(false),
            epoch: AtomicU64::new(0),
            raw,
            handshakes: Mutex::default(),
        };
        (Arc::new(tap), events)
    }

    /// Opens or closes the tap, as watchers come and go.
    pub fn set_watching(&self, watching: bool) {
        let before = self.watching.swap(watching, Ordering::SeqCst);
        if watching && !before {
            self.epoch.fetch_add(1, Ordering::SeqCst);
        }
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
    pub fn connection(self: &Arc<Self>, connection: u64) -> ConnectionTap {
        ConnectionTap {
            tap: Arc::clone(self),
            connection,
            epoch: AtomicU64::new(self.epoch.load(Ordering::Relaxed)),
            missed: AtomicU64::new(0),
        }
    }
}

/// The tap of one connection, shared by its reader and its outbox.
pub struct ConnectionTap {
    tap: Arc<Tap>,
    connection: u64,
    /// The watching that this connection was last seen in.
    epoch: AtomicU64,
    /// Frames for which there was no room, since the last that was handed over.
    missed: AtomicU64,
}

impl ConnectionTap {
    /// Whether anybody watches: all that is asked while nobody does.
    #[inline]
    pub fn is_watched(&self) -> bool {
        self.tap.watching.load(Ordering::Relaxed)
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
    pub fn frame(&self, side: Side, frame: CutFrame) {
        self.hand_over(Instant::now(), Crossing::Frame(side, frame));
    }

    /// Whole frames leave, laid end to end.
    pub fn frames_out(&self, pieces: &[Bytes]) {
        let mut cutter = FrameCutter::default();
        for piece in pieces {
            cutter.feed(piece, |frame| self.frame(Side::Server, frame));
        }
    }

    /// The connection is over.
    pub fn end(&self, how: &str) {
        self.hand_over(Instant::now(), Crossing::End(how.to_owned()));
    }

    fn hand_over(&self, at: Instant, what: Crossing) {
        if !self.is_watched() {
            return;
        }
        let epoch = self.tap.epoch.load(Ordering::Relaxed);
        let gap = Gap {
            unwatched: self.epoch.swap(epoch, Ordering::Relaxed) != epoch,
            missed: self.missed.swap(0, Ordering::Relaxed),
        };
        let raw = Raw::Crossing { connection: self.connection, at, gap, what };
        if self.tap.raw.try_send(raw).is_err() {
            self.missed.fetch_add(gap.missed + 1, Ordering::Relaxed);
        }
    }
}

/// Cuts a stream of bytes, however it comes, into frames.
#[derive(Default)]
pub struct FrameCutter {
    /// The frame so far.
    frame: CutFrame,
    /// Bytes of its payload still to come; `None` while its header is not all there.
    payload_left: Option<u64>,
    /// Bytes that belong to a frame whose start was not seen.
    skip: u64,
}

impl FrameCutter {
    /// A cutter that begins where `cursor` is: in the middle of a frame it waits for the next.
    pub fn beginning_at(cursor: &FrameCursor) -> FrameCutter {
        FrameCutter {
            frame: CutFrame { start: cursor.header_so_far().to_vec(), ..CutFrame::default() },
            payload_left: None,
            skip: cursor.payload_left(),
        }
    }

    /// Takes the next bytes, and gives each frame that is complete with them.
    pub fn feed(&mut self, mut bytes: &[u8], mut give: impl FnMut(CutFrame)) {
        while !bytes.is_empty() {
            if self.skip > 0 {
                bytes = &bytes[take_some(&mut self.skip, bytes)..];
                continue;
            }
            let taken = match &mut self.payload_left {
                Some(left) => {
                    let taken = take_some(left, bytes);
                    self.frame.keep(&bytes[..taken]);
                    taken
                }
                None => {
                    let before = self.frame.start.len();
                    let more = bytes.len().min(FrameHeader::MAX_LEN - before);
                    self.frame.start.extend_from_slice(&bytes[..more]);
                    let Some((header, length)) = FrameHeader::decode(&self.frame.start) else {
                        return;
                    };
                    self.frame.start.truncate(length);
                    self.payload_left = Some(header.payload_length);
                    length - before
                }
            };
            bytes = &bytes[taken..];
            if self.payload_left == Some(0) {
                self.payload_left = None;
                give(std::mem::take(&mut self.frame));
            }
        }
    }

    /// The frame that has begun and will not be completed, if there is one.
    pub fn unfinished(&mut self, fault: Option<Fault>) -> Option<CutFrame> {
        let mut frame = std::mem::take(&mut self.frame);
        frame.missing = self.payload_left.take().unwrap_or_default();
        frame.fault = fault;
        (!frame.start.is_empty()).then_some(frame)
    }
}

/// Takes as many of `bytes` as are left, and says how many that is.
fn take_some(left: &mut u64, bytes: &[u8]) -> usize {
    let taken = (*left).min(bytes.len() as u64);
    *left -= taken;
    taken as usize
}

impl CutFrame {
    /// Adds payload: to the start while there is room, then to the end, of which only the last
    /// bytes are kept.
    fn keep(&mut self, payload: &[u8]) {
        let room = (KEPT_START + FrameHeader::MAX_LEN).saturating_sub(self.start.len());
        let (to_start, rest) = payload.split_at(room.min(payload.len()));
        self.start.extend_from_slice(to_start);
        let last = &rest[rest.len().saturating_sub(KEPT_END)..];
        self.hidden += (rest.len() - last.len()) as u64;
        self.end.extend_from_slice(last);
        let surplus = self.end.len().saturating_sub(KEPT_END);
        self.end.drain(..surplus);
        self.hidden += surplus as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Frame, Opcode};

    const KEY: Option<[u8; 4]> = Some([0x37, 0xfa, 0x21, 0x3d]);

    fn cut(stream: &[u8], size: usize) -> Vec<CutFrame> {
        let mut cutter = FrameCutter::default();
        let mut frames = Vec::new();
        for piece in stream.chunks(size) {
            cutter.feed(piece, |frame| frames.push(frame));
        }
        assert_eq!(cutter.unfinished(None), None);
        frames
    }

    #[test]
    fn frames_are_cut_out_however_they_come() {
        let frames = [
            Frame::new(Opcode::Text, KEY, b"Hello").encode(),
            Frame::new(Opcode::Ping, KEY, b"").encode(),
            Frame::new(Opcode::Binary, None, &[7; 300]).encode(),
        ];
        for size in 1..400 {
            let found = cut(&frames.concat(), size);
            let starts: Vec<_> = found.into_iter().map(|frame| frame.start).collect();
            assert_eq!(starts, frames, "in pieces of {size}");
        }
    }

    #[test]
    fn long_frames_keep_their_start_and_their_end() {
        let payload: Vec<u8> = (0..100_000_u32).map(|n| (n / 7) as u8).collect();
        let whole = Frame::new(Opcode::Binary, None, &payload).encode();
        for size in [1000, 4096, 100_014] {
            let frame = cut(&whole, size).remove(0);
            let start = KEPT_START + FrameHeader::MAX_LEN;
            assert_eq!(frame.start, whole[..start]);
            assert_eq!(frame.end, whole[whole.len() - KEPT_END..]);
            assert_eq!(frame.hidden, (whole.len() - start - KEPT_END) as u64);
        }
    }

    #[test]
    fn watching_that_begins_inside_a_frame_waits_for_the_next() {
        let first = Frame::new(Opcode::Binary, KEY, &[7; 300]).encode();
        let second = Frame::new(Opcode::Text, KEY, b"Hello").encode();
        let stream = [first.clone(), second.clone()].concat();
        for at in 0..stream.len() {
            let mut cursor = FrameCursor::new(1 << 20, 10);
            cursor.advance(&stream[..at]).unwrap();
            let mut cutter = FrameCutter::beginning_at(&cursor);
            let mut frames = Vec::new();
            cutter.feed(&stream[at..], |frame| frames.push(frame.start));
            // Inside the first header nothing is lost yet: the cursor remembers it.
            let expected = match at {
                0..8 => vec![first.clone(), second.clone()],
                8..=308 => vec![second.clone()],
                309..314 => vec![second.clone()],
                _ => vec![],
            };
            assert_eq!(frames, expected, "from byte {at}");
        }
    }

    #[test]
    fn a_frame_that_never_ends_is_shown_as_far_as_it_came() {
        let whole = Frame::new(Opcode::Text, KEY, b"Hello").encode();
        let mut cutter = FrameCutter::default();
        cutter.feed(&whole[..8], |_| panic!("not complete"));
        let frame = cutter.unfinished(None).expect("a part");
        assert_eq!((frame.start, frame.missing), (whole[..8].to_vec(), 3));
    }

    #[test]
    fn what_there_is_no_room_for_is_counted() {
        let (tap, events) = Tap::new();
        let connection = tap.connection(1);
        connection.frame(Side::Client, CutFrame::default());
        assert!(events.is_empty(), "nobody watches");
        tap.set_watching(true);
        for _ in 0..RAW_EVENTS_WAITING + 5 {
            connection.frame(Side::Client, CutFrame::default());
        }
        let gap = |raw: Raw| match raw {
            Raw::Crossing { gap, .. } => gap,
            _ => panic!("a crossing"),
        };
        assert_eq!(gap(events.recv().unwrap()), Gap { unwatched: true, missed: 0 });
        connection.frame(Side::Client, CutFrame::default());
        let gaps: Vec<Gap> = events.try_iter().map(gap).collect();
        assert_eq!(gaps.len(), RAW_EVENTS_WAITING);
        assert_eq!(gaps.last(), Some(&Gap { unwatched: false, missed: 5 }));
    }
}
