//! An event in one line: its type, its text, and how it belongs to other events.

use unicode_width::UnicodeWidthStr;

use crate::protocol::Side;
use crate::sys::ConnectionId;
use crate::text::{COLUMNS, count, fit, printable};
use crate::wire::event::{WireEvent, WireEventKind};
use crate::wire::frame::{CloseView, FrameView};

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
        // The server wrote this sentence, and escaped the peer's words in it.
        WireEventKind::End { how } => format!("{start}  END  {how}"),
        WireEventKind::Missed { events } => {
            format!("{:.3}s  {events} events came too fast to show", event.seconds)
        }
    };
    format!("{}{}", gap(event), fit(&line, COLUMNS))
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

/// The reason of a Close in quotes, after `space`; nothing if there is none.
pub(super) fn reason_of(close: &CloseView, space: &str) -> String {
    match &*close.reason {
        "" => String::new(),
        reason => format!("{space}\"{}\"", printable(reason)),
    }
}
