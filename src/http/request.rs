//! The head of a request, parsed from its bytes.
//!
//! tungstenite does not answer a request that it does not accept. So we parse the head ourselves, and
//! every client that is refused learns why.

use std::fmt;

use ::http::{HeaderMap, HeaderName, HeaderValue};

use super::refusal::{BodyLengthError, Refusal};
use crate::config::{LOGGED_METHOD, LOGGED_PATH, MAX_HEADERS, USUAL_HEADERS};

/// The first byte of a TLS handshake (RFC 8446 section 5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// The head of a request: everything up to the blank line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHead {
    /// `GET` and so on, as sent.
    pub method: String,
    /// The `host:port` of a request target that is a whole URL.
    authority: Option<String>,
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

    /// The `host:port` that the request is addressed to, empty if it does not say. In a request target that is a whole
    /// URL, the host replaces that of `Host` (RFC 9112 section 3.2.2).
    pub fn host(&self) -> &str {
        self.authority.as_deref().or_else(|| self.get("Host")).unwrap_or_default()
    }

    /// Checks that the head announces one length of a body at most. Two programs that read two lengths differently,
    /// such as a proxy and a server, do not agree where the next request begins.
    ///
    /// # Errors
    /// The mistake in `Content-Length` (RFC 9112 section 6.3).
    pub fn check_body_length(&self) -> Result<(), BodyLengthError> {
        let lengths: Vec<&str> = self.get_all("Content-Length").collect();
        match lengths[..] {
            [] => Ok(()),
            [_] if self.get("Transfer-Encoding").is_some() => {
                Err(BodyLengthError::WithTransferEncoding)
            }
            [length] if length.bytes().all(|byte| byte.is_ascii_digit()) && !length.is_empty() => {
                Ok(())
            }
            [_] => Err(BodyLengthError::NotANumber),
            _ => Err(BodyLengthError::Count(lengths.len())),
        }
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
    /// A head, and how many bytes it has. It is boxed, because each function that passes it on would need place for
    /// it on the stack, and a client's thread keeps every page of its stack that it has touched.
    Head(Box<RequestHead>, usize),
    /// The bytes are not a head that this server accepts.
    Refused(Refusal),
    /// The peer went away, or sent nothing at all, so nobody waits for an answer.
    Gone,
}

/// Parses a head from all bytes so far. `None` means that more bytes are needed.
///
/// The result does not depend on the pieces in which the bytes came: a fault behind a limit does not count, because a
/// server that reads byte by byte would not have come so far.
pub fn parse_head(bytes: &[u8], max_head: usize) -> Option<HeadResult> {
    use httparse::{Error, Status};
    let (limit, too_long) = limit_of(bytes, max_head);
    let bytes = &bytes[..bytes.len().min(limit)];
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
    let refusal = match parsed {
        Ok(Status::Complete(length)) => match to_head(&request) {
            Ok(head) => return Some(HeadResult::Head(Box::new(head), length)),
            Err(refusal) => refusal,
        },
        Ok(Status::Partial) if bytes.len() < limit => return None,
        Ok(Status::Partial) => too_long,
        Err(Error::TooManyHeaders) => Refusal::TooManyHeaders(MAX_HEADERS),
        Err(Error::Version) => Refusal::HttpVersion,
        Err(_) if bytes.starts_with(&[TLS_HANDSHAKE]) => Refusal::Tls,
        Err(error) => Refusal::NotHttp(error.to_string()),
    };
    Some(HeadResult::Refused(refusal))
}

/// The bytes within which a head must end, and the refusal when it does not. A request line that is too long gets its
/// own refusal, before the head has reached its limit.
fn limit_of(bytes: &[u8], max_head: usize) -> (usize, Refusal) {
    let max_line = max_head / 2;
    // Line ends before the request line do not count (RFC 9112 section 2.2).
    let start = bytes.iter().take_while(|byte| b"\r\n".contains(byte)).count();
    let line = bytes[start..].iter().take_while(|byte| **byte != b'\n').count();
    if line > max_line && start + max_line < max_head {
        (start + max_line + 1, Refusal::RequestLineTooLong(max_line))
    } else {
        (max_head, Refusal::HeadTooLong(max_head))
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
    let (authority, path) = split_target(request.path.unwrap_or_default())?;
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    Ok(RequestHead {
        method: request.method.unwrap_or_default().to_owned(),
        authority: authority.map(str::to_owned),
        path: if path.is_empty() { "/" } else { path }.to_owned(),
        query: query.to_owned(),
        minor_version: request.version.unwrap_or_default(),
        headers,
    })
}

/// Splits a request target into its authority, which only a whole URL has, and its path with the query.
///
/// The two other forms (RFC 9112 section 3.2) are refused, because this server does not serve their methods:
/// `HOST:PORT` is for CONNECT, and `*` is for OPTIONS.
fn split_target(target: &str) -> Result<(Option<&str>, &str), Refusal> {
    if target.starts_with('/') {
        return Ok((None, target));
    }
    let (scheme, rest) = target.split_once("://").ok_or(Refusal::Target)?;
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    // A name and a password before the host hide where a URL leads (RFC 9110 section 4.2.4).
    let is_valid = !authority.is_empty() && !authority.contains('@');
    if is_valid && scheme.eq_ignore_ascii_case("http") {
        Ok((Some(authority), path))
    } else {
        Err(Refusal::Target)
    }
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
            Some(HeadResult::Head(head, length)) => (*head, bytes[length..].to_vec()),
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
    fn a_target_may_be_a_whole_url_whose_host_replaces_the_header() {
        for (target, host, path, query) in [
            ("/echo", "b:2", "/echo", ""),
            ("http://a:1/echo?q", "a:1", "/echo", "q"),
            ("HTTP://a", "a", "/", ""),
            ("http://a?b=/c", "a", "/", "b=/c"),
            ("/echo?next=http://a/stats", "b:2", "/echo", "next=http://a/stats"),
            ("/x://y/echo", "b:2", "/x://y/echo", ""),
            ("//a/echo", "b:2", "//a/echo", ""),
        ] {
            let text = format!("GET {target} HTTP/1.1\r\nHost: b:2\r\n\r\n");
            let (head, _) = head(text.as_bytes());
            assert_eq!((head.host(), &*head.path, &*head.query), (host, path, query), "{target}");
        }
        for target in ["*", "a:1", "echo", "https://a/", "ftp://a/", "http:///", "http://b:2@a/"] {
            let text = format!("GET {target} HTTP/1.1\r\nHost: b:2\r\n\r\n");
            assert_eq!(status(text.as_bytes()), Some(400), "{target}");
        }
    }

    #[test]
    fn a_request_announces_one_length_of_its_body_at_most() {
        let check = |lines: &str| {
            head(format!("GET / HTTP/1.1\r\n{lines}\r\n").as_bytes()).0.check_body_length()
        };
        let zero = "Content-Length: 0\r\n";
        assert_eq!(check(""), Ok(()));
        assert_eq!(check(zero), Ok(()));
        assert_eq!(check("Transfer-Encoding: chunked\r\n"), Ok(()));
        assert_eq!(check(&zero.repeat(2)), Err(BodyLengthError::Count(2)));
        let different = format!("{zero}Content-Length: 5\r\n");
        assert_eq!(check(&different), Err(BodyLengthError::Count(2)));
        let both = format!("{zero}Transfer-Encoding: chunked\r\n");
        assert_eq!(check(&both), Err(BodyLengthError::WithTransferEncoding));
        for wrong in ["", "+5", "-1", "0x5", "5, 5", "5 5"] {
            let line = format!("Content-Length: {wrong}\r\n");
            assert_eq!(check(&line), Err(BodyLengthError::NotANumber), "{wrong}");
        }
    }

    #[test]
    fn the_limits_are_the_same_however_the_head_is_cut() {
        let status = |bytes: &[u8]| match parse_head(bytes, 1024) {
            Some(HeadResult::Refused(refusal)) => refusal.status().as_u16(),
            Some(_) => 200,
            None => 0,
        };
        let line = |length: usize| format!("GET /{} HTTP/1.1\r\n", "a".repeat(length - 15));
        let header = |length: usize| format!("A: {}\r\n", "b".repeat(length));
        for (head, expected) in [
            (line(512) + &header(100), 200),
            (line(513), 414),
            (line(100) + &header(1000), 431),
            // Line ends before the request line do not count.
            ("\r\n".repeat(100) + &line(512), 200),
            ("\r\n".repeat(100) + &line(513), 414),
            ("\r\n".repeat(300) + &line(513), 431),
            // A fault behind a limit does not count, and a fault before it does.
            (line(513) + "A B\r\n", 414),
            (line(100) + &header(1000) + "A B\r\n", 431),
            (line(100) + "A B\r\n" + &header(1000), 400),
            (format!("GET \0{}", line(513)), 400),
        ] {
            let head = format!("{head}\r\n").into_bytes();
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
