//! Wire events as text for a terminal: 80 columns, and plain ASCII around the words of the peers.
//!
//! Those words are always escaped, because a client could otherwise send control codes to the
//! teacher's screen.

mod block;
mod summary;

use super::event::{WireEvent, WireEventKind};
use crate::protocol::Side;
use crate::text::wants_color;

pub use block::{accept_lines, full};
pub use summary::summary;

/// Adds colour to the first line of `text`, if standard output is a terminal that wants it. Colour only
/// repeats what the words say.
pub fn colorize(text: &str, event: &WireEvent) -> String {
    if !wants_color() {
        return text.to_owned();
    }
    let color = match &event.what {
        WireEventKind::Frame(frame) if frame.fault.is_some() => "31",
        WireEventKind::Response(head) if head.broken_rule.is_some() => "31",
        WireEventKind::Frame(frame) if frame.from == Side::Client => "36",
        WireEventKind::Request(_) => "36",
        WireEventKind::Frame(_) | WireEventKind::Response(_) => "33",
        WireEventKind::End { .. } | WireEventKind::Missed { .. } => "35",
    };
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    format!("\x1b[1;{color}m{first}\x1b[0m\n{rest}")
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr;

    use super::*;
    use crate::protocol::BrokenRule;
    use crate::protocol::{Frame, Opcode};
    use crate::sys::ConnectionId;
    use crate::text::{COLUMNS, hex};
    use crate::wire::Credentials;
    use crate::wire::explain::events_in;
    use crate::wire::head::HeadView;

    const KEY: Option<[u8; 4]> = Some([0x37, 0xfa, 0x21, 0x3d]);

    fn events_of(frames: &[Frame]) -> Vec<WireEvent> {
        events_in(&frames.iter().flat_map(Frame::encode).collect::<Vec<_>>()).expect("frames")
    }

    fn event_of(frame: Frame) -> WireEvent {
        events_of(&[frame]).remove(0)
    }

    fn fragment(opcode: Opcode, fin: bool, payload: &[u8]) -> Frame {
        let mut frame = Frame::new(opcode, KEY, payload);
        frame.header.fin = fin;
        frame
    }

    fn event(what: WireEventKind) -> WireEvent {
        let connection = ConnectionId(7);
        WireEvent { connection, tab: None, number: 3, seconds: 1.5, gap: None, what }
    }

    #[test]
    fn a_summary_names_a_frame_and_the_frames_that_it_belongs_to() {
        use Opcode::{Binary, Close, Continuation, Ping, Text};
        let mut half = Frame::new(Binary, KEY, b"Hello");
        half.payload.truncate(3);
        let events = events_of(&[
            Frame::new(Text, KEY, b"Hello"),
            Frame::new(Text, None, b"ping"),
            fragment(Text, false, b"Hel"),
            fragment(Continuation, true, b"lo"),
            fragment(Binary, false, b"1"),
            fragment(Continuation, true, b"2"),
            Frame::new(Ping, None, b"x"),
            fragment(Ping, false, b""),
            Frame::new(Close, None, b"\x03\xe9bye"),
            Frame::new(Close, KEY, b"\x03\xe9"),
            half,
        ]);
        let summaries: Vec<_> = events.iter().map(summary).collect();
        assert_eq!(
            summaries,
            [
                "#1  CLIENT -> SERVER  TEXT \"Hello\", 11 bytes",
                "#2  SERVER -> CLIENT  TEXT \"ping\"; not a PING frame",
                "#3  CLIENT -> SERVER  TEXT part 1 \"Hel\", 9 bytes",
                "#4  CLIENT -> SERVER  CONTINUATION part 2 and last \"lo\", 8 bytes of #3 = \"Hello\"",
                "#5  CLIENT -> SERVER  BINARY part 1, 7 bytes",
                "#6  CLIENT -> SERVER  CONTINUATION part 2 and last, 7 bytes of #5 = 2 bytes",
                "#7  SERVER -> CLIENT  PING \"x\", 3 bytes",
                "#8  CLIENT -> SERVER  PING! a Ping must not be fragmented (RFC 6455 5.5)",
                "#9  SERVER -> CLIENT  CLOSE 1001 going away \"bye\"",
                "#10  CLIENT -> SERVER  CLOSE 1001 going away, the answer",
                "#11  CLIENT -> SERVER  BINARY, 2 bytes never came",
            ]
        );
    }

    #[test]
    fn every_line_fits_80_columns_and_shows_no_control_character() {
        let hostile = "\x1b[2J\x1b]0;pwned\x07 a\nb\rc\u{202e}d \"你好\" 'é'";
        let long = hostile.repeat(40);
        let reason = [&b"\x03\xe8"[..], hostile.repeat(3).as_bytes()].concat();
        let mut events = events_of(&[
            Frame::new(Opcode::Text, KEY, hostile.as_bytes()),
            Frame::new(Opcode::Text, None, long.as_bytes()),
            fragment(Opcode::Text, false, "好".repeat(100).as_bytes()),
            fragment(Opcode::Continuation, true, long.as_bytes()),
            Frame::new(Opcode::Ping, KEY, &hostile.as_bytes()[..20]),
            Frame::new(Opcode::Close, KEY, &reason),
            Frame::new(Opcode::Binary, KEY, &[0xff; 70_000]),
        ]);
        let head =
            format!("GET /{long} HTTP/1.1\r\nHost: {long}\r\nOrigin: {long}\r\nX: {hostile}");
        events.push(event(WireEventKind::Request(HeadView::of(
            head.as_bytes(),
            Credentials::Hidden,
        ))));
        let how = format!("the client closed with 1000 (normal closure) {long:?}");
        events.push(event(WireEventKind::End { how }));
        for event in events {
            let text = full(&event);
            assert!(text.starts_with(&summary(&event)), "{text}");
            for line in text.lines() {
                assert!(line.width() <= COLUMNS, "{} columns: {line}", line.width());
                let is_plain = |c: char| !c.is_control() && c != '\u{202e}';
                assert!(line.chars().all(is_plain), "{line:?}");
            }
        }
    }

    #[test]
    fn an_event_of_a_connection_has_its_number_and_time() {
        let head = HeadView::of(
            b"GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
            Credentials::Hidden,
        );
        let mut request = event(WireEventKind::Request(head));
        request.gap = Some("what came before was not watched".to_owned());
        let expected = "\
conn 7  ... what came before was not watched
conn 7  #3  1.500s  CLIENT -> SERVER  GET /echo HTTP/1.1
  GET /echo HTTP/1.1
  Host: a
* Upgrade: websocket                        the protocol to change to
";
        assert_eq!(full(&request), expected);
        let missed = event(WireEventKind::Missed { events: 5 });
        assert_eq!(full(&missed), "1.500s  5 events came too fast to show\n");
    }

    #[test]
    fn a_refusal_shows_the_rule_that_the_request_broke() {
        let rule = BrokenRule { sentence: "the key is missing".to_owned(), section: "4.2.1" };
        let head = HeadView::of_response(
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            Some(rule),
            Credentials::Hidden,
        );
        let text = full(&event(WireEventKind::Response(head)));
        assert!(text.ends_with("\n! the key is missing (RFC 6455 4.2.1)\n"), "{text}");
    }

    #[test]
    fn a_close_has_the_registered_name_and_the_plain_meaning() {
        let text = full(&event_of(Frame::new(Opcode::Close, None, b"\x03\xe9bye")));
        let meaning = "the user leaves the page, or the server stops";
        assert!(text.contains(&format!("= close code 1001 going away: {meaning}")), "{text}");
        assert!(text.ends_with("\"bye\"\n"), "{text}");
    }

    #[test]
    fn the_middle_of_a_long_payload_is_left_out() {
        for length in [40, 41, 2000] {
            let payload: Vec<u8> = (0..length).map(|n| n as u8).collect();
            let text = full(&event_of(Frame::new(Opcode::Binary, None, &payload)));
            let last = hex(&payload[payload.len() - 8..]);
            assert!(text.trim_end().ends_with(&last), "{text}");
            let hidden = length - 40;
            let is_said = text.contains(&format!("  ... {hidden} bytes not shown ...\n"));
            assert_eq!(is_said, hidden > 0, "{text}");
        }
    }
}
