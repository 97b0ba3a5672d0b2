//! The wire view: what it shows of any bytes, and how much memory that takes.

use chalkwire::wire::explain::events_in;
use chalkwire::wire::{HeadView, HeaderView, WireEventKind, terminal};
use unicode_width::UnicodeWidthStr;

/// Bytes of memory for each byte of a head. The worst head has a line feed in each of its bytes, and then
/// each byte becomes a header line. A byte that is not UTF-8 becomes a character of three bytes.
const HELD_PER_BYTE: usize = size_of::<HeaderView>() + 3;

/// The view of any head can be shown, and takes a bounded multiple of the head's memory.
pub fn view(bytes: &[u8]) {
    // Both kinds of head, so that not every input has to begin with the same bytes.
    for start in ["GET / HTTP/1.1\r\n", "HTTP/1.1 101 Switching Protocols\r\n"] {
        let head = [start.as_bytes(), bytes].concat();
        show(&head);
        for event in events_in(&head).expect("a head") {
            let (WireEventKind::Request(view) | WireEventKind::Response(view)) = event.what else {
                panic!("{event:?} is not a head");
            };
            assert_eq!(view.length, head.len());
            let (held, most) = (held_by(&view), 1024 + HELD_PER_BYTE * head.len());
            assert!(held <= most, "{held} bytes for a head of {}", head.len());
        }
    }
}

/// The bytes of memory that a view keeps.
fn held_by(view: &HeadView) -> usize {
    let lines = view.headers.iter().map(|header| header.line.capacity());
    let headers = view.headers.len() * size_of::<HeaderView>() + lines.sum::<usize>();
    let accept = view.accept.as_ref().map_or(0, |accept| 2 * accept.key_and_guid.capacity());
    size_of::<HeadView>() + view.line.capacity() + headers + accept
}

/// Shows the bytes in 80 columns without control characters, and as JSON.
pub fn show(bytes: &[u8]) {
    let Ok(events) = events_in(bytes) else { return };
    for event in events {
        for line in terminal::full(&event).lines() {
            assert!(line.width() <= 80, "{} columns: {line}", line.width());
            assert!(!line.contains(char::is_control), "{line:?}");
        }
        serde_json::to_string(&event).expect("JSON");
    }
}
