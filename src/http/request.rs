//! The little of HTTP/1.1 that a WebSocket server needs: read one request head, write one answer.
//!
//! tungstenite sends nothing at all to a request it does not like, so the head is read here,
//! bounded and with a deadline, and whoever is refused learns why.

use std::io::{self, Read};
use std::net::TcpStream;
use std::time::Instant;

use bytes::Bytes;

use super::response::Response;
use crate::config::MAX_HEADERS;
use crate::sys::socket::is_timeout;

/// The head of a request: everything up to the blank line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHead {
    /// `GET` and so on, as sent.
    pub method: String,
    /// The path of the request target, still percent-encoded, without the query.
    pub path: String,
    /// What stands behind the `?` of the target.
    pub query: String,
    /// 0 for HTTP/1.0, 1 for HTTP/1.1.
    pub minor_version: u8,
    headers: Vec<(String, String)>,
}

impl RequestHead {
    /// The values of all headers of this name, in order. Names are matched in any case.
    pub fn get_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The first header of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The items of a list header, which may also be spread over several lines
    /// (RFC 9110 section 5.3).
    pub fn tokens<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.get_all(name)
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .filter(|s| !s.is_empty())
    }

    /// The first value of this name in the query, decoded as browsers encode forms: `%20` and `+` are a space.
    pub fn query_param(&self, name: &str) -> Option<String> {
        let mut pairs = form_urlencoded::parse(self.query.as_bytes());
        pairs.find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
    }

    /// Whether a list header has this item, in any case.
    pub fn has_token(&self, name: &str, item: &str) -> bool {
        self.tokens(name).any(|found| found.eq_ignore_ascii_case(item))
    }
}

/// What came of reading a request head.
#[derive(Debug)]
pub enum HeadResult {
    /// A head, and the bytes that came right behind it.
    Head(RequestHead, Vec<u8>),
    /// No head; this is the answer.
    Refused(Response),
    /// The peer went away, or sent nothing at all: nobody to answer.
    Gone,
}

/// Reads from `socket` until the blank line, at most `max_head` bytes, until `deadline`. Gives also
/// the bytes of the head as they came, or what came in its place.
pub fn read_head(socket: &TcpStream, max_head: usize, deadline: Instant) -> (HeadResult, Bytes) {
    let mut bytes = Vec::with_capacity(1024);
    let result = read_until_parsed(socket, max_head, deadline, &mut bytes);
    if let HeadResult::Head(_, leftover) = &result {
        bytes.truncate(bytes.len() - leftover.len());
    }
    (result, bytes.into())
}

fn read_until_parsed(
    socket: &TcpStream,
    max_head: usize,
    deadline: Instant,
    bytes: &mut Vec<u8>,
) -> HeadResult {
    let mut chunk = [0; 1024];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return late(bytes);
        }
        if socket.set_read_timeout(Some(left)).is_err() {
            return HeadResult::Gone;
        }
        let mut reader = socket;
        match reader.read(&mut chunk) {
            Ok(0) => return HeadResult::Gone,
            Ok(count) => bytes.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if is_timeout(&error) => return late(bytes),
            Err(_) => return HeadResult::Gone,
        }
        if let Some(result) = parse_head(bytes, max_head) {
            return result;
        }
    }
}

/// A peer that has sent nothing (a browser's spare connection) expects no answer either.
fn late(bytes: &[u8]) -> HeadResult {
    if bytes.is_empty() {
        return HeadResult::Gone;
    }
    HeadResult::Refused(Response::new(408, "the request head did not end in time"))
}

/// Reads a head from all bytes so far; `None` when more are needed.
pub fn parse_head(bytes: &[u8], max_head: usize) -> Option<HeadResult> {
    use httparse::{Error, Status};
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let refused = |status, why: &str| Some(HeadResult::Refused(Response::new(status, why)));
    let line = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    match request.parse(bytes) {
        // Whether it came at once or in pieces.
        Ok(_) if line > max_head / 2 => {
            refused(414, &format!("a request line has at most {} bytes here", max_head / 2))
        }
        Ok(Status::Complete(length)) if length <= max_head => Some(match to_head(&request) {
            Ok(head) => HeadResult::Head(head, bytes[length..].to_vec()),
            Err(refusal) => HeadResult::Refused(refusal),
        }),
        Ok(Status::Partial) if bytes.len() < max_head => None,
        Ok(_) => refused(431, &format!("a request head has at most {max_head} bytes here")),
        Err(Error::TooManyHeaders) => {
            refused(431, &format!("a request has at most {MAX_HEADERS} header lines here"))
        }
        Err(Error::Version) => refused(505, "this server speaks HTTP/1.1"),
        Err(_) if bytes.starts_with(&[0x16, 0x03]) => {
            refused(400, "that is the start of TLS: this server speaks ws:// and http:// only")
        }
        Err(error) => refused(400, &format!("not an HTTP request: {error}")),
    }
}

fn to_head(request: &httparse::Request<'_, '_>) -> Result<RequestHead, Response> {
    let mut headers = Vec::with_capacity(request.headers.len());
    for header in request.headers.iter() {
        let Ok(value) = std::str::from_utf8(header.value) else {
            let why = format!("the value of {} is not text", header.name);
            return Err(Response::new(400, &why));
        };
        headers.push((header.name.to_owned(), value.trim().to_owned()));
    }
    let target = request.path.unwrap_or_default();
    let (target, query) = target.split_once('?').unwrap_or((target, ""));
    // A target may be a whole URL (RFC 9112 section 3.2.2); only its path matters here.
    let path = match target.split_once("://") {
        Some((_, rest)) if !target.starts_with('/') => {
            rest.find('/').map_or("/", |slash| &rest[slash..])
        }
        _ => target,
    };
    Ok(RequestHead {
        method: request.method.unwrap_or_default().to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        minor_version: request.version.unwrap_or_default(),
        headers,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(bytes: &[u8]) -> Option<u16> {
        match parse_head(bytes, 1024) {
            None => None,
            Some(HeadResult::Refused(response)) => Some(response.status),
            Some(other) => panic!("{other:?}"),
        }
    }

    fn head(bytes: &[u8]) -> (RequestHead, Vec<u8>) {
        match parse_head(bytes, 1024) {
            Some(HeadResult::Head(head, rest)) => (head, rest),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_head_is_read_and_what_follows_is_kept() {
        let (head, rest) = head(
            b"GET /echo?x=1 HTTP/1.1\r\nhost: a\r\nConnection: keep-alive\r\n\
              CONNECTION: x, Upgrade\r\n\r\n\x81\x80abcd",
        );
        assert_eq!((&*head.method, &*head.path, head.minor_version), ("GET", "/echo", 1));
        assert_eq!(head.get("Host"), Some("a"));
        assert_eq!((head.query_param("x").as_deref(), head.query_param("y")), (Some("1"), None));
        assert!(head.has_token("Connection", "upgrade"));
        assert!(!head.has_token("Connection", "close"));
        assert_eq!(rest, b"\x81\x80abcd");
    }

    #[test]
    fn a_target_may_be_a_whole_url() {
        assert_eq!(head(b"GET http://a:1/echo?q HTTP/1.1\r\n\r\n").0.path, "/echo");
        assert_eq!(head(b"GET http://a HTTP/1.1\r\n\r\n").0.path, "/");
        assert_eq!(head(b"GET http://a?b=/c HTTP/1.1\r\n\r\n").0.path, "/");
        assert_eq!(head(b"GET /echo?next=http://a/stats HTTP/1.1\r\n\r\n").0.path, "/echo");
        assert_eq!(head(b"GET /x://y/echo HTTP/1.1\r\n\r\n").0.path, "/x://y/echo");
    }

    #[test]
    fn the_limits_are_the_same_however_the_head_is_cut() {
        let status = |bytes: &[u8]| match parse_head(bytes, 1024) {
            Some(HeadResult::Refused(response)) => response.status,
            Some(_) => 200,
            None => 0,
        };
        for (line, rest, expected) in [(512, 100, 200), (513, 0, 414), (100, 1000, 431)] {
            let line = format!("GET /{} HTTP/1.1\r", "a".repeat(line - 15));
            let head = format!("{line}\nA: {}\r\n\r\n", "b".repeat(rest)).into_bytes();
            assert_eq!(status(&head), expected, "at once");
            let found = (1..=head.len()).map(|end| status(&head[..end])).find(|found| *found > 0);
            assert_eq!(found, Some(expected), "byte by byte");
        }
    }

    #[test]
    fn what_is_no_head_is_told_what_it_is() {
        assert_eq!(status(b"GET / HTTP/1.1\r\nHost: a\r\n"), None);
        assert_eq!(status(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Some(505));
        assert_eq!(status(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), Some(400));
        assert_eq!(status(b"GET / HTTP/1.1\r\nUpgrade : websocket\r\n\r\n"), Some(400));
        assert_eq!(status(b"GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n"), Some(400));
        assert_eq!(status(b"GET / HTTP/1.1\r\nA: b\0c\r\n\r\n"), Some(400));
        assert_eq!(status(b"GET / HTTP/1.1\r\nA: b\rc\r\n\r\n"), Some(400));
        assert_eq!(status(b"GET / HTTP/1.1\r\nA: \xff\r\n\r\n"), Some(400));
        assert_eq!(status(&[b"GET /", &*vec![b'a'; 600]].concat()), Some(414));
        let long = [b"GET / HTTP/1.1\r\nA: ", &*vec![b'a'; 1100]].concat();
        assert_eq!(status(&long), Some(431));
        let ended = [&*long, b"\r\n\r\n"].concat();
        assert_eq!(status(&ended), Some(431));
        let many = [b"GET / HTTP/1.1\r\n".to_vec(), b"A: b\r\n".repeat(101)].concat();
        assert_eq!(status(&many), Some(431));
    }
}
