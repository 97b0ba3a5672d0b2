//! Group 1, second part: requests that look different, or offer more, and that the server must accept.

use crate::check::client::Client;
use crate::check::evidence::Evidence;
use crate::check::finding::{Finding, Outcome};
use crate::check::request::{KEY, Request, VERSION};
use crate::check::step::{Needs, Step};
use crate::check::target::Target;
use crate::protocol::{Frame, Opcode};

/// The steps.
pub const STEPS: &[Step] = &[
    Step::interop("1.8", "header names are accepted in any case", names_in_any_case)
        .needs(NEEDS_RESPONSE)
        .rule(
            "4.1",
            "all header field names in both HTTP requests and HTTP responses are case-insensitive",
        ),
    Step::interop("1.9", "\"WebSocket\" and \"upgrade\" are accepted in any case", value_in_any_case)
        .needs(NEEDS_RESPONSE)
        .rule(
            "4.2.1",
            "An |Upgrade| header field containing the value \"websocket\", treated as an ASCII case-insensitive \
             value.",
        ),
    Step::interop("1.10", "Connection may be a list, as Firefox sends it", connection_list)
        .needs(NEEDS_RESPONSE)
        .rule(
            "4.2.1",
            "A |Connection| header field that includes the token \"Upgrade\", treated as an ASCII case-insensitive \
             value.",
        ),
    Step::interop("1.11", "headers may have any order, and unknown names", any_order)
        .needs(NEEDS_RESPONSE)
        .rule("4.2.1", "the order of the header fields is not important"),
    Step::interop("1.12", "an extension is declined, or really used", extension)
        .needs(NEEDS_RESPONSE)
        .rule(
            "9.1",
            "The extensions listed by the server in response represent the extensions actually in use for the \
             connection.",
        ),
    Step::interop("1.13", "the chosen subprotocol is one of those offered", subprotocol)
        .needs(NEEDS_RESPONSE)
        .rule(
            "4.2.2",
            "The value chosen MUST be derived from the client's handshake, specifically by selecting one of the \
             values from the |Sec-WebSocket-Protocol| field that the server is willing to use for this connection \
             (if any).",
        ),
    Step::hardening("1.14", "no subprotocol is chosen if none is offered", nothing_offered)
        .needs(NEEDS_RESPONSE)
        .rule(
            "4.2.2",
            "If the client's handshake did not contain such a header field or if the server does not agree to any \
             of the client's requested subprotocols, the only acceptable value is null.",
        ),
];

/// Without a complete response, each of these steps would only wait for it again.
const NEEDS_RESPONSE: Needs = Needs::Passed("1.2");

const PROTOCOL: &str = "Sec-WebSocket-Protocol";
const EXTENSIONS: &str = "Sec-WebSocket-Extensions";

/// Expects that the server accepts the request. `why` explains to the author of a server why it must.
fn accepted(target: &Target, request: &Request, names: &[&str], why: &str) -> Outcome {
    let (_, response) = Client::request(target, request)?;
    if response.status() == Some(101) {
        return Ok(());
    }
    Err(Finding::fail(why)
        .sent(request.evidence(names))
        .received(response.evidence(&[]))
        .expected(Evidence::line("HTTP/1.1 101 Switching Protocols")))
}

fn names_in_any_case(target: &Target) -> Outcome {
    let request = Request::new(target).map_headers(|line| match line.split_once(':') {
        Some((name, value)) => format!("{}:{value}", name.to_lowercase()),
        None => line.clone(),
    });
    let why = "Header names mean the same in upper and lower case. Ignore the case when you compare them, because \
               proxies and some clients write them all in lower case.";
    accepted(target, &request, &["upgrade", "connection", KEY, VERSION], why)
}

fn value_in_any_case(target: &Target) -> Outcome {
    let request = Request::new(target).with("Upgrade", "WebSocket").with("Connection", "upgrade");
    let why = "Ignore the case when you compare the words \"websocket\" in Upgrade and \"upgrade\" in Connection.";
    accepted(target, &request, &["Upgrade", "Connection"], why)
}

fn connection_list(target: &Target) -> Outcome {
    let request = Request::new(target).with("Connection", "keep-alive, Upgrade");
    let why = "Connection is a list, and Firefox sends \"keep-alive, Upgrade\". Split it at the commas, and look \
               whether one of the words is Upgrade.";
    accepted(target, &request, &["Connection"], why)
}

fn any_order(target: &Target) -> Outcome {
    let request = Request::new(target)
        .without("Host")
        .without("Upgrade")
        .with("User-Agent", "chalkwire check")
        .with("Cookie", "a=1; b=\"2: 3\"")
        .with("Upgrade", "websocket")
        .with("Host", &target.host);
    let why = "This request has the same headers in another order, and two more. Look headers up by their name, \
               and ignore those that you do not know.";
    accepted(target, &request, &["User-Agent", "Cookie", "Upgrade", "Host"], why)
}

fn extension(target: &Target) -> Outcome {
    let request = Request::new(target).with(EXTENSIONS, "permessage-deflate");
    let (mut client, response) = Client::request(target, &request)?;
    let sent = request.evidence(&[EXTENSIONS]);
    if response.status() != Some(101) {
        let why = "Your server refuses a client that offers an extension, as every browser does. Answer as if the \
                   client had not offered it, without a Sec-WebSocket-Extensions header.";
        return Err(Finding::fail(why).sent(sent).received(response.evidence(&[])));
    }
    let Some(chosen) = response.get(EXTENSIONS).map(str::to_owned) else { return Ok(()) };
    if !chosen.trim_start().starts_with("permessage-deflate") {
        let why = "Your server chose an extension that the client did not offer. The client must give up.";
        return Err(Finding::fail(why).sent(sent).received(response.evidence(&[EXTENSIONS])));
    }
    if !target.echoes {
        return Ok(());
    }
    // "Hello" compressed, as printed in RFC 7692 section 7.2.3.1. RSV1 says that it is compressed.
    let mut frame = client.frame(Opcode::Text, &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]);
    frame.header.rsv = 0b100;
    client.send_frame(&frame);
    let received = client.receive();
    let answer = Frame::decode(client.received_bytes()).map(|(frame, _)| frame);
    match answer {
        Some(frame) if frame.header.rsv == 0b100 || frame.payload == b"Hello" => Ok(()),
        _ => Err(Finding::fail(
            "Your server accepted the extension permessage-deflate, because it sent the header back, but it does \
             not decompress messages. A browser that gets this header compresses its messages from then on. Leave the header \
             Sec-WebSocket-Extensions out of your response.",
        )
        .sent(sent.into_iter().chain(client.sent()).collect())
        .received([response.evidence(&[EXTENSIONS]), client.received_evidence(&received)].concat())
        .expected(Evidence::line("a response without Sec-WebSocket-Extensions"))),
    }
}

fn subprotocol(target: &Target) -> Outcome {
    let offered = ["one.chalkwire", "two.chalkwire"];
    let request = Request::new(target).with(PROTOCOL, &offered.join(", "));
    let (_, response) = Client::request(target, &request)?;
    let finding = match (response.status(), response.get(PROTOCOL)) {
        (Some(101), None) => return Ok(()),
        (Some(101), Some(chosen)) if offered.contains(&chosen) => return Ok(()),
        (Some(101), Some(chosen)) if chosen.contains(',') => Finding::fail(format!(
            "Your server chose {chosen:?}, which is the whole list. It must choose one, or leave the header out."
        )),
        (Some(101), Some(chosen)) => Finding::fail(format!(
            "Your server chose {chosen:?}, which the client did not offer. The client must give up."
        )),
        _ => Finding::warn(
            "Your server refuses a client that offers only subprotocols that your server does not know. It may do \
             that. RFC 6455 has another way: accept the client without a subprotocol, and leave the header out.",
        ),
    };
    Err(finding
        .sent(request.evidence(&[PROTOCOL]))
        .received(response.evidence(&[PROTOCOL]))
        .expected(Evidence::line(
            "a response without Sec-WebSocket-Protocol, or with one of the two",
        )))
}

fn nothing_offered(target: &Target) -> Outcome {
    let request = Request::new(target);
    let (_, response) = Client::request(target, &request)?;
    let chosen = [PROTOCOL, EXTENSIONS].into_iter().find(|name| response.get(name).is_some());
    let Some(name) = chosen else { return Ok(()) };
    Err(Finding::fail(format!(
        "Your response has a {name} header, though the request does not have one. The client must give up."
    ))
    .sent(request.evidence(&[]))
    .received(response.evidence(&[name]))
    .expected(Evidence::line(format!("a response without {name}"))))
}
