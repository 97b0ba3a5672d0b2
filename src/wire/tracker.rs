//! The tracker: numbers the events of each connection, and finds out how its frames belong together.
//!
//! A frame alone does not show which fragment of its message it is, which Ping a Pong answers, or
//! which side closed first. The tracker remembers what is needed to say so. It is a state machine
//! without input or output: crossings in, events out.

use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::sync::Arc;
use std::time::Instant;

use super::credentials::Credentials;
use super::event::{WireEvent, WireEventKind};
use super::frame::{FragmentInfo, FrameView, PongMatch};
use super::head::HeadView;
use crate::config::{KEPT_START, MAX_TRACKED_CONNECTIONS, PINGS_KEPT};
use crate::protocol::{Opcode, Side};
use crate::sys::ConnectionId;
use crate::tap::capture::CapturedFrame;
use crate::tap::crossing::{Crossing, Gap, KeptHandshake, TimedCrossing};

/// The number of the first event behind a handshake: the request is 1, the response 2.
pub const AFTER_HANDSHAKE: u64 = 3;

/// The tracker of all connections.
pub struct Tracker {
    began: Instant,
    first_number: u64,
    credentials: Credentials,
    connections: BTreeMap<ConnectionId, ConnectionTracker>,
    /// The events of the handshakes that the tap keeps, by connection and number, while somebody
    /// watches.
    kept: BTreeMap<(ConnectionId, u64), Arc<WireEvent>>,
}

impl Tracker {
    /// A tracker without connections. It counts seconds from `began`, and the frames of each
    /// connection from `first_number`.
    pub fn new(began: Instant, first_number: u64, credentials: Credentials) -> Tracker {
        let (connections, kept) = Default::default();
        Tracker { began, first_number, credentials, connections, kept }
    }

    /// The event for a crossing.
    pub fn take(&mut self, crossing: TimedCrossing) -> WireEvent {
        let TimedCrossing { connection, tab, at, gap, what } = crossing;
        let credentials = self.credentials;
        let (number, what) = match what {
            Crossing::Request(head) => {
                (1, WireEventKind::Request(HeadView::of(&head, credentials)))
            }
            Crossing::Response { head, broken_rule } => {
                let view = HeadView::of_response(&head, broken_rule, credentials);
                (2, WireEventKind::Response(view))
            }
            Crossing::Frame(side, frame) => {
                let tracker = self.connection(connection);
                if gap != Gap::default() {
                    tracker.forget();
                }
                let number = tracker.next_number();
                let view = tracker.frame(side, &frame, number, at);
                (number, WireEventKind::Frame(Box::new(view)))
            }
            Crossing::End(how) => {
                let number = self.connection(connection).next_number();
                self.connections.remove(&connection);
                (number, WireEventKind::End { how })
            }
        };
        let (seconds, gap) = (self.seconds(at), sentence_of(gap));
        WireEvent { connection, tab, number, seconds, gap, what }
    }

    /// The events of kept handshakes that crossed the wire before `before`. They are made once, and all
    /// watchers share them.
    pub fn kept(&mut self, handshakes: Vec<KeptHandshake>, before: Instant) -> Vec<Arc<WireEvent>> {
        let credentials = self.credentials;
        let mut made = mem::take(&mut self.kept);
        let mut events = Vec::new();
        for KeptHandshake { connection, tab, request: (at, head), response } in handshakes {
            let mut show = |number, at: Instant, what: &dyn Fn() -> WireEventKind| {
                if at >= before {
                    return;
                }
                let event = made.remove(&(connection, number)).unwrap_or_else(|| {
                    let seconds = self.seconds(at);
                    let what = what();
                    Arc::new(WireEvent { connection, tab, number, seconds, gap: None, what })
                });
                self.kept.insert((connection, number), Arc::clone(&event));
                events.push(event);
            };
            show(1, at, &|| WireEventKind::Request(HeadView::of(&head, credentials)));
            if let Some((at, head, rule)) = &response {
                show(2, *at, &|| {
                    let view = HeadView::of_response(head, rule.clone(), credentials);
                    WireEventKind::Response(view)
                });
            }
        }
        events
    }

    /// Forgets how frames belong together, but not their numbers. Called when nobody watches, because the
    /// next watcher comes after a gap.
    pub fn forget_all(&mut self) {
        self.kept.clear();
        self.connections.values_mut().for_each(ConnectionTracker::forget);
    }

    fn seconds(&self, at: Instant) -> f64 {
        at.saturating_duration_since(self.began).as_secs_f64()
    }

    fn connection(&mut self, id: ConnectionId) -> &mut ConnectionTracker {
        if !self.connections.contains_key(&id) && self.connections.len() >= MAX_TRACKED_CONNECTIONS
        {
            // The end of the oldest was missed, most likely.
            self.connections.pop_first();
        }
        let next_number = self.first_number;
        self.connections
            .entry(id)
            .or_insert_with(|| ConnectionTracker { next_number, ..ConnectionTracker::default() })
    }
}

fn sentence_of(gap: Gap) -> Option<String> {
    match (gap.unwatched, gap.missed) {
        (false, 0) => None,
        (true, 0) => Some("what came before was not watched".to_owned()),
        (_, missed) => Some(format!("{missed} events of this connection came too fast to show")),
    }
}

/// The tracker of one connection.
#[derive(Default)]
struct ConnectionTracker {
    next_number: u64,
    client: Direction,
    server: Direction,
    /// The side that sent the first Close.
    closed_by: Option<Side>,
}

impl ConnectionTracker {
    fn next_number(&mut self) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        number
    }

    /// Forgets the open message and the Pings: after a gap, they may be complete and answered.
    fn forget(&mut self) {
        self.client = Direction::default();
        self.server = Direction::default();
    }

    fn frame(&mut self, side: Side, frame: &CapturedFrame, number: u64, at: Instant) -> FrameView {
        let mut view = FrameView::of(side, frame);
        let (sender, receiver) = match side {
            Side::Client => (&mut self.client, &mut self.server),
            Side::Server => (&mut self.server, &mut self.client),
        };
        match view.opcode {
            Opcode::Continuation | Opcode::Text | Opcode::Binary => {
                sender.add_fragment(&mut view, number);
            }
            Opcode::Close => {
                let first = *self.closed_by.get_or_insert(side);
                if let Some(close) = &mut view.close {
                    close.answer = first != side;
                }
            }
            Opcode::Ping => sender.add_ping(view.payload.start.clone(), number, at),
            Opcode::Pong => view.answers = receiver.answer_ping(&view.payload.start, at),
            Opcode::Reserved(_) => {}
        }
        view
    }
}

/// The tracker's memory of one direction of a connection.
#[derive(Default)]
struct Direction {
    open_message: Option<OpenMessage>,
    /// Pings without an answer, the newest first.
    pings: VecDeque<OpenPing>,
}

/// A message of which some fragments have passed.
struct OpenMessage {
    /// The number of the event that shows the first fragment.
    first: u64,
    fragments: u64,
    length: u64,
    /// The text so far. `None` once it is too long to keep.
    text: Option<Vec<u8>>,
}

/// A Ping that has not been answered.
struct OpenPing {
    payload: Vec<u8>,
    number: u64,
    at: Instant,
}

impl Direction {
    /// Adds a data frame to its message, and notes its place there if the message has several frames.
    fn add_fragment(&mut self, view: &mut FrameView, number: u64) {
        if view.opcode != Opcode::Continuation {
            if view.fin {
                return;
            }
            let text = (view.opcode == Opcode::Text).then(Vec::new);
            self.open_message = Some(OpenMessage { first: number, fragments: 0, length: 0, text });
        }
        let Some(message) = &mut self.open_message else { return };
        message.fragments += 1;
        message.length = message.length.saturating_add(view.payload_length);
        if let Some(text) = &mut message.text {
            let payload = &view.payload;
            view.text.get_or_insert_with(|| String::from_utf8_lossy(&payload.start).into_owned());
            text.extend_from_slice(&payload.start);
            if !payload.end.is_empty() || text.len() > KEPT_START {
                message.text = None;
            }
        }
        let whole = message.text.as_ref().filter(|_| view.fin);
        view.part = Some(FragmentInfo {
            part: message.fragments,
            first: message.first,
            last: view.fin,
            message_length: message.length,
            message: whole.map(|text| String::from_utf8_lossy(text).into_owned()),
        });
        if view.fin {
            self.open_message = None;
        }
    }

    fn add_ping(&mut self, payload: Vec<u8>, number: u64, at: Instant) {
        self.pings.truncate(PINGS_KEPT - 1);
        self.pings.push_front(OpenPing { payload, number, at });
    }

    /// The newest Ping with this payload. A Pong answers that one, and with it all Pings before
    /// (RFC 6455 section 5.5.3).
    fn answer_ping(&mut self, payload: &[u8], at: Instant) -> Option<PongMatch> {
        let found = self.pings.iter().position(|ping| ping.payload == payload)?;
        let ping = &self.pings[found];
        let milliseconds = at.saturating_duration_since(ping.at).as_secs_f64() * 1000.0;
        let answered = PongMatch { ping: ping.number, milliseconds };
        self.pings.truncate(found);
        Some(answered)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::protocol::FrameHeader;

    /// A tracker with a clock that moves 10 ms from one crossing to the next.
    struct Test {
        tracker: Tracker,
        now: Instant,
    }

    impl Test {
        fn new() -> Test {
            let now = Instant::now();
            Test { tracker: Tracker::new(now, AFTER_HANDSHAKE, Credentials::Hidden), now }
        }

        fn take(&mut self, id: u64, gap: Gap, what: Crossing) -> WireEvent {
            self.now += Duration::from_millis(10);
            self.tracker.take(TimedCrossing {
                connection: ConnectionId(id),
                tab: None,
                at: self.now,
                gap,
                what,
            })
        }

        fn frame_after(
            &mut self,
            gap: Gap,
            side: Side,
            opcode: Opcode,
            fin: bool,
            payload: &[u8],
        ) -> FrameView {
            let mut header = FrameHeader::new(opcode, None, payload.len() as u64);
            header.fin = fin;
            let frame = CapturedFrame { start: payload.to_vec(), ..CapturedFrame::new(header) };
            let event = self.take(1, gap, Crossing::Frame(side, frame));
            let WireEventKind::Frame(view) = event.what else { panic!("a frame") };
            *view
        }

        fn frame(&mut self, side: Side, opcode: Opcode, fin: bool, payload: &[u8]) -> FrameView {
            self.frame_after(Gap::default(), side, opcode, fin, payload)
        }
    }

    const MISSED: Gap = Gap { unwatched: false, missed: 7 };

    #[test]
    fn events_are_numbered_in_their_connection() {
        let mut test = Test::new();
        let head = Bytes::from_static(b"GET / HTTP/1.1\r\n\r\n");
        let end = || Crossing::End("lost".to_owned());
        let request = test.take(1, Gap::default(), Crossing::Request(head.clone()));
        let response = Crossing::Response { head, broken_rule: None };
        let response = test.take(1, Gap::default(), response);
        assert_eq!((request.number, response.number), (1, 2));
        assert!((response.seconds - 0.02).abs() < 1e-9, "{}", response.seconds);
        test.frame(Side::Client, Opcode::Text, true, b"3");
        test.frame(Side::Server, Opcode::Text, true, b"4");
        assert_eq!(test.take(2, Gap::default(), end()).number, 3);
        assert_eq!(test.take(1, Gap::default(), end()).number, 5);
        assert!(test.tracker.connections.is_empty(), "connections that have ended are forgotten");
    }

    #[test]
    fn fragments_know_their_place_and_the_last_has_the_message() {
        use Opcode::{Continuation, Ping, Text};
        let mut test = Test::new();
        let first = test.frame(Side::Client, Text, false, b"5 \xe2").part.unwrap();
        // Frames between the fragments: a control frame, and the other direction's own message.
        assert_eq!(test.frame(Side::Client, Ping, true, b"").part, None);
        let other = test.frame(Side::Server, Text, false, b"x").part.unwrap();
        let last = test.frame(Side::Client, Continuation, true, b"\x82\xac").part.unwrap();
        assert_eq!((first.part, first.first, first.last), (1, 3, false));
        assert_eq!((other.part, other.first), (1, 5));
        assert_eq!((last.part, last.first, last.last, last.message_length), (2, 3, true, 5));
        assert_eq!((first.message, last.message.as_deref()), (None, Some("5 €")));
        assert_eq!(test.frame(Side::Client, Text, true, b"whole").part, None);
        let stray = test.frame(Side::Client, Continuation, true, b"nothing to continue");
        assert_eq!(stray.part, None);
    }

    #[test]
    fn a_long_text_and_a_binary_message_are_not_repeated_in_the_last_fragment() {
        let long = vec![b'x'; KEPT_START];
        for (opcode, payload) in [(Opcode::Binary, &b"x"[..]), (Opcode::Text, &long)] {
            let mut test = Test::new();
            test.frame(Side::Client, opcode, false, payload);
            let last = test.frame(Side::Client, Opcode::Continuation, true, b"x").part.unwrap();
            let length = payload.len() as u64 + 1;
            assert_eq!((last.message_length, last.message), (length, None));
        }
    }

    #[test]
    fn a_pong_answers_the_newest_ping_with_its_payload_and_all_before_it() {
        use Opcode::{Ping, Pong};
        let mut test = Test::new();
        for payload in [b"a", b"b", b"a", b"c"] {
            test.frame(Side::Server, Ping, true, payload);
        }
        let pong = test.frame(Side::Client, Pong, true, b"a").answers.expect("a match");
        assert_eq!(pong.ping, 5);
        assert!((pong.milliseconds - 20.0).abs() < 1e-6, "{}", pong.milliseconds);
        assert_eq!(test.frame(Side::Client, Pong, true, b"b").answers, None);
        // The server's own Pong does not answer the server's Ping.
        assert_eq!(test.frame(Side::Server, Pong, true, b"c").answers, None);
        assert_eq!(
            test.frame(Side::Client, Pong, true, b"c").answers.map(|pong| pong.ping),
            Some(6)
        );
    }

    #[test]
    fn the_oldest_ping_is_forgotten_first() {
        let mut test = Test::new();
        for n in 0..PINGS_KEPT as u8 + 1 {
            test.frame(Side::Server, Opcode::Ping, true, &[n]);
        }
        assert_eq!(test.frame(Side::Client, Opcode::Pong, true, &[0]).answers, None);
        assert!(test.frame(Side::Client, Opcode::Pong, true, &[1]).answers.is_some());
    }

    #[test]
    fn the_second_side_that_closes_answers() {
        for (first, second) in [(Side::Client, Side::Server), (Side::Server, Side::Client)] {
            let mut test = Test::new();
            let mut is_answer = |side| {
                let view = test.frame(side, Opcode::Close, true, b"\x03\xe8");
                view.close.expect("a code").answer
            };
            assert_eq!(
                (is_answer(first), is_answer(first), is_answer(second)),
                (false, false, true)
            );
        }
    }

    #[test]
    fn after_a_gap_nothing_before_it_counts() {
        use Opcode::{Continuation, Ping, Pong, Text};
        let mut test = Test::new();
        test.frame(Side::Client, Text, false, b"begun");
        test.frame(Side::Server, Ping, true, b"a");
        let after = test.frame_after(MISSED, Side::Client, Continuation, true, b"end");
        assert_eq!(after.part, None, "it may belong to another message");
        assert_eq!(test.frame(Side::Client, Pong, true, b"a").answers, None);
        let event = test.take(1, MISSED, Crossing::End("lost".to_owned()));
        assert_eq!(event.number, 7, "the numbers go on");
        let gap = event.gap.as_deref();
        assert_eq!(gap, Some("7 events of this connection came too fast to show"));
    }

    #[test]
    fn frames_are_forgotten_when_nobody_watches_any_more() {
        let mut test = Test::new();
        test.frame(Side::Client, Opcode::Text, false, b"begun");
        test.tracker.forget_all();
        let after = test.frame(Side::Client, Opcode::Continuation, true, b"end");
        assert_eq!(after.part, None);
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes Miri a minute")]
    fn the_number_of_connections_has_a_limit() {
        let mut test = Test::new();
        let ping = || {
            let header = FrameHeader::new(Opcode::Ping, None, 0);
            Crossing::Frame(Side::Client, CapturedFrame::new(header))
        };
        for id in 1..=MAX_TRACKED_CONNECTIONS as u64 {
            test.take(id, Gap::default(), ping());
        }
        // A frame of a known connection removes nobody.
        assert_eq!(test.take(2, Gap::default(), ping()).number, 4);
        assert_eq!(test.take(1, Gap::default(), ping()).number, 4);
        test.take(u64::MAX, Gap::default(), ping());
        assert_eq!(test.tracker.connections.len(), MAX_TRACKED_CONNECTIONS);
        // The oldest was removed, so its numbers begin again.
        assert_eq!(test.take(1, Gap::default(), ping()).number, 3);
    }

    #[test]
    fn kept_handshakes_are_shown_up_to_the_time_that_a_watcher_came() {
        let mut test = Test::new();
        let began = test.now;
        let time = |milliseconds| began + Duration::from_millis(milliseconds);
        let handshake = KeptHandshake {
            connection: ConnectionId(4),
            tab: None,
            request: (time(10), Bytes::from_static(b"GET / HTTP/1.1")),
            response: Some((time(20), Bytes::from_static(b"HTTP/1.1 101 Switching"), None)),
        };
        let mut numbers = |before| {
            let events = test.tracker.kept(vec![handshake.clone()], time(before));
            events.iter().map(|event| event.number).collect::<Vec<_>>()
        };
        assert_eq!(numbers(10), [0; 0]);
        assert_eq!(numbers(11), [1]);
        assert_eq!(numbers(21), [1, 2]);
    }
}
