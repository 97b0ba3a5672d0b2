//! Every reason to refuse a request, each with its status, its sentence, and the section of RFC 6455
//! that has the rule.

use std::fmt;

use ::http::StatusCode;

use super::response::Response;
use crate::protocol::BrokenRule;

/// The reason why a request gets neither a page nor a WebSocket.
///
/// Its `Display` is the one line that the client gets as the body of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The request head did not end in the time given.
    HeadTooLate,
    /// The request line has more bytes than this limit.
    RequestLineTooLong(usize),
    /// The request head has more bytes than this limit.
    HeadTooLong(usize),
    /// The request head has more header lines than this limit.
    TooManyHeaders(usize),
    /// The version of HTTP is not 1.x.
    HttpVersion,
    /// The first bytes are those of a TLS handshake.
    Tls,
    /// The bytes are not an HTTP request. The parser gives this reason.
    NotHttp(String),
    /// The value of the header of this name is not UTF-8.
    HeaderNotText(String),
    /// The request has this number of `Host` headers, and not exactly one.
    HostCount {
        /// The number of `Host` headers.
        count: usize,
        /// Whether the request asks for a WebSocket.
        handshake: bool,
    },
    /// The request target is neither a path nor an `http://` URL with a host.
    Target,
    /// The length that the request announces for its body is not clear.
    BodyLength(BodyLengthError),
    /// Nothing is at this path.
    NothingHere,
    /// Something is at this path, but not a WebSocket.
    NoWebSocketHere,
    /// A WebSocket is at this path, and the request does not ask for one.
    WebSocketOnly,
    /// This method is not among those allowed here.
    MethodNotAllowed {
        /// The methods for the `Allow` header.
        allow: &'static str,
        /// The method of the request.
        method: String,
        /// Whether the request asks for a WebSocket.
        handshake: bool,
    },
    /// An opening handshake over HTTP/1.0.
    HandshakeVersion,
    /// `Upgrade` does not list `websocket`.
    NoUpgrade,
    /// `Connection` does not list `Upgrade`.
    NoConnectionUpgrade,
    /// An opening handshake that announces a body.
    HandshakeBody,
    /// The handshake has this number of `Sec-WebSocket-Key` headers, and not exactly one.
    KeyCount(usize),
    /// `Sec-WebSocket-Key` is not 16 bytes in base64.
    InvalidKey,
    /// `Sec-WebSocket-Version` is missing.
    NoVersion,
    /// `Sec-WebSocket-Version` is not 13.
    OtherVersion,
    /// A handshake has exactly one `Sec-WebSocket-Version`; this one has another number.
    VersionCount(usize),
    /// Pages of this origin may not open a WebSocket.
    Origin(OriginError),
    /// The request may not read what is private.
    Private(PrivateError),
    /// Too many connections have not finished their handshake, or the system cannot start a thread.
    TooManyHandshakes,
    /// The request head was not complete when another connection needed the place of this one.
    PlaceNeeded,
    /// The client's address has this many connections already, which is the limit.
    TooManyFromAddress(usize),
    /// The client's address has opened more connections in a second than this.
    TooFastFromAddress(u32),
    /// The server has this many WebSockets already, which is its limit.
    TooManyClients(usize),
    /// The messages that are on their way take all the memory that they may have.
    OutOfMemory,
    /// This many pages watch the wire already.
    TooManyWatchers(usize),
    /// This many pages at the client's address watch the wire already.
    TooManyWatchersAtAddress(usize),
    /// The server is shutting down.
    ShuttingDown,
    /// The dispatcher did not answer in time.
    Busy,
}

/// The reason why the length of a request's body is not clear (RFC 9112 section 6.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyLengthError {
    /// The request has this number of `Content-Length` headers, and not at most one.
    Count(usize),
    /// `Content-Length` is not a number.
    NotANumber,
    /// The request has `Transfer-Encoding` as well, which announces another length.
    WithTransferEncoding,
}

/// The reason why a request may not open a WebSocket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OriginError {
    /// The request has no `Origin`, and this server requires one.
    Missing,
    /// The request has this `Origin`, which is not on the list.
    NotAllowed(String),
}

/// The reason why a request may not read what is private.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrivateError {
    /// The request is addressed to this `Host`, which is not a name of this server.
    UnknownHost(String),
    /// The browser says that a page of another site sent the request.
    OtherSite,
    /// A POST without `Origin`. Every browser sends `Origin` with a POST.
    PostWithoutOrigin,
    /// The request comes from a page of this origin.
    OtherOrigin(String),
    /// The request comes from a page of this origin, which would be the server's own behind a TLS proxy. But the browser
    /// does not confirm it.
    UnconfirmedOrigin(String),
}

/// The sentence for a connection that gets no thread.
const WHEN_FULL: &str = "this server has no room for more connections";

impl Refusal {
    /// The status, and the section of RFC 6455 if the broken rule is one of WebSocket's.
    fn verdict(&self) -> (StatusCode, Option<&'static str>) {
        match self {
            Refusal::HeadTooLate => (StatusCode::REQUEST_TIMEOUT, None),
            Refusal::RequestLineTooLong(_) => (StatusCode::URI_TOO_LONG, None),
            Refusal::HeadTooLong(_) | Refusal::TooManyHeaders(_) => {
                (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, None)
            }
            Refusal::HttpVersion => (StatusCode::HTTP_VERSION_NOT_SUPPORTED, None),
            Refusal::Tls
            | Refusal::NotHttp(_)
            | Refusal::HeaderNotText(_)
            | Refusal::Target
            | Refusal::BodyLength(_)
            | Refusal::HandshakeBody => (StatusCode::BAD_REQUEST, None),
            Refusal::HostCount { handshake, .. } => {
                (StatusCode::BAD_REQUEST, handshake.then_some("4.2.1"))
            }
            Refusal::NothingHere | Refusal::NoWebSocketHere => (StatusCode::NOT_FOUND, None),
            Refusal::MethodNotAllowed { handshake, .. } => {
                (StatusCode::METHOD_NOT_ALLOWED, handshake.then_some("4.2.1"))
            }
            Refusal::WebSocketOnly => (StatusCode::UPGRADE_REQUIRED, None),
            Refusal::NoUpgrade => (StatusCode::UPGRADE_REQUIRED, Some("4.2.1")),
            Refusal::OtherVersion => (StatusCode::UPGRADE_REQUIRED, Some("4.4")),
            Refusal::HandshakeVersion
            | Refusal::NoConnectionUpgrade
            | Refusal::InvalidKey
            | Refusal::NoVersion => (StatusCode::BAD_REQUEST, Some("4.2.1")),
            Refusal::KeyCount(0) => (StatusCode::BAD_REQUEST, Some("4.2.1")),
            Refusal::KeyCount(_) => (StatusCode::BAD_REQUEST, Some("11.3.1")),
            Refusal::VersionCount(_) => (StatusCode::BAD_REQUEST, Some("11.3.5")),
            Refusal::Origin(_) => (StatusCode::FORBIDDEN, Some("4.2.2")),
            Refusal::Private(_) => (StatusCode::FORBIDDEN, None),
            Refusal::TooManyHandshakes
            | Refusal::PlaceNeeded
            | Refusal::TooManyFromAddress(_)
            | Refusal::TooManyClients(_)
            | Refusal::OutOfMemory
            | Refusal::TooManyWatchers(_)
            | Refusal::TooManyWatchersAtAddress(_)
            | Refusal::ShuttingDown
            | Refusal::Busy => (StatusCode::SERVICE_UNAVAILABLE, None),
            Refusal::TooFastFromAddress(_) => (StatusCode::TOO_MANY_REQUESTS, None),
        }
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        self.verdict().0
    }

    /// The section of RFC 6455 that has the broken rule, such as `4.2.1`. `None` when the rule is
    /// HTTP's or this server's own.
    pub fn rfc_section(&self) -> Option<&'static str> {
        self.verdict().1
    }

    /// The rule of WebSocket that the request broke, for the wire view.
    pub fn broken_rule(&self) -> Option<BrokenRule> {
        let section = self.rfc_section()?;
        let sentence = std::fmt::from_fn(|f| self.write_sentence(f)).to_string();
        Some(BrokenRule { sentence, section })
    }

    /// The answer: the status, and the sentence as its body.
    pub fn response(&self) -> Response {
        let response = Response::refusal(self.status(), &self.to_string());
        match self {
            Refusal::MethodNotAllowed { allow, .. } => response.header("Allow", allow),
            // A new token comes within a second (RFC 6585 section 4).
            Refusal::TooFastFromAddress(_) => response.header("Retry-After", "1"),
            // 426 names what to upgrade to (RFC 9110 section 15.5.22), and the version
            // (RFC 6455 section 4.4).
            _ if self.status() == StatusCode::UPGRADE_REQUIRED => {
                response.header("Upgrade", "websocket").header("Sec-WebSocket-Version", "13")
            }
            _ => response,
        }
    }

    fn write_sentence(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::HeadTooLate => f.write_str("the request head did not end in time"),
            Refusal::RequestLineTooLong(limit) => {
                write!(f, "this server reads request lines of up to {limit} bytes")
            }
            Refusal::HeadTooLong(limit) => {
                write!(f, "this server reads request heads of up to {limit} bytes")
            }
            Refusal::TooManyHeaders(limit) => {
                write!(f, "this server reads up to {limit} header lines")
            }
            Refusal::HttpVersion => f.write_str("this server speaks HTTP/1.1"),
            Refusal::Tls => f.write_str(
                "these bytes start a TLS handshake, but this server speaks ws:// and http://",
            ),
            Refusal::NotHttp(reason) => write!(f, "this is not an HTTP request: {reason}"),
            Refusal::HeaderNotText(name) => write!(f, "the value of {name} is not UTF-8"),
            Refusal::HostCount { count, .. } => {
                write!(f, "a request needs exactly one Host header, and this one has {count}")
            }
            Refusal::Target => f.write_str(
                "this server needs a request target that is a path beginning with /, or an http:// URL",
            ),
            Refusal::BodyLength(error) => write!(f, "{error}"),
            Refusal::NothingHere => f.write_str("there is nothing at this path"),
            Refusal::NoWebSocketHere => f.write_str("there is no WebSocket at this path"),
            Refusal::WebSocketOnly => {
                f.write_str("this path speaks WebSocket only: open it with new WebSocket(url)")
            }
            Refusal::MethodNotAllowed { allow, method, .. } => {
                write!(f, "the method {method:?} is not allowed here, only {allow}")
            }
            Refusal::HandshakeVersion => {
                f.write_str("the opening handshake needs HTTP/1.1, not HTTP/1.0")
            }
            Refusal::NoUpgrade => f.write_str("the request has no \"Upgrade: websocket\""),
            Refusal::NoConnectionUpgrade => {
                f.write_str("the request has no \"Connection: Upgrade\"")
            }
            Refusal::HandshakeBody => f.write_str("an opening handshake must not have a body"),
            Refusal::KeyCount(count) => write!(
                f,
                "a handshake needs exactly one Sec-WebSocket-Key, and this one has {count}"
            ),
            Refusal::InvalidKey => f.write_str("Sec-WebSocket-Key is not 16 bytes in base64"),
            Refusal::NoVersion => f.write_str("the request has no \"Sec-WebSocket-Version: 13\""),
            Refusal::OtherVersion => f.write_str("Sec-WebSocket-Version must be 13"),
            Refusal::VersionCount(count) => write!(
                f,
                "a handshake needs exactly one Sec-WebSocket-Version, and this one has {count}"
            ),
            Refusal::Origin(error) => write!(f, "{error}"),
            Refusal::Private(error) => write!(f, "{error}"),
            Refusal::TooManyHandshakes => f.write_str(WHEN_FULL),
            Refusal::PlaceNeeded => f.write_str(
                "the server needed the place for another connection, because the request was not complete",
            ),
            Refusal::TooManyFromAddress(limit) => write!(
                f,
                "your address has {limit} connections open, and --max-per-address allows no more"
            ),
            Refusal::TooFastFromAddress(rate) => write!(
                f,
                "your address opens more than {rate} connections in a second, which is the limit of \
                 --max-rate-per-address"
            ),
            Refusal::TooManyClients(limit) => {
                write!(f, "this server has room for {limit} WebSockets, and all are taken")
            }
            Refusal::OutOfMemory => f.write_str(
                "the messages of other clients take all the memory that this server may use for them",
            ),
            Refusal::TooManyWatchers(limit) => {
                write!(f, "{limit} pages watch the wire already, and there is no room for another")
            }
            Refusal::TooManyWatchersAtAddress(limit) => write!(
                f,
                "{limit} pages at your address watch the wire already, which is the limit for one address"
            ),
            Refusal::ShuttingDown => f.write_str("this server is shutting down"),
            Refusal::Busy => f.write_str("the dispatcher is too busy to answer"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_sentence(f)?;
        match self.rfc_section() {
            Some(section) => write!(f, " (RFC 6455 {section})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for BodyLengthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BodyLengthError::Count(count) => {
                write!(f, "a request has at most one Content-Length, and this one has {count}")?;
            }
            BodyLengthError::NotANumber => f.write_str("Content-Length must be a number")?,
            BodyLengthError::WithTransferEncoding => {
                f.write_str(
                    "a request has Content-Length or Transfer-Encoding, and this one has both",
                )?;
            }
        }
        f.write_str(" (RFC 9112 6.3)")
    }
}

impl fmt::Display for OriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OriginError::Missing => {
                f.write_str("this server requires an Origin header, and the request has none")
            }
            OriginError::NotAllowed(origin) => {
                write!(f, "pages of {origin:?} are not allowed to connect")
            }
        }
    }
}

impl fmt::Display for PrivateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PrivateError::UnknownHost(host) => write!(f, "{host:?} is not a name of this server"),
            PrivateError::OtherSite => f.write_str("only this server's own page may read this"),
            PrivateError::PostWithoutOrigin => f.write_str("a POST needs an Origin header"),
            PrivateError::OtherOrigin(origin) => {
                write!(f, "pages of {origin:?} may not read this")
            }
            PrivateError::UnconfirmedOrigin(origin) => write!(
                f,
                "pages of {origin:?} may read this only if the request has \"Sec-Fetch-Site: same-origin\", or \
                 with --allow-origin {origin}"
            ),
        }
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_to_upgrade_to_and_which_methods_are_allowed() {
        let text = |refusal: Refusal| {
            String::from_utf8(refusal.response().encode().concat()).expect("ASCII")
        };
        let version = text(Refusal::OtherVersion);
        assert!(version.starts_with("HTTP/1.1 426 Upgrade Required\r\n"), "{version}");
        for header in ["Upgrade: websocket", "Sec-WebSocket-Version: 13", "Connection: upgrade, "] {
            assert!(version.contains(header), "{header} in {version}");
        }
        assert!(
            version.ends_with("Sec-WebSocket-Version must be 13 (RFC 6455 4.4)\n"),
            "{version}"
        );
        let method = Refusal::MethodNotAllowed {
            allow: "GET, HEAD",
            method: "PUT".to_owned(),
            handshake: false,
        };
        assert!(text(method).contains("\r\nAllow: GET, HEAD\r\n"));
    }
}
