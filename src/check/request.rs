//! The opening handshake from the client's side: a request that can be bent, and an answer that is
//! read whatever it looks like.

use super::finding::Evidence;
use super::target::Target;

/// The key of RFC 6455 section 1.3. Its answer has a `+` in it, which shows a URL-safe alphabet.
pub const SAMPLE_KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// Lines of an answer that are shown, and bytes of each.
const MOST_LINES: usize = 8;
const MOST_COLUMNS: usize = 160;

/// A request head.
#[derive(Debug, Clone)]
pub struct Request {
    /// The request line, and the header lines; a line ends where the next begins.
    lines: Vec<String>,
}

impl Request {
    /// The handshake as a plain client sends it.
    pub fn new(target: &Target) -> Request {
        let lines = vec![
            format!("GET {} HTTP/1.1", target.path),
            format!("Host: {}", target.host),
            "Upgrade: websocket".to_owned(),
            "Connection: Upgrade".to_owned(),
            format!("Sec-WebSocket-Key: {SAMPLE_KEY}"),
            "Sec-WebSocket-Version: 13".to_owned(),
        ];
        Request { lines }
    }

    /// The same with the header `name` replaced, or added.
    pub fn with(mut self, name: &str, value: &str) -> Request {
        let line = format!("{name}: {value}");
        match self.place(name) {
            Some(place) => self.lines[place] = line,
            None => self.lines.push(line),
        }
        self
    }

    /// The same without the header `name`.
    pub fn without(mut self, name: &str) -> Request {
        if let Some(place) = self.place(name) {
            self.lines.remove(place);
        }
        self
    }

    /// The same with `from` in the request line replaced.
    pub fn with_line(mut self, from: &str, to: &str) -> Request {
        self.lines[0] = self.lines[0].replacen(from, to, 1);
        self
    }

    /// The same with each header line changed.
    pub fn map_headers(mut self, change: impl FnMut(&String) -> String) -> Request {
        let headers: Vec<String> = self.lines[1..].iter().map(change).collect();
        self.lines.splice(1.., headers);
        self
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.lines.iter().position(|line| {
            line.split_once(':').is_some_and(|(found, _)| found.eq_ignore_ascii_case(name))
        })
    }

    /// As it crosses the wire.
    pub fn encode(&self) -> Vec<u8> {
        (self.lines.join("\r\n") + "\r\n\r\n").into_bytes()
    }

    /// The lines as evidence: the request line, and the header lines named.
    pub fn evidence(&self, names: &[&str]) -> Vec<Evidence> {
        let named = names.iter().map(|name| match self.place(name) {
            Some(place) => Evidence::line(&self.lines[place]),
            None => Evidence::line(&format!("(no {name})")),
        });
        [Evidence::line(&self.lines[0])].into_iter().chain(named).collect()
    }
}

/// What came before the frames: an HTTP answer, or something else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// All of it, up to the blank line, or to the end.
    pub raw: Vec<u8>,
    /// Whether the blank line has come.
    pub is_complete: bool,
    /// The lines, without their ends; the first is the status line.
    pub lines: Vec<String>,
    /// How it ended, if it did not go on.
    pub ended: bool,
}

impl Answer {
    /// The answer at the start of `bytes`, and how long it is. Lines may also end with LF alone:
    /// a step says so, and the others go on.
    pub fn read(bytes: &[u8]) -> (Answer, usize) {
        let ends = [&b"\r\n\r\n"[..], b"\n\n"].into_iter().filter_map(|end| {
            let at = bytes.windows(end.len()).position(|window| window == end)?;
            Some(at + end.len())
        });
        let end = ends.min();
        let raw = bytes[..end.unwrap_or(bytes.len())].to_vec();
        let text = String::from_utf8_lossy(&raw);
        let lines = text.trim_end().lines().map(|line| line.trim_end().to_owned()).collect();
        let length = raw.len();
        (Answer { raw, is_complete: end.is_some(), lines, ended: false }, length)
    }

    /// The status, if this is HTTP.
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

    /// How often the header `name` is there.
    pub fn count(&self, name: &str) -> usize {
        let names =
            self.lines.iter().skip(1).filter_map(|line| Some(line.split_once(':')?.0.trim()));
        names.filter(|found| found.eq_ignore_ascii_case(name)).count()
    }

    /// Whether one of the words of the header `name`, which is a list, is `word`.
    pub fn lists(&self, name: &str, word: &str) -> bool {
        let words = self.get(name).into_iter().flat_map(|value| value.split(','));
        words.into_iter().any(|found| found.trim().eq_ignore_ascii_case(word))
    }

    /// The status line and the header lines named, as evidence.
    pub fn evidence(&self, names: &[&str]) -> Vec<Evidence> {
        let Some(first) = self.lines.first() else {
            let nothing = if self.ended { "(the connection ended)" } else { "(nothing)" };
            return vec![Evidence::line(nothing)];
        };
        let is_named = |line: &&String| {
            let (name, _) = line.split_once(':').unwrap_or((line, ""));
            names.iter().any(|wanted| wanted.eq_ignore_ascii_case(name.trim()))
        };
        if self.status().is_none() && !self.raw.is_ascii() {
            return vec![Evidence::bytes(&self.raw, "")];
        }
        let rest = self.lines.iter().skip(1).filter(is_named);
        let lines = [first].into_iter().chain(rest).take(MOST_LINES);
        lines.map(|line| Evidence::line(line.get(..MOST_COLUMNS).unwrap_or(line))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_can_be_bent() {
        let target = Target::new("ws://127.0.0.1:9/a", std::time::Duration::from_secs(1), true);
        let request = Request::new(&target.expect("a target"));
        let bent = request
            .without("host")
            .with("Connection", "keep-alive, Upgrade")
            .with("X", "y")
            .with_line("GET", "POST");
        let text = String::from_utf8(bent.encode()).expect("text");
        assert_eq!(
            text,
            format!(
                "POST /a HTTP/1.1\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
                 Sec-WebSocket-Key: {SAMPLE_KEY}\r\nSec-WebSocket-Version: 13\r\nX: y\r\n\r\n"
            )
        );
        let shown = bent.evidence(&["connection", "host"]);
        assert_eq!(shown[2].shown, "(no host)");
        assert_eq!(shown[1].shown, "Connection: keep-alive, Upgrade");
    }

    #[test]
    fn an_answer_is_read_whatever_it_looks_like() {
        let (answer, length) = Answer::read(b"HTTP/1.1 101 Yes\r\nA:  b, C \r\n\r\n\x81\x00");
        assert_eq!((answer.status(), answer.get("a"), length), (Some(101), Some("b, C"), 31));
        assert!(answer.is_complete && answer.lists("A", "c") && !answer.lists("A", "b, c"));
        let (answer, length) = Answer::read(b"HTTP/1.1 101 Yes\nA: b\n\nrest");
        assert!(answer.is_complete && answer.get("A") == Some("b") && length == 23);
        let (answer, _) = Answer::read(b"HTTP/1.1 101 Yes\r\nA: b\r\n");
        assert!(!answer.is_complete && answer.get("A") == Some("b"));
        for nothing in [&b""[..], b"\x15\x03\x01", b"Hello", b"HTTP/2 200", b"HTTP/1.1 x"] {
            assert_eq!(Answer::read(nothing).0.status(), None, "{nothing:?}");
        }
    }
}
