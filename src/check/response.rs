//! The server's half of the opening handshake, read even if it is not correct HTTP.

use super::evidence::Evidence;

/// The most lines of a response that are shown.
const MAX_LINES: usize = 8;

/// The most bytes that are shown of each line.
const MAX_LINE: usize = 160;

/// The bytes that the server sent before the first frame: an HTTP response, or something else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Response {
    /// The bytes up to the blank line, or all of them if there is none.
    pub raw: Vec<u8>,
    /// Whether the blank line has come.
    pub is_complete: bool,
    /// The lines without their ends. The first is the status line.
    pub lines: Vec<String>,
    /// Whether the connection ended before the blank line.
    pub ended: bool,
}

impl Response {
    /// Reads the response at the start of `bytes`, and returns it with its length. Its lines may end with LF
    /// alone: one step reports that, and the others can go on.
    pub fn read(bytes: &[u8]) -> (Response, usize) {
        let ends = [&b"\r\n\r\n"[..], b"\n\n"].into_iter().filter_map(|end| {
            let at = bytes.windows(end.len()).position(|window| window == end)?;
            Some(at + end.len())
        });
        let end = ends.min();
        let raw = bytes[..end.unwrap_or(bytes.len())].to_vec();
        let text = String::from_utf8_lossy(&raw);
        let lines = text.trim_end().lines().map(|line| line.trim_end().to_owned()).collect();
        let length = raw.len();
        (Response { raw, is_complete: end.is_some(), lines, ended: false }, length)
    }

    /// The status code. `None` if this is not an HTTP response.
    pub fn status(&self) -> Option<u16> {
        let line = self.lines.first()?;
        let rest = line.strip_prefix("HTTP/1.1 ").or_else(|| line.strip_prefix("HTTP/1.0 "))?;
        rest.split(' ').next()?.parse().ok()
    }

    /// The value of the header `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.lines.iter().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.trim().eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    /// How many times the header `name` occurs.
    pub fn count(&self, name: &str) -> usize {
        let names =
            self.lines.iter().skip(1).filter_map(|line| Some(line.split_once(':')?.0.trim()));
        names.filter(|found| found.eq_ignore_ascii_case(name)).count()
    }

    /// Whether `token` is in the comma-separated list of the header `name`.
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        let tokens = self.get(name).into_iter().flat_map(|value| value.split(','));
        tokens.into_iter().any(|found| found.trim().eq_ignore_ascii_case(token))
    }

    /// The status line and the named header lines, as evidence.
    pub fn evidence(&self, names: &[&str]) -> Vec<Evidence> {
        let Some(first) = self.lines.first() else {
            let nothing = if self.ended { "the connection ended" } else { "nothing" };
            return vec![Evidence::remark(nothing)];
        };
        let is_named = |line: &&String| {
            let (name, _) = line.split_once(':').unwrap_or((line, ""));
            names.iter().any(|wanted| wanted.eq_ignore_ascii_case(name.trim()))
        };
        if self.status().is_none() && !self.raw.is_ascii() {
            return vec![Evidence::bytes(&self.raw, "")];
        }
        let rest = self.lines.iter().skip(1).filter(is_named);
        let lines = [first].into_iter().chain(rest).take(MAX_LINES);
        lines.map(|line| Evidence::line(&line[..line.floor_char_boundary(MAX_LINE)])).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_read_even_if_it_is_wrong() {
        let (response, length) = Response::read(b"HTTP/1.1 101 Yes\r\nA:  b, C \r\n\r\n\x81\x00");
        assert_eq!((response.status(), response.get("a"), length), (Some(101), Some("b, C"), 31));
        assert!(response.is_complete);
        assert!(response.has_token("A", "c") && !response.has_token("A", "b, c"));
        let (response, length) = Response::read(b"HTTP/1.1 101 Yes\nA: b\n\nrest");
        assert!(response.is_complete && response.get("A") == Some("b") && length == 23);
        let (response, _) = Response::read(b"HTTP/1.1 101 Yes\r\nA: b\r\n");
        assert!(!response.is_complete && response.get("A") == Some("b"));
        for bytes in [&b""[..], b"\x15\x03\x01", b"Hello", b"HTTP/2 200", b"HTTP/1.1 x"] {
            assert_eq!(Response::read(bytes).0.status(), None, "{bytes:?}");
        }
    }

    #[test]
    fn a_long_line_is_shown_up_to_a_whole_character() {
        // Byte 160 is inside the last "ü" that still begins within the limit.
        let status = format!("HTTP/1.1 101 {}", "ü".repeat(30_000));
        let (response, _) = Response::read(format!("{status}\r\n\r\n").as_bytes());
        let shown = format!("HTTP/1.1 101 {}", "ü".repeat(73));
        assert_eq!((shown.len(), response.evidence(&[])), (159, vec![Evidence::line(shown)]));
    }
}
