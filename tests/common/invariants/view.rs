//! The wire view: what it shows of any bytes, and how much memory that takes.

use chalkwire::wire::explain::events_in;
use chalkwire::wire::{HeadView, HeaderView, WireEventKind, terminal};
use unicode_width::UnicodeWidthStr;

/// The view of any head can be shown. It takes four times the memory of the head at most, apart from what
/// the 100 header lines need that are shown, and does not take more than it says.
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
            let shown = view.headers.len();
            assert!(shown <= 100 && (shown == 100 || view.more_lines == 0), "{shown} lines");
            let (held, says) = (held_by(&view), view.memory());
            assert!(held <= 2 * says, "{held} bytes, and it says {says}");
            assert!(says <= 8 * 1024 + 4 * head.len(), "{says} bytes for a head of {}", head.len());
        }
    }
}

/// The bytes of memory that a view keeps.
fn held_by(view: &HeadView) -> usize {
    let lines = view.headers.iter().map(|header| header.line.capacity());
    let headers = view.headers.capacity() * size_of::<HeaderView>() + lines.sum::<usize>();
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
