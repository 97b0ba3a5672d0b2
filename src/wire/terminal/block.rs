//! Wire events as text for a terminal: 80 columns, and plain ASCII around the words of the peers.
//!
//! Those words are always escaped, because a client could otherwise send control codes to the
//! teacher's screen.

use unicode_width::UnicodeWidthStr;

use super::event::{WireEvent, WireEventKind};
use super::fields::Field;
use super::frame::{CloseView, Elided, FrameView};
use super::head::HeadView;
use crate::protocol::{AcceptKey, Side};
use crate::sys::ConnectionId;
use crate::text::{COLUMNS, count, fit, hex, printable, wants_color, wrap};

/// Columns for the bytes on the left of a block. The masking key needs 11; a payload of five bytes, as in
/// the RFC's "Hello", needs 14.
const BYTES_COLUMNS: usize = 14;

/// Bytes in a row of payload.
const ROW: usize = 16;

/// Bytes of a long payload that a block shows from its start.
const SHOWN_START: usize = 32;

/// Bytes of a long payload that a block shows from its end.
const SHOWN_END: usize = 8;

/// An event in one line; in two if a gap came before it.
pub fn summary(event: &WireEvent) -> String {
    let start = match event.connection {
        ConnectionId::NONE => format!("#{}", event.number),
        connection => format!("{connection}  #{}  {:.3}s", event.number, event.seconds),
    };
    let line = match &event.what {
        WireEventKind::Request(head) => {
            format!("{start}  {}  {}", arrow(Side::Client), printable(&head.line))
        }
        WireEventKind::Response(head) => {
            format!("{start}  {}  {}", arrow(Side::Server), printable(&head.line))
        }
        WireEventKind::Frame(frame) => {
            let start = format!("{start}  {}  ", arrow(frame.from));
            let rest = describe(frame, COLUMNS.saturating_sub(start.len()));
            return format!("{}{start}{rest}", gap(event));
        }
        // The server's own words; those of the peer are escaped in them already.
        WireEventKind::End { how } => format!("{start}  END  {how}"),
        WireEventKind::Missed { events } => {
            format!("{:.3}s  {events} events came too fast to show", event.seconds)
        }
    };
    format!("{}{}", gap(event), fit(&line, COLUMNS))
}

/// An event in a block of lines, with everything that there is to see.
pub fn full(event: &WireEvent) -> String {
    let mut lines = vec![summary(event)];
    match &event.what {
        WireEventKind::Request(head) => {
            lines.extend(head_lines(head));
            if let Some(accept) = &head.accept {
                lines.extend(accept_lines(accept));
            }
        }
        WireEventKind::Response(head) => lines.extend(head_lines(head)),
        WireEventKind::Frame(frame) => lines.extend(frame_lines(frame)),
        WireEventKind::End { how } if lines[0].ends_with("...") => {
            lines.extend(wrap("  ", "  ", how))
        }
        WireEventKind::End { .. } | WireEventKind::Missed { .. } => {}
    }
    lines.join("\n") + "\n"
}

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

/// The steps from a key to its answer, as lines.
pub fn accept_lines(accept: &AcceptKey) -> Vec<String> {
    vec![
        "  how the answer is made                                        RFC 6455 4.2.2".to_owned(),
        format!("  = key + GUID  {}", printable(&accept.key_and_guid)),
        format!("  = SHA-1       {}", hex(&accept.sha1)),
        format!("  = base64      {}", accept.accept),
    ]
}

/// The lines of a frame below the first.
fn frame_lines(frame: &FrameView) -> Vec<String> {
    let mut lines = Vec::new();
    let mut shown = 0;
    for field in &frame.fields {
        // Bytes stand beside the first of the fields that share them.
        let end = (field.at + field.bytes).min(frame.header.len());
        let bytes = if field.at >= shown { &frame.header[field.at.min(end)..end] } else { &[] };
        shown = shown.max(end);
        lines.extend(field_lines(field, &hex(bytes)));
    }
    let said = match &frame.text {
        Some(text) => format!("  \"{}\"", printable(text)),
        None => String::new(),
    };
    if frame.masking_key.is_some() {
        lines.extend(payload_lines("  ", &frame.wire, "payload as it crossed the wire"));
        lines.extend(payload_lines("= ", &frame.payload, &format!("payload XOR key{said}")));
    } else {
        lines.extend(payload_lines("  ", &frame.payload, &format!("payload{said}")));
    }
    if let Some(close) = &frame.close {
        let code = format!("close code {} {}: {}", close.code, close.name, close.meaning);
        lines.extend(wrap("= ", "  ", &format!("{code}{}", reason_of(close, "  "))));
    }
    if frame.never_received > 0 {
        lines.push(format!("  {} of payload never came", count(frame.never_received, "byte")));
    }
    if let Some(fault) = &frame.fault {
        lines.extend(wrap("! ", "  ", &format!("{} -> close {}", fault.sentence, fault.code)));
    }
    if let Some(note) = &frame.note {
        lines.extend(wrap("  ", "  ", note));
    }
    lines
}

fn reason_of(close: &CloseView, space: &str) -> String {
    match &*close.reason {
        "" => String::new(),
        reason => format!("{space}\"{}\"", printable(reason)),
    }
}

fn arrow(from: Side) -> &'static str {
    match from {
        Side::Client => "CLIENT -> SERVER",
        Side::Server => "SERVER -> CLIENT",
    }
}

fn gap(event: &WireEvent) -> String {
    match &event.gap {
        Some(gap) => format!("{}  ... {gap}\n", event.connection),
        None => String::new(),
    }
}

/// A frame in at most `columns`: its type, its text, and how it belongs to other frames.
fn describe(frame: &FrameView, columns: usize) -> String {
    let mut name = frame.name.clone();
    let mut after = format!(", {}", count(frame.length, "byte"));
    if let Some(part) = &frame.part {
        let last = if part.last { " and last" } else { "" };
        name = format!("{name} part {}{last}", part.part);
        if part.part > 1 {
            after.push_str(&format!(" of #{}", part.first));
        }
        if let Some(message) = &part.message {
            after.push_str(&format!(" = \"{}\"", printable(message)));
        } else if part.last {
            after.push_str(&format!(" = {}", count(part.message_length, "byte")));
        }
    }
    if let Some(fault) = &frame.fault {
        return fit(&format!("{name}! {}", fault.sentence), columns);
    }
    if let Some(close) = &frame.close {
        let answer = if close.answer { ", the answer" } else { "" };
        let reason = reason_of(close, " ");
        return fit(&format!("CLOSE {} {}{reason}{answer}", close.code, close.name), columns);
    }
    if let Some(answer) = &frame.answers {
        after = format!(", answers #{} after {:.1} ms", answer.ping, answer.milliseconds);
    }
    if frame.never_received > 0 {
        after = format!(", {} never came", count(frame.never_received, "byte"));
    }
    if let Some((_, short)) = frame.note.as_deref().and_then(|note| note.split_once("; ")) {
        after = format!("; {short}");
    }
    let text = match &frame.text {
        Some(text) if frame.payload_length > 0 => {
            let room = columns.saturating_sub(name.len() + after.width() + 3).max(8);
            format!(" \"{}\"", fit(&printable(text), room))
        }
        _ => String::new(),
    };
    fit(&format!("{name}{text}{after}"), columns)
}

fn head_lines(head: &HeadView) -> Vec<String> {
    let mut lines = vec![fit(&format!("  {}", printable(&head.line)), COLUMNS)];
    for header in &head.headers {
        let mark = if header.meaning.is_some() { '*' } else { ' ' };
        let line = format!("{mark} {}", printable(&header.line));
        match header.meaning {
            Some(meaning) if line.width() + meaning.len() + 2 <= COLUMNS => {
                let space = (44 - 44.min(line.width())).max(2);
                let space = space.min(COLUMNS - line.width() - meaning.len());
                lines.push(format!("{line}{}{meaning}", " ".repeat(space)));
            }
            Some(meaning) => {
                lines.push(fit(&line, COLUMNS));
                lines.push(format!("    {meaning}"));
            }
            None => lines.push(fit(&line, COLUMNS)),
        }
    }
    if let Some(rule) = &head.broken_rule {
        let sentence = printable(&rule.sentence);
        lines.extend(wrap("! ", "  ", &format!("{sentence} (RFC 6455 {})", rule.rfc)));
    }
    lines
}

fn field_lines(field: &Field, bytes: &str) -> Vec<String> {
    let Field { name, bits, value, meaning, .. } = field;
    let what = match *name {
        "masking key" => format!("masking key  {meaning}"),
        "extended length" => format!("extended length  {meaning}"),
        _ => format!("{bits}  {:<12} {meaning}", format!("{name} {value}")),
    };
    let mut lines = Vec::new();
    let mut left = bytes;
    if bytes.len() > BYTES_COLUMNS {
        lines.push(format!("  {bytes}"));
        left = "";
    }
    match what.rsplit_once(", ") {
        // The largest lengths need a line for themselves.
        Some((start, end)) if BYTES_COLUMNS + 4 + what.len() > COLUMNS => {
            lines.push(format!("  {left:<BYTES_COLUMNS$}  {start},"));
            lines.push(format!("  {:<BYTES_COLUMNS$}  {end}", ""));
        }
        _ => lines.push(format!("  {left:<BYTES_COLUMNS$}  {what}")),
    }
    lines
}

/// The bytes of a payload in rows, with the label beside them if they are few.
fn payload_lines(mark: &str, payload: &Elided, label: &str) -> Vec<String> {
    let Elided { start, omitted, end } = payload;
    let total = (start.len() + end.len()) as u64 + omitted;
    if total == 0 {
        return Vec::new();
    }
    if total <= ROW as u64 {
        let line = format!("{mark}{:<BYTES_COLUMNS$}  {label}", hex(start));
        if line.width() <= COLUMNS {
            return vec![line];
        }
    }
    let row = |bytes: &[u8]| format!("{mark}{}", hex(bytes));
    let mut lines = vec![fit(&format!("{mark}{label}"), COLUMNS)];
    if total <= (SHOWN_START + SHOWN_END) as u64 {
        lines.extend(start.chunks(ROW).map(row));
    } else {
        lines.extend(start[..SHOWN_START].chunks(ROW).map(row));
        let last = if end.is_empty() { start } else { end };
        let last = &last[last.len() - SHOWN_END.min(last.len())..];
        let hidden = total - (SHOWN_START + last.len()) as u64;
        lines.push(format!("{mark}... {hidden} bytes not shown ..."));
        lines.push(row(last));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Frame, Opcode};
    use crate::tap::crossing::BrokenRule;
    use crate::wire::explain::events_in;

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
        WireEvent { connection: ConnectionId(7), number: 3, seconds: 1.5, gap: None, what }
    }

    #[test]
    fn a_summary_says_what_a_frame_is_and_how_it_belongs_to_others() {
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
        events.push(event(WireEventKind::Request(HeadView::of(head.as_bytes()))));
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
        let head = HeadView::of(b"GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n");
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
        let head = HeadView::of_response(b"HTTP/1.1 400 Bad Request\r\n\r\n", Some(rule));
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
            let last = hex(&payload[payload.len() - SHOWN_END..]);
            assert!(text.trim_end().ends_with(&last), "{text}");
            let hidden = length - 40;
            let is_said = text.contains(&format!("  ... {hidden} bytes not shown ...\n"));
            assert_eq!(is_said, hidden > 0, "{text}");
        }
    }
}
