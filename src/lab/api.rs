//! What the lab page lets the server do and compute, so that nothing is written twice: the accept
//! key of any key, any frame taken apart or put together, rules broken on purpose, and things sent
//! on demand.

use std::net::{IpAddr, SocketAddr};

use crossbeam_channel::{Sender, bounded};
use serde::Serialize;
use serde_json::json;

use crate::config::ANSWER_TIMEOUT;
use crate::dispatcher::event::{DemoAction, Event};
use crate::http::request::RequestHead;
use crate::http::response::Response;
use crate::lab::violations::{VIOLATIONS, run_violation};
use crate::protocol::AcceptKey;
use crate::protocol::CloseCode;
use crate::protocol::{Frame, Opcode};
use crate::sys::ConnectionId;
use crate::text::hex;
use crate::wire::explain::{bytes_in, events_in, masking_key_in};

/// The paths.
pub const PATHS: [&str; 6] =
    ["/wire/accept", "/wire/explain", "/wire/frame", "/wire/rules", "/wire/break", "/wire/ask"];

/// Whether what is at this path does something, and so is asked for with POST.
pub fn needs_post(path: &str) -> bool {
    matches!(path, "/wire/break" | "/wire/ask")
}

/// Bytes of payload in a message that is asked for.
const MOST_ASKED: usize = 65_536;

/// Answers a request, whose right to ask has been examined.
pub fn answer(
    head: &RequestHead,
    asker: IpAddr,
    address: SocketAddr,
    events: &Sender<Event>,
) -> Response {
    let result = match &*head.path {
        "/wire/accept" => head
            .query_param("key")
            .map(|key| json(&AcceptKey::of(&key)))
            .ok_or_else(|| "which key? ?key=…".to_owned()),
        "/wire/explain" => explain(&head.query_param("hex").unwrap_or_default()),
        "/wire/frame" => put_together(head).and_then(|frame| explain(&hex(&frame.encode()))),
        "/wire/rules" => Ok(json(&&VIOLATIONS[..])),
        "/wire/break" => break_one(&head.query_param("rule").unwrap_or_default(), address),
        _ => ask(head, asker, events),
    };
    result.unwrap_or_else(|why| Response::new(400, &why))
}

fn json(value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(bytes) => Response::with_body(200, "application/json", bytes.into()),
        Err(error) => Response::new(500, &error.to_string()),
    }
}

fn explain(hex: &str) -> Result<Response, String> {
    let events = bytes_in(hex).and_then(|bytes| events_in(&bytes));
    events.map(|events| json(&events)).map_err(|error| error.to_string())
}

/// A frame from its fields: `text`, `mask` (hex, may be left out), `opcode`, `fin`, `rsv`, and `code`,
/// which stands in front of the text of a Close.
fn put_together(head: &RequestHead) -> Result<Frame, String> {
    let number = |name: &str, otherwise: u8, most: u8| match head.query_param(name) {
        None => Ok(otherwise),
        Some(text) => match text.parse::<u8>() {
            Ok(number) if number <= most => Ok(number),
            _ => Err(format!("{name} is a number from 0 to {most}")),
        },
    };
    let mask = head.query_param("mask").filter(|mask| !mask.is_empty());
    let key = mask.as_deref().map(masking_key_in).transpose();
    let key = key.map_err(|error| error.to_string())?;
    let opcode = Opcode::from_bits(number("opcode", 1, 15)?);
    let text = head.query_param("text").unwrap_or_default();
    let code = match head.query_param("code").filter(|code| !code.is_empty()) {
        Some(code) => {
            let code: u16 = code.parse().map_err(|_| "code is a number from 0 to 65535")?;
            code.to_be_bytes().to_vec()
        }
        None => Vec::new(),
    };
    let mut frame = Frame::new(opcode, key, &[&code, text.as_bytes()].concat());
    frame.header.fin = number("fin", 1, 1)? == 1;
    frame.header.rsv = number("rsv", 0, 7)?;
    Ok(frame)
}

fn break_one(id: &str, address: SocketAddr) -> Result<Response, String> {
    let Some(rule) = VIOLATIONS.iter().find(|rule| rule.id == id) else {
        return Err("there is no such rule; /wire/rules has them".to_owned());
    };
    run_violation(rule, address)
        .map(|outcome| json(&outcome))
        .map_err(|error| format!("the rule could not be broken: {error}"))
}

fn ask(head: &RequestHead, asker: IpAddr, events: &Sender<Event>) -> Result<Response, String> {
    let client =
        head.query_param("client").and_then(|client| client.parse().ok()).map(ConnectionId);
    let client: ConnectionId = client.ok_or("which client? ?client=N")?;
    let number = |name: &str| head.query_param(name).and_then(|number| number.parse::<u16>().ok());
    let what = match head.query_param("what").unwrap_or_default().as_str() {
        "ping" => DemoAction::Ping,
        "fragments" => DemoAction::Fragments,
        "bytes" => match head.query_param("count").and_then(|count| count.parse().ok()) {
            Some(count) if count <= MOST_ASKED => DemoAction::Bytes(count),
            _ => return Err(format!("count is a number from 0 to {MOST_ASKED}")),
        },
        "close" => match number("code").map(CloseCode).filter(|code| code.may_travel()) {
            Some(code) => DemoAction::Close(code),
            None => {
                let may = "1000 to 1003, 1007 to 1014, or 3000 to 4999";
                return Err(format!("that code may not be sent; {may} may"));
            }
        },
        _ => return Err("what is ping, fragments, bytes or close".to_owned()),
    };
    let (reply, done) = bounded(1);
    events.send(Event::Demo { client, asker, what, reply }).ok();
    match done.recv_timeout(ANSWER_TIMEOUT) {
        Ok(Ok(())) => Ok(json(&json!({ "client": client }))),
        Ok(Err(why)) => Err(why.to_owned()),
        Err(_) => Err("the dispatcher is too busy".to_owned()),
    }
}
