//! Reading one request head: bounded in bytes, and with a deadline.
//!
//! tungstenite does not answer a request that it does not accept. So we read the head ourselves, and
//! every client that is refused learns why.

use std::fmt;
use std::io::{self, Read};
use std::net::TcpStream;
use std::time::Instant;

use ::http::{HeaderMap, HeaderName, HeaderValue};

use super::refusal::Refusal;
use crate::config::{HEAD_READ, LOGGED_METHOD, LOGGED_PATH, MAX_HEADERS, USUAL_HEADERS};
use crate::sys::socket::is_timeout;

/// The head of a request: everything up to the blank line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHead {
    /// `GET` and so on, as sent.
    pub method: String,
    /// The path of the request target, still percent-encoded, without the query.
    pub path: String,
    /// The part of the target after the `?`.
    pub query: String,
    /// 0 for HTTP/1.0, 1 for HTTP/1.1.
    pub minor_version: u8,
    /// All values are UTF-8, which [`parse_head`] has checked.
    headers: HeaderMap,
}

/// The method and the path, for a line of the log. Both are cut, because a peer chooses how long they are.
impl fmt::Display for RequestHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (method, path) =
            (start_of(&self.method, LOGGED_METHOD), start_of(&self.path, LOGGED_PATH));
        let dots = if path.len() < self.path.len() { "..." } else { "" };
        write!(f, "{method} {path:?}{dots}")
    }
}

/// The first `length` characters of `text`.
fn start_of(text: &str, length: usize) -> &str {
    text.char_indices().nth(length).map_or(text, |(end, _)| &text[..end])
}

impl RequestHead {
    /// The values of all headers of this name, in order. Case does not matter in names.
    pub fn get_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.get_all(name).iter().filter_map(text_of)
    }

    /// The value of the first header of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(text_of)
    }

    /// The tokens of a list header, which may also be spread over several lines
    /// (RFC 9110 section 5.3).
    pub fn tokens<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let items = self.get_all(name).flat_map(|value| value.split(','));
        items.map(str::trim).filter(|item| !item.is_empty())
    }

    /// Whether a list header has this token. Case does not matter.
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.tokens(name).any(|found| found.eq_ignore_ascii_case(token))
    }

    /// The value of this name in the query, decoded.
    pub fn query_param(&self, name: &str) -> Option<String> {
        let mut pairs = form_urlencoded::parse(self.query.as_bytes());
        pairs.find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
    }
}

fn text_of(value: &HeaderValue) -> Option<&str> {
    std::str::from_utf8(value.as_bytes()).ok()
}

/// The result of reading a request head.
#[derive(Debug)]
pub enum HeadResult {
    /// A head, and how many bytes it has.
    Head(RequestHead, usize),
    /// The bytes are not a head that this server accepts.
    Refused(Refusal),
    /// The peer went away, or sent nothing at all, so nobody waits for an answer.
    Gone,
}

/// Reads from `socket` into `bytes` until the blank line: at most about `max_head` bytes, and until
/// `deadline`. `bytes` is empty at the start. At the end it has the head and the bytes that came right
/// behind it, or bytes that are not a head.
pub fn read_head(
    socket: &TcpStream,
    max_head: usize,
    deadline: Instant,
    bytes: &mut Vec<u8>,
) -> HeadResult {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return late(bytes);
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
            Ok(0) => return HeadResult::Gone,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if is_timeout(&error) => return late(bytes),
            Err(_) => return HeadResult::Gone,
        }
        if let Some(result) = parse_head(bytes, max_head) {
            return result;
        }
    }
}

/// A peer that has sent nothing, such as a browser's spare connection, does not expect an answer.
fn late(bytes: &[u8]) -> HeadResult {
    if bytes.is_empty() { HeadResult::Gone } else { HeadResult::Refused(Refusal::HeadTooLate) }
}

/// Parses a head from all bytes so far. `None` means that more bytes are needed.
pub fn parse_head(bytes: &[u8], max_head: usize) -> Option<HeadResult> {
    use httparse::{Error, Status};
    // On the heap, and small: a thread keeps every page of its stack that it has touched, and a hole
    // that a large piece of memory leaves in the heap is not filled again. Both would cost each client
    // memory for as long as it is connected.
    let mut headers = vec![httparse::EMPTY_HEADER; USUAL_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let mut parsed = request.parse(bytes);
    let mut more_headers;
    if parsed == Err(Error::TooManyHeaders) {
        more_headers = vec![httparse::EMPTY_HEADER; MAX_HEADERS];
        request = httparse::Request::new(&mut more_headers);
        parsed = request.parse(bytes);
    }
    let refused = |refusal| Some(HeadResult::Refused(refusal));
    let line = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    match parsed {
        // Checked here as well, so that the answer does not depend on how the network cut the bytes.
        Ok(_) if line > max_head / 2 => refused(Refusal::RequestLineTooLong(max_head / 2)),
        Ok(Status::Complete(length)) if length <= max_head => Some(match to_head(&request) {
            Ok(head) => HeadResult::Head(head, length),
            Err(refusal) => HeadResult::Refused(refusal),
        }),
        Ok(Status::Partial) if bytes.len() < max_head => None,
        Ok(_) => refused(Refusal::HeadTooLong(max_head)),
        Err(Error::TooManyHeaders) => refused(Refusal::TooManyHeaders(MAX_HEADERS)),
        Err(Error::Version) => refused(Refusal::HttpVersion),
        Err(_) if bytes.starts_with(&[0x16, 0x03]) => refused(Refusal::Tls),
        Err(error) => refused(Refusal::NotHttp(error.to_string())),
    }
}

fn to_head(request: &httparse::Request<'_, '_>) -> Result<RequestHead, Refusal> {
    let mut headers = HeaderMap::with_capacity(request.headers.len());
    for header in request.headers.iter() {
        let not_text = || Refusal::HeaderNotText(header.name.to_owned());
        let value = std::str::from_utf8(header.value).map_err(|_| not_text())?;
        let value = HeaderValue::from_bytes(value.trim().as_bytes()).map_err(|_| not_text())?;
        let name = HeaderName::from_bytes(header.name.as_bytes())
            .map_err(|error| Refusal::NotHttp(error.to_string()))?;
        headers.append(name, value);
    }
    let target = request.path.unwrap_or_default();
    let (target, query) = target.split_once('?').unwrap_or((target, ""));
    // A target may be a whole URL (RFC 9112 section 3.2.2). Only its path matters here.
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
            Some(HeadResult::Refused(refusal)) => Some(refusal.status().as_u16()),
            Some(other) => panic!("{other:?}"),
        }
    }

    fn head(bytes: &[u8]) -> (RequestHead, Vec<u8>) {
        match parse_head(bytes, 1024) {
            Some(HeadResult::Head(head, length)) => (head, bytes[length..].to_vec()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_bytes_behind_a_head_are_kept() {
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
    fn a_line_of_the_log_has_200_characters_of_a_path() {
        let line = |path: &str| {
            let text = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
            head(text.as_bytes()).0.to_string()
        };
        assert_eq!(line("/a\"b"), r#"GET "/a\"b""#);
        let just_fits = format!("/{}", "ü".repeat(199));
        assert_eq!(line(&just_fits), format!("GET {just_fits:?}"));
        assert_eq!(line(&format!("{just_fits}x")), format!("GET {just_fits:?}..."));
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
            Some(HeadResult::Refused(refusal)) => refusal.status().as_u16(),
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
    fn bytes_that_are_not_a_head_are_refused_with_a_reason() {
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
