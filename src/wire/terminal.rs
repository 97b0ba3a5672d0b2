//! Wire events as text for a terminal: 80 columns, plain ASCII around what the peer has said, and
//! nothing of that unescaped: no client can send terminal codes to the teacher's screen.

use unicode_width::UnicodeWidthStr;

use super::{Elided, Field, FrameView, HeadView, WireEvent, WireEventKind};
use crate::protocol::{AcceptKey, Side};
use crate::sys::ConnectionId;
use crate::text::{COLUMNS, count, fit, printable, wrap};

/// Columns of the bytes on the left of a block: four of them, as the masking key has.
const BYTES: usize = 14;

/// Bytes of a payload in a block, from its start and from its end.
const SHOWN_START: usize = 32;
const SHOWN_END: usize = 8;

/// One line for an event.
pub fn summary(event: &WireEvent) -> String {
    let start = match event.connection {
        ConnectionId::NONE => format!("#{}", event.number),
        connection => format!("{connection}  #{}  {:.3}s", event.number, event.seconds),
    };
    let line = match &event.what {
        WireEventKind::Request(head) => {
            format!("{start}  {}  {}", arrow(Side::Client), sentence_of_head(head))
        }
        WireEventKind::Response(head) => {
            format!("{start}  {}  {}", arrow(Side::Server), sentence_of_head(head))
        }
        WireEventKind::Frame(frame) => {
            let start = format!("{start}  {}  ", arrow(frame.from));
            let rest = describe(frame, COLUMNS.saturating_sub(start.len()));
            return format!("{}{start}{rest}", gap(event));
        }
        // Ours, with what the peer has said escaped in it.
        WireEventKind::End { how } => format!("{start}  END  {how}"),
        WireEventKind::Missed { events } => {
            format!("{:.3}s  {events} events came too fast to show", event.seconds)
        }
    };
    format!("{}{}", gap(event), fit(&line, COLUMNS))
}

/// A block of lines for an event: everything there is to see.
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

/// The same text in colour, where standard output is a terminal that wants it (`NO_COLOR`). Colour
/// only repeats what the words say.
pub fn colorize(text: &str, event: &WireEvent) -> String {
    use std::io::IsTerminal;
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if plain || !std::io::stdout().is_terminal() {
        return text.to_owned();
    }
    let colour = match &event.what {
        WireEventKind::Frame(frame) if frame.fault.is_some() => "31",
        WireEventKind::Frame(frame) if frame.from == Side::Client => "36",
        WireEventKind::Request(_) => "36",
        WireEventKind::Frame(_) | WireEventKind::Response(_) => "33",
        WireEventKind::End { .. } | WireEventKind::Missed { .. } => "35",
    };
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    format!("\x1b[1;{colour}m{first}\x1b[0m\n{rest}")
}

/// How the answer to a key is made.
pub fn accept_lines(accept: &AcceptKey) -> Vec<String> {
    vec![
        "  how the answer is made                                        RFC 6455 4.2.2".to_owned(),
        format!("  = key + GUID  {}", printable(&accept.key_and_guid)),
        format!("  = SHA-1       {}", accept.sha1),
        format!("  = base64      {}", accept.accept),
    ]
}

/// The block of a frame without its first line.
pub fn frame_lines(frame: &FrameView) -> Vec<String> {
    let mut lines = Vec::new();
    let header: Vec<&str> = frame.header.split(' ').collect();
    let mut shown_up_to = 0;
    for field in &frame.fields {
        let is_new = field.at >= shown_up_to;
        let end = (field.at + field.bytes).min(header.len());
        let bytes = if is_new { header[field.at.min(end)..end].join(" ") } else { String::new() };
        shown_up_to = shown_up_to.max(end);
        lines.extend(field_lines(field, &bytes));
    }
    let length = frame.payload_length;
    if frame.masking_key.is_some() {
        lines.extend(payload_lines("  ", &frame.wire, "payload as it crossed the wire"));
        let label = match &frame.text {
            Some(text) => format!("payload XOR key  \"{}\"", printable(text)),
            None => "payload XOR key".to_owned(),
        };
        lines.extend(payload_lines("= ", &frame.payload, &label));
    } else if length > 0 {
        let label = match &frame.text {
            Some(text) => format!("payload  \"{}\"", printable(text)),
            None => "payload".to_owned(),
        };
        lines.extend(payload_lines("  ", &frame.payload, &label));
    }
    if let Some(close) = &frame.close {
        let reason = match &*close.reason {
            "" => String::new(),
            reason => format!("  \"{}\"", printable(reason)),
        };
        lines.extend(wrap(
            "= ",
            "  ",
            &format!("close code {} {}{reason}", close.code, close.name),
        ));
    }
    if frame.missing > 0 {
        let bytes = if frame.missing == 1 { "byte" } else { "bytes" };
        lines.push(format!("  {} {bytes} of payload never came", frame.missing));
    }
    if let Some(fault) = &frame.fault {
        lines.extend(wrap("! ", "  ", &format!("{} -> close {}", fault.sentence, fault.code)));
    }
    if let Some(note) = &frame.note {
        lines.extend(wrap("  ", "  ", note));
    }
    lines
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

fn sentence_of_head(head: &HeadView) -> String {
    printable(&head.line)
}

/// A frame in so many columns: what it is, what it says, how it belongs to others.
fn describe(frame: &FrameView, columns: usize) -> String {
    let mut name = frame.name.clone();
    let mut after = format!(", {}", count(frame.length));
    if let Some(part) = &frame.part {
        let last = if part.last { " and last" } else { "" };
        name = format!("{name} part {}{last}", part.part);
        if part.part > 1 {
            after.push_str(&format!(" of #{}", part.first));
        }
        if let Some(message) = &part.message {
            after.push_str(&format!(" = \"{}\"", printable(message)));
        } else if part.last {
            after.push_str(&format!(" = {}", count(part.message_length)));
        }
    }
    if let Some(fault) = &frame.fault {
        return fit(&format!("{name}! {}", fault.sentence), columns);
    }
    if let Some(close) = &frame.close {
        let answer = if close.answer { ", the answer" } else { "" };
        let reason = match &*close.reason {
            "" => String::new(),
            reason => format!(" \"{}\"", printable(reason)),
        };
        return fit(&format!("CLOSE {} {}{reason}{answer}", close.code, close.name), columns);
    }
    if let Some(answer) = &frame.answers {
        after = format!(", answers #{} after {:.1} ms", answer.ping, answer.milliseconds);
    }
    if frame.missing > 0 {
        after = format!(", {} never came", count(frame.missing));
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
    if bytes.len() > BYTES {
        lines.push(format!("  {bytes}"));
        left = "";
    }
    match what.rsplit_once(", ") {
        // The largest lengths need a line for themselves.
        Some((start, end)) if BYTES + 4 + what.len() > COLUMNS => {
            lines.push(format!("  {left:<BYTES$}  {start},"));
            lines.push(format!("  {:<BYTES$}  {end}", ""));
        }
        _ => lines.push(format!("  {left:<BYTES$}  {what}")),
    }
    lines
}

/// Payload in rows of 16 bytes, with its label beside it where it is short.
fn payload_lines(mark: &str, payload: &Elided, label: &str) -> Vec<String> {
    let all: Vec<&str> = payload.start.split_ascii_whitespace().collect();
    let end: Vec<&str> = payload.end.split_ascii_whitespace().collect();
    let total = all.len() as u64 + payload.hidden + end.len() as u64;
    if total == 0 {
        return Vec::new();
    }
    if total <= 16 {
        let bytes = all.join(" ");
        let line = format!("{mark}{bytes:<BYTES$}  {label}");
        if line.width() <= COLUMNS {
            return vec![line];
        }
    }
    let mut lines = vec![fit(&format!("{mark}{label}"), COLUMNS)];
    let mut rows = |bytes: &[&str]| {
        lines.extend(bytes.chunks(16).map(|row| format!("{mark}{}", row.join(" "))));
    };
    if total <= (SHOWN_START + SHOWN_END) as u64 {
        rows(&all);
    } else {
        rows(&all[..SHOWN_START]);
        let last = if end.is_empty() { &all } else { &end };
        let last = &last[last.len() - SHOWN_END.min(last.len())..];
        let hidden = total - (SHOWN_START + last.len()) as u64;
        lines.push(format!("{mark}... {hidden} bytes not shown ..."));
        lines.push(format!("{mark}{}", last.join(" ")));
    }
    lines
}
