//! The tracker.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use super::{FragmentInfo, FrameView, HeadView, PongMatch, WireEvent, WireEventKind};
use crate::config::{KEPT_START, MAX_TRACKED_CONNECTIONS, PINGS_KEPT};
use crate::protocol::Side;
use crate::sys::ConnectionId;
use crate::tap::Tap;
use crate::tap::capture::CapturedFrame;
use crate::tap::crossing::{Crossing, Gap};

/// The request is number 1 of its connection, the answer 2.
pub(super) const FIRST_FRAME: u64 = 3;

/// WireEventKind must be remembered of each connection to say how its frames hang together.
pub struct Tracker {
    began: Instant,
    /// The number of the first frame of each.
    first: u64,
    pub(super) open: BTreeMap<ConnectionId, ConnectionTracker>,
}

pub(super) struct ConnectionTracker {
    /// The number of the next event.
    next: u64,
    client: Direction,
    server: Direction,
    /// Who sent the first Close.
    closed_by: Option<Side>,
}

/// One side of a conversation.
#[derive(Default)]
struct Direction {
    open_message: Option<OpenMessage>,
    /// Pings that have not been answered: payload in hex, event, time.
    pings: VecDeque<(String, u64, Instant)>,
}

struct OpenMessage {
    first: u64,
    parts: u64,
    length: u64,
    /// The text so far, while it is short enough to keep.
    text: Option<Vec<u8>>,
}

impl Tracker {
    /// None yet. Time is counted from `began`, and a connection's frames from `first`.
    pub fn new(began: Instant, first: u64) -> Tracker {
        Tracker { began, first, open: BTreeMap::new() }
    }

    fn seconds(&self, at: Instant) -> f64 {
        at.saturating_duration_since(self.began).as_secs_f64()
    }

    /// The handshakes that came before a watcher did.
    pub(super) fn kept(&self, tap: &Tap, before: Instant) -> Vec<WireEvent> {
        let mut events = Vec::new();
        for kept in tap.handshakes() {
            let connection = kept.connection;
            let mut event = |number, at, what| {
                let seconds = self.seconds(at);
                events.push(WireEvent { connection, number, seconds, gap: None, what });
            };
            if kept.request.0 < before {
                event(1, kept.request.0, WireEventKind::Request(HeadView::of(&kept.request.1)));
            }
            if let Some((at, head)) = kept.response.filter(|(at, _)| *at < before) {
                event(2, at, WireEventKind::Response(HeadView::of(&head)));
            }
        }
        events
    }

    /// WireEventKind has crossed the wire, as an event. `None` for a frame of which not even the header came.
    pub fn take(
        &mut self,
        connection: ConnectionId,
        at: Instant,
        gap: Gap,
        what: Crossing,
    ) -> Option<WireEvent> {
        let seconds = self.seconds(at);
        let first = self.first;
        if self.open.len() > MAX_TRACKED_CONNECTIONS {
            // The oldest: its end was missed, most likely.
            self.open.pop_first();
        }
        let conversation =
            self.open.entry(connection).or_insert_with(|| ConnectionTracker::new(first));
        let (number, what) = match what {
            Crossing::Request(head) => (1, WireEventKind::Request(HeadView::of(&head))),
            Crossing::Response(head) => (2, WireEventKind::Response(HeadView::of(&head))),
            Crossing::Frame(side, frame) => {
                if gap != Gap::default() {
                    conversation.forget();
                }
                let number = conversation.number();
                let view = conversation.frame(side, &frame, number, at)?;
                (number, WireEventKind::Frame(Box::new(view)))
            }
            Crossing::End(how) => {
                let number = conversation.number();
                self.open.remove(&connection);
                (number, WireEventKind::End { how })
            }
        };
        Some(WireEvent { connection, number, seconds, gap: sentence(gap), what })
    }
}

fn sentence(gap: Gap) -> Option<String> {
    match (gap.unwatched, gap.missed) {
        (false, 0) => None,
        (true, 0) => Some("what came before was not watched".to_owned()),
        (_, missed) => Some(format!("{missed} events of this connection came too fast to show")),
    }
}

impl ConnectionTracker {
    fn new(first: u64) -> ConnectionTracker {
        ConnectionTracker {
            next: first,
            client: Direction::default(),
            server: Direction::default(),
            closed_by: None,
        }
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    /// Something was not seen: what was open before it may not be any more.
    pub(super) fn forget(&mut self) {
        self.client = Direction::default();
        self.server = Direction::default();
    }

    fn frame(
        &mut self,
        side: Side,
        frame: &CapturedFrame,
        number: u64,
        at: Instant,
    ) -> Option<FrameView> {
        let mut view = FrameView::of(side, frame)?;
        let (speaker, other) = match side {
            Side::Client => (&mut self.client, &mut self.server),
            Side::Server => (&mut self.server, &mut self.client),
        };
        let payload = view.payload.start.clone();
        match view.opcode {
            0x0..=0x2 => speaker.part(&mut view, frame, number),
            0x8 => {
                let first = *self.closed_by.get_or_insert(side);
                if let Some(close) = &mut view.close {
                    close.answer = first != side;
                }
            }
            0x9 => {
                speaker.pings.truncate(PINGS_KEPT - 1);
                speaker.pings.push_front((payload, number, at));
            }
            0xa => {
                // A Pong answers the Ping with its payload, and all before that
                // (RFC 6455 section 5.5.3).
                let found = other.pings.iter().position(|(sent, ..)| *sent == payload);
                view.answers = found.map(|found| {
                    let (_, ping, sent_at) = other.pings[found];
                    other.pings.truncate(found);
                    let time = at.saturating_duration_since(sent_at);
                    PongMatch { ping, milliseconds: time.as_secs_f64() * 1000.0 }
                });
            }
            _ => {}
        }
        Some(view)
    }
}

impl Direction {
    /// Notes the frame's place in its message, when that has several frames.
    fn part(&mut self, view: &mut FrameView, frame: &CapturedFrame, number: u64) {
        if view.opcode != 0 {
            if view.fin {
                return;
            }
            let text = (view.opcode == 1).then(Vec::new);
            self.open_message = Some(OpenMessage { first: number, parts: 0, length: 0, text });
        }
        let Some(message) = &mut self.open_message else { return };
        message.parts += 1;
        message.length = message.length.saturating_add(view.payload_length);
        if let Some(text) = &mut message.text {
            let bytes: Vec<u8> = plain_bytes(&view.payload.start).collect();
            view.text.get_or_insert_with(|| String::from_utf8_lossy(&bytes).into_owned());
            text.extend(bytes);
            if frame.hidden > 0 || !frame.end.is_empty() || text.len() > KEPT_START {
                message.text = None;
            }
        }
        view.part = Some(FragmentInfo {
            part: message.parts,
            first: message.first,
            last: view.fin,
            message_length: message.length,
            message: message
                .text
                .as_ref()
                .filter(|_| view.fin)
                .map(|text| String::from_utf8_lossy(text).into_owned()),
        });
        if view.fin {
            self.open_message = None;
        }
    }
}

/// Back from hex to bytes.
fn plain_bytes(hex: &str) -> impl Iterator<Item = u8> {
    hex.split_ascii_whitespace().filter_map(|byte| u8::from_str_radix(byte, 16).ok())
}
