//! The client's half of the opening handshake: a request that a step can change.

use super::evidence::Evidence;
use super::target::Target;

/// The key of RFC 6455 section 1.3. Its accept value contains a `+`, so that a URL-safe alphabet shows.
pub const SAMPLE_KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// The header with the random key that the server hashes.
pub const KEY: &str = "Sec-WebSocket-Key";
/// The header with the version of the protocol.
pub const VERSION: &str = "Sec-WebSocket-Version";

/// The head of a request.
#[derive(Debug, Clone)]
pub struct Request {
    /// The request line and the header lines, without their line ends.
    lines: Vec<String>,
}

impl Request {
    /// A correct opening handshake.
    pub fn new(target: &Target) -> Request {
        let lines = vec![
            format!("GET {} HTTP/1.1", target.path),
            format!("Host: {}", target.host),
            "Upgrade: websocket".to_owned(),
            "Connection: Upgrade".to_owned(),
            format!("{KEY}: {SAMPLE_KEY}"),
            format!("{VERSION}: 13"),
        ];
        Request { lines }
    }

    /// The same request with the header `name` replaced, or added at the end.
    pub fn with(mut self, name: &str, value: &str) -> Request {
        let line = format!("{name}: {value}");
        match self.position(name) {
            Some(position) => self.lines[position] = line,
            None => self.lines.push(line),
        }
        self
    }

    /// The same request without the header `name`.
    pub fn without(mut self, name: &str) -> Request {
        if let Some(position) = self.position(name) {
            self.lines.remove(position);
        }
        self
    }

    /// The same request with `from` replaced in the request line.
    pub fn with_request_line(mut self, from: &str, to: &str) -> Request {
        self.lines[0] = self.lines[0].replacen(from, to, 1);
        self
    }

    /// The same request with each header line changed.
    pub fn map_headers(mut self, change: impl FnMut(&String) -> String) -> Request {
        let headers: Vec<String> = self.lines[1..].iter().map(change).collect();
        self.lines.splice(1.., headers);
        self
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.lines.iter().position(|line| {
            line.split_once(':').is_some_and(|(found, _)| found.eq_ignore_ascii_case(name))
        })
    }

    /// The bytes that cross the wire.
    pub fn encode(&self) -> Vec<u8> {
        (self.lines.join("\r\n") + "\r\n\r\n").into_bytes()
    }

    /// The request line and the named header lines, as evidence.
    pub fn evidence(&self, names: &[&str]) -> Vec<Evidence> {
        let named = names.iter().map(|name| match self.position(name) {
            Some(position) => Evidence::line(&*self.lines[position]),
            None => Evidence::remark(format!("no {name}")),
        });
        [Evidence::line(&*self.lines[0])].into_iter().chain(named).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_can_be_changed() {
        let target = Target::new("ws://127.0.0.1:9/a", std::time::Duration::from_secs(1), true);
        let request = Request::new(&target.expect("a target"));
        let changed = request
            .without("host")
            .with("Connection", "keep-alive, Upgrade")
            .with("X", "y")
            .with_request_line("GET", "POST");
        let text = String::from_utf8(changed.encode()).expect("text");
        assert_eq!(
            text,
            format!(
                "POST /a HTTP/1.1\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
                 Sec-WebSocket-Key: {SAMPLE_KEY}\r\nSec-WebSocket-Version: 13\r\nX: y\r\n\r\n"
            )
        );
        let shown = changed.evidence(&["connection", "host"]);
        assert_eq!(shown[1], Evidence::line("Connection: keep-alive, Upgrade"));
        assert_eq!(shown[2], Evidence::remark("no host"));
    }
}
