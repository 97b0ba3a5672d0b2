//! One HTTP answer, and its bytes. The connection ends after it.

use ::http::StatusCode;
use bytes::Bytes;

/// The headers that every answer has, so that a page of this server can do no more than it needs, and so that other pages
/// can do nothing with its files.
const ALWAYS: [(&str, &str); 5] = [
    ("Cache-Control", "no-store"),
    // The page loads only what comes from this server, sends its forms nowhere else, and may connect to any WebSocket.
    (
        "Content-Security-Policy",
        "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; object-src 'none'; \
         base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    // Other origins need the WebSockets of this server, but none of its files. This header does not concern WebSockets.
    ("Cross-Origin-Resource-Policy", "same-origin"),
    // A link from the page to another server does not tell that server where the page is.
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
];

/// An answer to a request that does not become a WebSocket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: StatusCode,
    headers: Vec<(&'static str, String)>,
    /// `None` if the body has no end that is known.
    body: Option<Bytes>,
    without_body: bool,
}

impl Response {
    /// An answer with status 200 and this body.
    pub fn ok(content_type: &str, body: Bytes) -> Response {
        Response::with_body(StatusCode::OK, content_type, Some(body))
    }

    /// The head of Server-Sent Events, which the caller sends after it. They end with the connection, so the head does
    /// not announce a length (RFC 9112 section 6.3).
    pub fn event_stream() -> Response {
        Response::with_body(StatusCode::OK, "text/event-stream", None)
    }

    /// An answer whose body is one line that says why the request is refused.
    pub fn refusal(status: StatusCode, why: &str) -> Response {
        let body = format!("{status}: {why}\n");
        Response::with_body(status, "text/plain; charset=utf-8", Some(body.into()))
    }

    fn with_body(status: StatusCode, content_type: &str, body: Option<Bytes>) -> Response {
        let headers = vec![("Content-Type", content_type.to_owned())];
        Response { status, headers, body, without_body: false }
    }

    /// Adds a header.
    pub fn header(mut self, name: &'static str, value: &str) -> Response {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// Leaves the body out: the answer to HEAD (RFC 9110 section 9.3.2).
    pub fn without_body(mut self) -> Response {
        self.without_body = true;
        self
    }

    /// The body's text, for the log.
    pub fn line(&self) -> String {
        let body = self.body.as_deref().unwrap_or_default();
        String::from_utf8_lossy(body).trim_end().to_owned()
    }

    /// The answer's bytes: the head, and the body unless it is left out. The head announces the body's length also when
    /// the body is left out (RFC 9110 section 8.6).
    pub fn encode(&self) -> Vec<Bytes> {
        let upgrade = self.headers.iter().any(|(name, _)| *name == "Upgrade");
        let connection = if upgrade { "upgrade, close" } else { "close" };
        let length = self.body.as_ref().map(|body| body.len().to_string());
        let own = self.headers.iter().map(|(name, value)| (*name, &**value));
        let length = length.iter().map(|length| ("Content-Length", &**length));
        let mut head = format!("HTTP/1.1 {}\r\n", self.status);
        for (name, value) in own.chain(length).chain([("Connection", connection)]).chain(ALWAYS) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let body = self.body.iter().filter(|body| !self.without_body && !body.is_empty());
        [Bytes::from(head)].into_iter().chain(body.cloned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_in_bytes() {
        let response = Response::refusal(StatusCode::UPGRADE_REQUIRED, "speak");
        let pieces = response.header("Upgrade", "websocket").encode();
        assert_eq!(
            String::from_utf8(pieces.concat()).unwrap(),
            "HTTP/1.1 426 Upgrade Required\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Upgrade: websocket\r\nContent-Length: 28\r\nConnection: upgrade, close\r\n\
             Cache-Control: no-store\r\n\
             Content-Security-Policy: default-src 'self'; connect-src 'self' ws: wss:; \
             img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; \
             frame-ancestors 'none'\r\nCross-Origin-Resource-Policy: same-origin\r\n\
             Referrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\n\r\n\
             426 Upgrade Required: speak\n"
        );
        let stream = String::from_utf8(Response::event_stream().encode().concat()).unwrap();
        assert!(stream.ends_with("\r\n\r\n") && !stream.contains("Content-Length"), "{stream}");
    }
}
