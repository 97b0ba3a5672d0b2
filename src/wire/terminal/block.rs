//! An event in a block of lines, with every field and every byte that is kept.

use unicode_width::UnicodeWidthStr;

use super::summary::{reason_of, summary};
use crate::protocol::AcceptKey;
use crate::text::{COLUMNS, count, fit, hex, printable, wrap};
use crate::wire::event::{WireEvent, WireEventKind};
use crate::wire::fields::Field;
use crate::wire::frame::{Elided, FrameView};
use crate::wire::head::HeadView;

/// Columns for the bytes on the left of a block. The masking key needs 11; a payload of five bytes, as in
/// the RFC's "Hello", needs 14.
const BYTES_COLUMNS: usize = 14;

/// Bytes in a row of payload.
const ROW: usize = 16;

/// Bytes of a long payload that a block shows from its start.
const SHOWN_START: usize = 32;

/// Bytes of a long payload that a block shows from its end.
const SHOWN_END: usize = 8;

/// An event in a block of lines: its [summary], then its bytes and what they mean.
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

/// The steps from a key to its answer, as lines.
pub fn accept_lines(accept: &AcceptKey) -> Vec<String> {
    vec![
        "  how the answer is made                                        RFC 6455 4.2.2".to_owned(),
        fit(&format!("  = key + GUID  {}", printable(&accept.key_and_guid)), COLUMNS),
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
    if head.more_lines > 0 {
        lines.push(format!("  ... and {}", count(head.more_lines as u64, "more line")));
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
