//! The lab API: requests by which the lab page asks the server to compute or to do something.
//!
//! The page does not compute accept keys or frames itself. It asks the server, so that a class sees the
//! results of the same code that serves its WebSockets.

use std::fmt;
use std::str::FromStr;

use ::http::StatusCode;
use crossbeam_channel::{Sender, bounded};
use serde::Serialize;
use serde_json::json;

use super::run_violation::{ThisServer, ViolationError, run_violation};
use super::violations::VIOLATIONS;
use crate::config::{
    ANSWER_TIMEOUT, MAX_DEMO_BYTES, MAX_EXPLAINED_BYTES, MAX_EXPLAINED_FRAMES, WireFor,
};
use crate::dispatcher::event::Event;
use crate::dispatcher::on_demand::DemoAction;
use crate::http::request::RequestHead;
use crate::http::response::Response;
use crate::protocol::{AcceptKey, CloseCode, Frame, Opcode};
use crate::sys::{Asker, ConnectionId};
use crate::text::count;
use crate::wire::WireEvent;
use crate::wire::explain::{beginning, bytes_in, events_in, masking_key_in};

/// An endpoint of the lab API. Each has a path of its own, and takes its parameters from the query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// `GET /wire/access`: tells whose connections the asker may see: the rule in `wire_for`, and what follows from it
    /// for this asker in `sees_all` and `teacher`.
    Access,
    /// `GET /wire/accept`: makes the accept key of any `key`, step by step.
    AcceptKey,
    /// `GET /wire/explain`: takes the bytes in `hex` apart.
    Explain,
    /// `GET /wire/frame`: builds a frame from its fields, and takes it apart. The fields are `text`, `mask` (hex; a
    /// frame without it is not masked), `opcode`, `fin`, `rsv`, and `code`, which stands before the text of a Close.
    BuildFrame,
    /// `GET /wire/rules`: lists the [violations](VIOLATIONS).
    Violations,
    /// `POST /wire/break`: runs the violation whose id is `rule`.
    RunViolation,
    /// `POST /wire/ask`: makes the server send something to the newest connection of the tab whose secret is `tab`, or
    /// to the connection `client`. That one must belong to the same tab, unless the teacher asks. `what` is `ping`,
    /// `fragments`, `bytes` (with `count`) or `close` (with `code`).
    Demo,
}

impl Endpoint {
    /// The endpoint at `path`.
    pub fn find(path: &str) -> Option<Endpoint> {
        Some(match path {
            "/wire/access" => Endpoint::Access,
            "/wire/accept" => Endpoint::AcceptKey,
            "/wire/explain" => Endpoint::Explain,
            "/wire/frame" => Endpoint::BuildFrame,
            "/wire/rules" => Endpoint::Violations,
            "/wire/break" => Endpoint::RunViolation,
            "/wire/ask" => Endpoint::Demo,
            _ => return None,
        })
    }

    /// Whether a request must use POST, because the endpoint makes the server send something.
    pub fn needs_post(self) -> bool {
        matches!(self, Endpoint::RunViolation | Endpoint::Demo)
    }
}

/// Answers a request to `endpoint`. The caller has checked that the page may use the lab API.
///
/// `asker` is the page that sent the request, `wire_for` is the rule on whose connections it may see, and `server` is
/// this server as a violation reaches it. An [`ApiError`] becomes an answer with status 400.
pub fn answer(
    endpoint: Endpoint,
    head: &RequestHead,
    asker: &Asker,
    wire_for: WireFor,
    server: &ThisServer<'_>,
    events: &Sender<Event>,
) -> Response {
    let result = match endpoint {
        Endpoint::Access => Ok(json(&json!({
            "wire_for": wire_for.as_str(),
            "sees_all": asker.sees_all,
            "teacher": asker.is_teacher,
        }))),
        Endpoint::AcceptKey => accept_key(head),
        Endpoint::Explain => bytes_from(head).and_then(|bytes| explain(&bytes)),
        Endpoint::BuildFrame => frame_from(head).and_then(|frame| explain(&frame.encode())),
        Endpoint::Violations => Ok(json(&&VIOLATIONS[..])),
        Endpoint::RunViolation => violate(&head.query_param("rule").unwrap_or_default(), server),
        Endpoint::Demo => demo(head, *asker, events),
    };
    result.unwrap_or_else(|error| Response::refusal(StatusCode::BAD_REQUEST, &error.to_string()))
}

/// The reason why the lab API could not do what a request asked for. The page shows its text.
#[derive(Debug)]
pub enum ApiError {
    /// A parameter is not there.
    Missing {
        /// The parameter's name.
        parameter: &'static str,
    },
    /// A parameter is not a number, or is larger than `most`.
    NotANumber {
        /// The parameter's name.
        parameter: &'static str,
        /// The largest number that it may have.
        most: usize,
    },
    /// The key of a handshake has this many bytes. The answer would repeat them.
    KeyTooLong(usize),
    /// The bytes in a parameter cannot be explained, for this reason.
    Unexplained(String),
    /// No violation has this id.
    UnknownViolation,
    /// The violation could not be run.
    Violation(ViolationError),
    /// The server cannot do this on demand.
    UnknownAction,
    /// The close code must not be in a Close frame (RFC 6455 section 7.4).
    ForbiddenCloseCode,
    /// The dispatcher did not do it, for this reason.
    Refused(String),
    /// The dispatcher did not answer in time.
    Busy,
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ApiError::Missing { parameter } => write!(f, "which {parameter}? add ?{parameter}=…"),
            ApiError::NotANumber { parameter, most } => {
                write!(f, "{parameter} must be a number from 0 to {most}")
            }
            ApiError::KeyTooLong(length) => {
                write!(f, "a key has 24 characters, and this one has {length} bytes")
            }
            ApiError::Unexplained(why) | ApiError::Refused(why) => f.write_str(why),
            ApiError::UnknownViolation => f.write_str("unknown rule; /wire/rules lists them all"),
            ApiError::Violation(error) => write!(f, "the rule could not be broken: {error}"),
            ApiError::UnknownAction => f.write_str("what must be ping, fragments, bytes or close"),
            ApiError::ForbiddenCloseCode => f.write_str(
                "a Close frame may carry only the codes 1000 to 1003, 1007 to 1014 and 3000 to 4999",
            ),
            ApiError::Busy => f.write_str("the dispatcher did not answer in time"),
        }
    }
}

impl std::error::Error for ApiError {}

fn json(value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(bytes) => Response::ok("application/json", bytes.into()),
        Err(error) => Response::refusal(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn accept_key(head: &RequestHead) -> Result<Response, ApiError> {
    let key = head.query_param("key").ok_or(ApiError::Missing { parameter: "key" })?;
    if key.len() > MAX_EXPLAINED_BYTES {
        return Err(ApiError::KeyTooLong(key.len()));
    }
    Ok(json(&AcceptKey::of(&key)))
}

fn bytes_from(head: &RequestHead) -> Result<Vec<u8>, ApiError> {
    let hex = head.query_param("hex").unwrap_or_default();
    bytes_in(&hex).map_err(|why| ApiError::Unexplained(why.to_string()))
}

/// An item of the list with which the page shows an explanation.
#[derive(Serialize)]
#[serde(untagged)]
enum Explained {
    Event(Box<WireEvent>),
    /// The last one, if not all bytes are shown.
    Rest {
        kind: &'static str,
        /// The number of bytes that are not shown.
        bytes: usize,
        sentence: String,
    },
}

/// Explains the first frames in `bytes`, because each byte takes many times its size in the answer.
fn explain(bytes: &[u8]) -> Result<Response, ApiError> {
    let shown = beginning(bytes, MAX_EXPLAINED_FRAMES, MAX_EXPLAINED_BYTES);
    let events = events_in(shown).map_err(|why| ApiError::Unexplained(why.to_string()))?;
    let mut parts: Vec<_> = events.into_iter().map(Box::new).map(Explained::Event).collect();
    let bytes = bytes.len() - shown.len();
    if bytes > 0 {
        let rest = count(bytes as u64, "more byte");
        let sentence = format!("{rest}; the command chalkwire explain shows everything");
        parts.push(Explained::Rest { kind: "rest", bytes, sentence });
    }
    Ok(json(&parts))
}

/// Builds the frame that the query describes; see [`Endpoint::BuildFrame`].
fn frame_from(head: &RequestHead) -> Result<Frame, ApiError> {
    let mask = head.query_param("mask").filter(|mask| !mask.is_empty());
    let key = mask.as_deref().map(masking_key_in).transpose();
    let key = key.map_err(|why| ApiError::Unexplained(why.to_string()))?;
    let opcode = Opcode::from_bits(number(head, "opcode", 15)?.unwrap_or(1));
    let code = number(head, "code", u16::MAX)?.map(u16::to_be_bytes);
    let text = head.query_param("text").unwrap_or_default();
    let payload = [code.as_ref().map_or(&[][..], |code| code), text.as_bytes()].concat();
    let mut frame = Frame::new(opcode, key, &payload);
    frame.header.fin = number(head, "fin", 1_u8)?.unwrap_or(1) == 1;
    frame.header.rsv = number(head, "rsv", 7)?.unwrap_or(0);
    Ok(frame)
}

/// The number in a parameter, `None` when the parameter is missing or empty.
fn number<N: FromStr + PartialOrd + Copy + Into<usize>>(
    head: &RequestHead,
    parameter: &'static str,
    most: N,
) -> Result<Option<N>, ApiError> {
    let text = head.query_param(parameter).filter(|text| !text.is_empty());
    let number = text.map(|text| text.parse().ok().filter(|number| *number <= most));
    match number {
        Some(None) => Err(ApiError::NotANumber { parameter, most: most.into() }),
        Some(number) => Ok(number),
        None => Ok(None),
    }
}

fn violate(id: &str, server: &ThisServer<'_>) -> Result<Response, ApiError> {
    let violation = VIOLATIONS.iter().find(|violation| violation.id == id);
    let violation = violation.ok_or(ApiError::UnknownViolation)?;
    let outcome = run_violation(violation, server).map_err(ApiError::Violation)?;
    Ok(json(&outcome))
}

fn demo(head: &RequestHead, asker: Asker, events: &Sender<Event>) -> Result<Response, ApiError> {
    let client = number(head, "client", usize::MAX)?.map(|client| ConnectionId(client as u64));
    let what = match head.query_param("what").unwrap_or_default().as_str() {
        "ping" => DemoAction::Ping,
        "fragments" => DemoAction::Fragments,
        "bytes" => {
            let count = number(head, "count", MAX_DEMO_BYTES)?;
            DemoAction::Bytes(count.ok_or(ApiError::Missing { parameter: "count" })?)
        }
        "close" => {
            let code = number(head, "code", u16::MAX)?.map(CloseCode);
            let code = code.filter(|code| code.may_travel());
            DemoAction::Close(code.ok_or(ApiError::ForbiddenCloseCode)?)
        }
        _ => return Err(ApiError::UnknownAction),
    };
    let (reply, done) = bounded(1);
    // If the dispatcher has ended, `reply` is gone too, and waiting for it fails at once.
    events.send(Event::Demo { client, asker, action: what, reply }).ok();
    match done.recv_timeout(ANSWER_TIMEOUT) {
        Ok(Ok(client)) => Ok(json(&json!({ "client": client }))),
        Ok(Err(why)) => Err(ApiError::Refused(why.to_string())),
        Err(_) => Err(ApiError::Busy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MAX_ANSWER;
    use crate::http::request::{HeadResult, parse_head};
    use crate::text::hex;

    #[test]
    fn only_endpoints_that_send_something_need_post() {
        for (path, needs_post) in [
            ("/wire/access", false),
            ("/wire/accept", false),
            ("/wire/explain", false),
            ("/wire/frame", false),
            ("/wire/rules", false),
            ("/wire/break", true),
            ("/wire/ask", true),
        ] {
            let endpoint = Endpoint::find(path).expect(path);
            assert_eq!(endpoint.needs_post(), needs_post, "{path}");
        }
        for nothing in ["/wire", "/wire/", "/wire/events", "/wire/ask/", "/WIRE/ask"] {
            assert_eq!(Endpoint::find(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn no_answer_is_longer_than_its_limit_whatever_it_explains() {
        let frames = |payload: &[u8], count: usize| {
            let frame = Frame::new(Opcode::Text, Some([1, 2, 3, 4]), payload);
            hex(&frame.encode().repeat(count)).replace(' ', "")
        };
        let mut fragment = Frame::new(Opcode::Text, None, &[1; 60]);
        fragment.header.fin = false;
        let head = [b"GET / HTTP/1.1\r\n", &[b'\n'; 1000][..], &[1; 100_000]].concat();
        for target in [
            format!("/wire/explain?hex={}", "8100".repeat(100_000)),
            format!("/wire/explain?hex={}", frames(&[1; 1000], 100)),
            format!("/wire/explain?hex={}", frames(&[0xff; 60], 2000)),
            format!("/wire/explain?hex={}", frames(&[1; 100_000], 3)),
            format!("/wire/explain?hex={}", hex(&fragment.encode().repeat(2000)).replace(' ', "")),
            format!("/wire/explain?hex={}", hex(&head).replace(' ', "")),
            format!("/wire/frame?text={}", "%01".repeat(100_000)),
            format!("/wire/accept?key={}", "%01".repeat(100_000)),
            format!("/wire/accept?key={}", "%01".repeat(MAX_EXPLAINED_BYTES)),
            "/wire/rules".to_owned(),
        ] {
            let text = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
            let Some(HeadResult::Head(head, _)) = parse_head(text.as_bytes(), 8 * text.len())
            else {
                panic!("a head: {:.40}", target);
            };
            let endpoint = Endpoint::find(&head.path).expect("an endpoint");
            let here = ThisServer::at(([127, 0, 0, 1], 1).into());
            let (asker, own) = (Asker::default(), WireFor::Own);
            let response = answer(endpoint, &head, &asker, own, &here, &bounded(1).0);
            let length: usize = response.encode().iter().map(|piece| piece.len()).sum();
            assert!(length < MAX_ANSWER, "{target:.60}: {length} bytes");
        }
    }
}
