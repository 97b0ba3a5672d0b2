//! One HTTP answer, and its bytes. The connection ends after it.

use ::http::StatusCode;
use bytes::Bytes;

/// An answer to a request that does not become a WebSocket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: StatusCode,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
    without_body: bool,
}

impl Response {
    /// An answer with status 200 and this body.
    pub fn ok(content_type: &str, body: Bytes) -> Response {
        Response::with_body(StatusCode::OK, content_type, body)
    }

    /// An answer whose body is one line that says why the request is refused.
    pub fn refusal(status: StatusCode, why: &str) -> Response {
        let body = format!("{status}: {why}\n");
        Response::with_body(status, "text/plain; charset=utf-8", body.into())
    }

    fn with_body(status: StatusCode, content_type: &str, body: Bytes) -> Response {
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
        String::from_utf8_lossy(&self.body).trim_end().to_owned()
    }

    /// The answer's bytes: the head, and the body unless it is left out. Without a body to leave out, its
    /// length is not known, and the head does not announce one (RFC 9110 section 8.6).
    pub fn encode(&self) -> Vec<Bytes> {
        let mut head = format!("HTTP/1.1 {}\r\n", self.status);
        let upgrade = self.headers.iter().any(|(name, _)| *name == "Upgrade");
        let connection = if upgrade { "upgrade, close" } else { "close" };
        let fixed = [
            ("Content-Length", self.body.len().to_string()),
            ("Connection", connection.to_owned()),
            ("Cache-Control", "no-store".to_owned()),
            ("X-Content-Type-Options", "nosniff".to_owned()),
        ];
        let is_unknown = self.without_body && self.body.is_empty();
        let fixed = if is_unknown { &fixed[1..] } else { &fixed[..] };
        for (name, value) in self.headers.iter().chain(fixed) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let mut pieces = vec![Bytes::from(head)];
        if !self.without_body && !self.body.is_empty() {
            pieces.push(self.body.clone());
        }
        pieces
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
             Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n\r\n\
             426 Upgrade Required: speak\n"
        );
    }
}
