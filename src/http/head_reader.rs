//! Reads one request head from a socket: bounded in bytes, with a deadline, and in linear time.

use std::io::{self, Read};
use std::net::TcpStream;
use std::time::Instant;

use super::refusal::Refusal;
use super::request::{HeadResult, parse_head};
use crate::config::HEAD_READ;
use crate::sys::socket::is_timeout;

/// Reads from `socket` into `bytes` until the blank line: at most about `max_head` bytes, and until
/// `deadline`. `bytes` is empty at the start. At the end it has the head and the bytes that came right
/// behind it, or bytes that are not a head.
pub fn read_head(
    socket: &TcpStream,
    max_head: usize,
    deadline: Instant,
    bytes: &mut Vec<u8>,
) -> HeadResult {
    let mut parser = HeadParser::new(max_head);
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return late(bytes, max_head);
        }
        if socket.set_read_timeout(Some(left)).is_err() {
            return HeadResult::Gone;
        }
        let mut reader = socket;
        let before = bytes.len();
        bytes.resize(before + HEAD_READ, 0);
        let read = reader.read(&mut bytes[before..]);
        bytes.truncate(before + read.as_ref().copied().unwrap_or_default());
        match read {
            // A client that ends its side after a faulty head still reads the answer.
            Ok(0) => return parse_head(bytes, max_head).unwrap_or(HeadResult::Gone),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if is_timeout(&error) => return late(bytes, max_head),
            Err(_) => return HeadResult::Gone,
        }
        if let Some(result) = parser.take(bytes) {
            return result;
        }
    }
}

/// The result when the time is over. A peer that has sent nothing, such as a browser's spare connection, does not
/// expect an answer.
#[inline(never)]
fn late(bytes: &[u8], max_head: usize) -> HeadResult {
    if bytes.is_empty() {
        return HeadResult::Gone;
    }
    parse_head(bytes, max_head).unwrap_or(HeadResult::Refused(Refusal::HeadTooLate))
}

/// Decides after each read whether the bytes of a head are worth parsing.
///
/// A client may send its head byte by byte. If the server parsed all bytes after each of them, a head of 16 KiB would
/// cost 190 ms of processor time. So the parser looks at each new byte once, and parses the head when its result may
/// have changed: when the request line ends, at the blank line, and at the limits. It also parses when the head has
/// doubled since the last time, so that other protocols and faulty lines get their answer early.
#[derive(Debug)]
pub struct HeadParser {
    max_head: usize,
    /// The bytes that it has looked at.
    seen: usize,
    /// The lines that have ended, without empty lines before the request line.
    lines: usize,
    /// The bytes of the line that has not ended. CRs at its start do not count.
    line: usize,
    /// The length at which the head has doubled since it was parsed.
    doubled: usize,
}

impl HeadParser {
    /// A parser for a head of up to `max_head` bytes.
    pub fn new(max_head: usize) -> HeadParser {
        HeadParser { max_head, seen: 0, lines: 0, line: 0, doubled: 1 }
    }

    /// Takes all bytes that have come so far, and parses them if that may have a result. `None` means that more bytes
    /// are needed.
    pub fn take(&mut self, bytes: &[u8]) -> Option<HeadResult> {
        self.is_worth_parsing(bytes).then(|| parse_head(bytes, self.max_head)).flatten()
    }

    fn is_worth_parsing(&mut self, bytes: &[u8]) -> bool {
        let mut line_decides = false;
        for byte in &bytes[self.seen..] {
            match byte {
                b'\r' if self.line == 0 => {}
                b'\n' if self.line > 0 => {
                    line_decides |= self.lines == 0;
                    self.lines += 1;
                    self.line = 0;
                }
                b'\n' => line_decides |= self.lines > 0,
                _ => self.line += 1,
            }
        }
        self.seen = bytes.len();
        let is_line_too_long = self.lines == 0 && self.line > self.max_head / 2;
        let has_doubled = bytes.len() >= self.doubled;
        if has_doubled {
            self.doubled = 2 * bytes.len();
        }
        line_decides || is_line_too_long || has_doubled || bytes.len() >= self.max_head
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX_HEAD: usize = 16 * 1024;

    /// Heads that end, heads that do not, and bytes that are not a head.
    fn heads() -> Vec<Vec<u8>> {
        let headers = |line: &str, count| format!("GET / HTTP/1.1\r\n{}", line.repeat(count));
        let long = format!("A: {}\r\n", "b".repeat(150));
        let heads = [
            headers(&long, 100) + "\r\n",
            headers(&long, 100),
            headers("A: b\r\n", 3000),
            headers("A: b\n", 90) + "\nbehind",
            headers("", 0) + "A: " + &"b".repeat(MAX_HEAD),
            headers(&long, 50) + "A B\r\n" + &long,
            "\n".repeat(MAX_HEAD) + "G",
            "\r\n".repeat(20) + &headers(&long, 1) + "\r\n",
            "\r".repeat(MAX_HEAD),
            format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(MAX_HEAD)),
            format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(MAX_HEAD / 2)),
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
            "\x16\x03\x01\x02".to_owned(),
            "two words\r\n".to_owned(),
        ];
        heads.map(String::into_bytes).into()
    }

    #[test]
    fn a_head_that_comes_byte_by_byte_is_parsed_in_linear_time() {
        for bytes in heads() {
            let mut parser = HeadParser::new(MAX_HEAD);
            let mut parsed = 0;
            for end in 1..=bytes.len().min(MAX_HEAD) {
                if parser.is_worth_parsing(&bytes[..end]) {
                    parsed += end;
                    if parse_head(&bytes[..end], MAX_HEAD).is_some() {
                        break;
                    }
                }
            }
            // Less than twice the length each time it has doubled, and three times at most for the rest.
            let what = String::from_utf8_lossy(&bytes[..bytes.len().min(20)]).into_owned();
            assert!(parsed <= 5 * bytes.len(), "{what:?}: {parsed} for {}", bytes.len());
        }
    }

    #[test]
    fn the_answer_is_the_same_however_the_head_is_cut() {
        let shown = |result: Option<HeadResult>| format!("{result:?}");
        for bytes in heads() {
            let at_once = shown(parse_head(&bytes, MAX_HEAD));
            for size in [1, 2, 3, 7, 1000] {
                let mut parser = HeadParser::new(MAX_HEAD);
                let ends = (size..bytes.len()).step_by(size).chain([bytes.len()]);
                let found = ends.into_iter().find_map(|end| parser.take(&bytes[..end]));
                // What the parser puts off is decided at the end of the time.
                let found = found.or_else(|| parse_head(&bytes, MAX_HEAD));
                assert_eq!(shown(found), at_once, "pieces of {size}");
            }
        }
    }

    #[test]
    fn when_the_time_is_over_a_faulty_head_gets_its_own_answer() {
        let status = |bytes: &[u8]| match late(bytes, MAX_HEAD) {
            HeadResult::Refused(refusal) => refusal.status().as_u16(),
            other => panic!("{other:?}"),
        };
        assert_eq!(status(b"GET / HTTP/1.1\r\nA: b\r\n"), 408);
        assert_eq!(status(b"GET / HTTP/1.1\r\nA : b\r\n"), 400);
        assert!(matches!(late(b"", MAX_HEAD), HeadResult::Gone));
    }

    #[test]
    fn faults_at_the_start_are_answered_at_once() {
        for (bytes, end) in [
            (&b"\x16\x03\x01\x02"[..], 1),
            (b"\0\xff", 1),
            (b"two words\r\n", 11),
            (b"PRI * HTTP/2.0\r\n", 16),
        ] {
            let mut parser = HeadParser::new(MAX_HEAD);
            let found = (1..=bytes.len()).find(|end| parser.take(&bytes[..*end]).is_some());
            assert_eq!(found, Some(end), "{bytes:?}");
        }
    }
}
