//! Chapter 1: the opening handshake. First what a browser needs, then what must be refused.

use super::client::Client;
use super::finding::{Evidence, Finding, Outcome};
use super::mistakes;
use super::refusals;
use super::request::{Answer, Request, SAMPLE_KEY};
use super::step::{Needs, Step};
use super::target::Target;
use crate::protocol::{AcceptKey, GUID};
use crate::protocol::{Frame, Opcode};

/// The steps.
pub const STEPS: &[Step] = &[
    Step::talk("1.1", "the handshake is answered with 101", "4.2.2", Needs::Nothing, answers_101),
    Step::talk("1.2", "a blank line ends the answer", "4.2.2", NEEDS_101, ends_the_head),
    Step::talk("1.3", "each line of the answer ends with CR LF", "4.2.2", NEEDS_HEAD, ends_lines),
    Step::talk("1.4", "the answer has Upgrade: websocket", "4.2.2", NEEDS_HEAD, has_upgrade),
    Step::talk("1.5", "the answer has Connection: Upgrade", "4.2.2", NEEDS_HEAD, has_connection),
    Step::talk("1.6", "Sec-WebSocket-Accept is made from the key", "4.2.2", NEEDS_HEAD, has_accept),
    Step::talk("1.7", "another key gets another answer", "4.2.2", NEEDS_HEAD, another_key),
    Step::talk("1.8", "header names may be in any case", "4.2.1", NEEDS_HEAD, names_in_any_case),
    Step::talk("1.9", "\"WebSocket\" may be in any case", "4.2.1", NEEDS_HEAD, value_in_any_case),
    Step::talk(
        "1.10",
        "Connection may be a list, as Firefox sends it",
        "4.2.1",
        NEEDS_HEAD,
        a_list,
    ),
    Step::talk("1.11", "headers may be in any order, and unknown", "4.2.1", NEEDS_HEAD, any_order),
    Step::talk("1.12", "an extension is declined, or spoken", "9.1", NEEDS_HEAD, extension),
    Step::talk("1.13", "a subprotocol is one of those offered", "4.2.2", NEEDS_HEAD, subprotocol),
    Step::hold(
        "1.14",
        "no subprotocol is chosen where none is offered",
        "4.2.2",
        NEEDS_HEAD,
        unasked,
    ),
    Step::hold("1.15", "a request without a key is refused", "4.2.1", NEEDS_HEAD, refusals::no_key),
    Step::hold("1.16", "a POST is refused", "4.2.1", NEEDS_HEAD, refusals::post),
    Step::hold(
        "1.17",
        "a request without Upgrade gets no 101",
        "4.2.1",
        NEEDS_HEAD,
        refusals::no_upgrade,
    ),
    Step::hold(
        "1.18",
        "an Upgrade to something else gets no 101",
        "4.2.1",
        NEEDS_HEAD,
        refusals::other_upgrade,
    ),
    Step::hold(
        "1.19",
        "a Connection without Upgrade gets no 101",
        "4.2.1",
        NEEDS_HEAD,
        refusals::no_connection,
    ),
    Step::hold(
        "1.20",
        "a request without a version is refused",
        "4.2.1",
        NEEDS_HEAD,
        refusals::no_version,
    ),
    Step::hold("1.21", "version 8 is refused", "4.2.2", NEEDS_HEAD, refusals::version_8),
    Step::hold(
        "1.22",
        "a refused version is told which one is spoken",
        "4.4",
        NEEDS_HEAD,
        refusals::names_13,
    ),
    Step::hold(
        "1.23",
        "a key that is not 16 bytes is refused",
        "4.2.1",
        NEEDS_HEAD,
        refusals::short_key,
    ),
    Step::hold("1.24", "a request without Host is refused", "4.2.1", NEEDS_HEAD, refusals::no_host),
    Step::hold("1.25", "HTTP/1.0 is refused", "4.2.1", NEEDS_HEAD, refusals::http_1_0),
];

/// Without a whole head of an answer each of them would only wait for it.
const NEEDS_HEAD: Needs = Needs::Passed("1.2");
const NEEDS_101: Needs = Needs::Passed("1.1");

pub(super) const KEY: &str = "Sec-WebSocket-Key";
const ACCEPT: &str = "Sec-WebSocket-Accept";
pub(super) const VERSION: &str = "Sec-WebSocket-Version";
const PROTOCOL: &str = "Sec-WebSocket-Protocol";
const EXTENSIONS: &str = "Sec-WebSocket-Extensions";

/// Sends a request, and reads the answer.
pub(super) fn ask(target: &Target, request: &Request) -> Result<(Client, Answer), Box<Finding>> {
    let mut client = Client::connect(target)?;
    client.send(&request.encode());
    let answer = client.answer();
    Ok((client, answer))
}

fn answers_101(target: &Target) -> Outcome {
    let request = Request::new(target);
    let (_, answer) = ask(target, &request)?;
    let is_http_1_1 = answer.raw.starts_with(b"HTTP/1.1 ");
    if answer.status() == Some(101) && is_http_1_1 {
        return Ok(());
    }
    let why = match answer.status() {
        Some(101) => "The status line begins with HTTP/1.0. An answer 101 needs HTTP/1.1.".to_owned(),
        _ if answer.raw.starts_with(b"GET ") => {
            "Your server sent our own request back: it is a TCP echo. Read the request up to its blank \
             line, and answer it."
                .to_owned()
        }
        Some(200) => "200 is the answer to an ordinary request for a page. This one asks to change to \
                      WebSocket: the answer is 101 Switching Protocols."
            .to_owned(),
        Some(status @ 300..400) => format!(
            "{status} leads elsewhere, to {:?}. A browser does not follow it with a WebSocket: use that URL.",
            answer.get("Location").unwrap_or("nowhere")
        ),
        Some(500) => "500: something went wrong in your server. Look at its console.".to_owned(),
        Some(404) => "Your server knows nothing at this path. Is the path in the URL right?".to_owned(),
        Some(status) if (400..500).contains(&status) => format!(
            "Your server refuses a handshake in which everything is as it should be, with {status}."
        ),
        Some(status) => format!("Status {status} came instead of 101."),
        None if answer.raw.is_empty() && answer.ended => {
            "Your server closed the connection without an answer. Look at what it wrote on its own \
             console. (A port for TLS does that too.)"
                .to_owned()
        }
        None if answer.raw.is_empty() => "Nothing came.".to_owned(),
        None if b"HTTP/1.1 101 ".starts_with(&answer.raw) => {
            format!("Only {} bytes of an answer came in time.", answer.raw.len())
        }
        None => "What came is no HTTP answer: that begins with HTTP/1.1 and a status.".to_owned(),
    };
    let finding = Finding::fail(why)
        .sent(request.evidence(&["Upgrade", "Connection", KEY, VERSION]))
        .received(answer.evidence(&[]))
        .expected("HTTP/1.1 101 Switching Protocols");
    Err(match answer.status() {
        Some(status) => finding.browser(format!(
            "Error during WebSocket handshake: Unexpected response code: {status}"
        )),
        None => finding,
    })
}

fn ends_the_head(target: &Target) -> Outcome {
    let request = Request::new(target);
    let (_, answer) = ask(target, &request)?;
    if answer.is_complete {
        return Ok(());
    }
    let last = answer.lines.last().map(|line| Evidence::line(line));
    Err(Finding::fail(
        "After the last header an empty line is missing. Without it the client waits for more headers, \
         and the first frame is taken for one.",
    )
    .sent(request.evidence(&[]))
    .received(answer.evidence(&[]).into_iter().chain(last).collect())
    .expected("... \\r\\n\\r\\n at the end"))
}

fn ends_lines(target: &Target) -> Outcome {
    let request = Request::new(target);
    let (_, answer) = ask(target, &request)?;
    let mut before = 0;
    for (at, &byte) in answer.raw.iter().enumerate() {
        if byte == b'\n' && before != b'\r' {
            let start = at.saturating_sub(6);
            let end = (at + 4).min(answer.raw.len());
            let bytes = &answer.raw[start..end];
            let evidence = Evidence::marked(bytes, "", at - start..at - start + 1, "LF without CR");
            return Err(Finding::fail(
                "A line ends with LF alone (\\n). HTTP lines end with CR LF (\\r\\n), bytes 0d 0a. Some \
                 clients forgive it, others do not.",
            )
            .sent(request.evidence(&[]))
            .received(vec![evidence])
            .expected("0d 0a at the end of each line"));
        }
        before = byte;
    }
    Ok(())
}

/// Whether the header `name` of the answer has `value`, and what it means if not.
fn has_header(target: &Target, name: &str, value: &str, browser: &str) -> Outcome {
    let request = Request::new(target);
    let (_, answer) = ask(target, &request)?;
    if answer.lists(name, value) {
        return Ok(());
    }
    let why = match answer.get(name) {
        Some(found) => format!("The answer's {name} is {found:?}, not {value:?}."),
        None => format!("The answer has no {name} header."),
    };
    Err(Finding::fail(format!("{why} A browser gives up here."))
        .sent(request.evidence(&[name]))
        .received(answer.evidence(&[name]))
        .expected(format!("{name}: {value}"))
        .browser(browser))
}

fn has_upgrade(target: &Target) -> Outcome {
    let browser = "Error during WebSocket handshake: 'Upgrade' header is missing";
    has_header(target, "Upgrade", "websocket", browser)
}

fn has_connection(target: &Target) -> Outcome {
    let browser = "Error during WebSocket handshake: 'Connection' header is missing";
    has_header(target, "Connection", "Upgrade", browser)
}

fn has_accept(target: &Target) -> Outcome {
    answers_key(target, SAMPLE_KEY)
}

fn another_key(target: &Target) -> Outcome {
    // The bytes 1 to 16, as in RFC 6455 section 4.1.
    answers_key(target, "AQIDBAUGBwgJCgsMDQ4PEA==")
}

fn answers_key(target: &Target, key: &str) -> Outcome {
    let request = Request::new(target).with(KEY, key);
    let (_, answer) = ask(target, &request)?;
    let steps = AcceptKey::of(key);
    let right = steps.accept;
    let finding = match answer.get(ACCEPT) {
        Some(_) if answer.count(ACCEPT) > 1 => {
            Finding::fail("The answer has more than one Sec-WebSocket-Accept.")
                .received(answer.evidence(&[ACCEPT]))
        }
        Some(found) if found == right => return Ok(()),
        Some(found) => {
            let why = match mistakes::of_accept(key, found) {
                Some(why) => why,
                None if found == AcceptKey::of(SAMPLE_KEY).accept => {
                    "This is the answer to another key, the one printed in RFC 6455. Compute it from the \
                     key that came."
                        .to_owned()
                }
                None if found.starts_with("b'") => {
                    "This is how Python prints bytes. Make text of them first: .decode().".to_owned()
                }
                None => format!(
                    "This is not the base64 of the SHA-1 of key and GUID. The GUID is {GUID}; the SHA-1 of \
                     both is {}.",
                    crate::text::hex(&steps.sha1)
                ),
            };
            let browser =
                "Error during WebSocket handshake: Incorrect 'Sec-WebSocket-Accept' header value";
            Finding::fail(format!("{why} A browser refuses to connect."))
                .received(vec![compared(found, &right)])
                .browser(browser)
        }
        None => {
            Finding::fail("The answer has no Sec-WebSocket-Accept. A browser refuses to connect.")
                .received(answer.evidence(&[]))
                .browser(
                    "Error during WebSocket handshake: 'Sec-WebSocket-Accept' header is missing",
                )
        }
    };
    Err(finding.sent(request.evidence(&[KEY])).expected(right))
}

/// A value, marked from where it differs from the right one to where it no longer does. One that differs
/// from its start has no mark.
fn compared(found: &str, right: &str) -> Evidence {
    let shorter = found.len().min(right.len());
    let start = found.bytes().zip(right.bytes()).take_while(|(a, b)| a == b).count();
    let same_end = found.bytes().rev().zip(right.bytes().rev()).take_while(|(a, b)| a == b).count();
    let end = found.len() - same_end.min(shorter - start);
    match found.get(start..end) {
        Some(part) if start > 0 && !part.is_empty() => {
            Evidence::line(found).with_mark(part, "here")
        }
        _ => Evidence::line(found),
    }
}

/// A handshake that must be accepted, though naive servers do not.
fn accepted(target: &Target, request: &Request, names: &[&str], why: &str) -> Outcome {
    let (_, answer) = ask(target, request)?;
    if answer.status() == Some(101) {
        return Ok(());
    }
    Err(Finding::fail(why)
        .sent(request.evidence(names))
        .received(answer.evidence(&[]))
        .expected("HTTP/1.1 101 Switching Protocols"))
}

fn names_in_any_case(target: &Target) -> Outcome {
    let request = Request::new(target).map_headers(|line| match line.split_once(':') {
        Some((name, value)) => format!("{}:{value}", name.to_lowercase()),
        None => line.clone(),
    });
    let why = "Header names are the same in any case. Compare them without regard to it: proxies and some \
               clients write them all in small letters.";
    accepted(target, &request, &["upgrade", "connection", KEY, VERSION], why)
}

fn value_in_any_case(target: &Target) -> Outcome {
    let request = Request::new(target).with("Upgrade", "WebSocket").with("Connection", "upgrade");
    let why = "The words \"websocket\" in Upgrade and \"upgrade\" in Connection are compared without \
               regard to case.";
    accepted(target, &request, &["Upgrade", "Connection"], why)
}

fn a_list(target: &Target) -> Outcome {
    let request = Request::new(target).with("Connection", "keep-alive, Upgrade");
    let why = "Connection is a list. Firefox sends \"keep-alive, Upgrade\": cut it at the commas, and look \
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
    let why = "The same headers in another order, with two more that mean nothing here. Look them up by \
               name, and pass over those you do not know.";
    accepted(target, &request, &["User-Agent", "Cookie", "Upgrade", "Host"], why)
}

fn extension(target: &Target) -> Outcome {
    let request = Request::new(target).with(EXTENSIONS, "permessage-deflate");
    let (mut client, answer) = ask(target, &request)?;
    let sent = request.evidence(&[EXTENSIONS]);
    if answer.status() != Some(101) {
        let why = "Your server refuses a client that offers an extension. Every browser does: answer as if it \
                   had not, without Sec-WebSocket-Extensions.";
        return Err(Finding::fail(why).sent(sent).received(answer.evidence(&[])));
    }
    let Some(chosen) = answer.get(EXTENSIONS).map(str::to_owned) else { return Ok(()) };
    if !chosen.trim_start().starts_with("permessage-deflate") {
        let why = "Your server chose an extension that was not offered. The client must give up.";
        return Err(Finding::fail(why).sent(sent).received(answer.evidence(&[EXTENSIONS])));
    }
    if !target.echoes {
        return Ok(());
    }
    // "Hello" compressed, as printed in RFC 7692 section 7.2.3.1; RSV1 says that it is.
    let mut frame = client.frame(Opcode::Text, &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]);
    frame.header.rsv = 0b100;
    client.send_frame(&frame);
    let heard = client.hear();
    let came = Frame::decode(client.raw()).map(|(frame, _)| frame);
    match came {
        Some(frame) if frame.header.rsv == 0b100 || frame.payload == b"Hello" => Ok(()),
        _ => Err(Finding::fail(
            "Your server accepted the extension permessage-deflate by echoing the header, but does not \
             speak it: from then on a browser compresses its messages. Leave Sec-WebSocket-Extensions \
             out of the answer.",
        )
        .sent(sent.into_iter().chain(client.sent()).collect())
        .received([answer.evidence(&[EXTENSIONS]), client.heard_evidence(&heard)].concat())
        .expected("an answer without Sec-WebSocket-Extensions")),
    }
}

fn subprotocol(target: &Target) -> Outcome {
    let offered = ["one.chalkwire", "two.chalkwire"];
    let request = Request::new(target).with(PROTOCOL, &offered.join(", "));
    let (_, answer) = ask(target, &request)?;
    let finding = match (answer.status(), answer.get(PROTOCOL)) {
        (Some(101), None) => return Ok(()),
        (Some(101), Some(chosen)) if offered.contains(&chosen) => return Ok(()),
        (Some(101), Some(chosen)) if chosen.contains(',') => Finding::fail(format!(
            "Your server chose {chosen:?}: that is the whole list. It chooses one, or leaves the header out."
        )),
        (Some(101), Some(chosen)) => Finding::fail(format!(
            "Your server chose {chosen:?}, which was not offered. The client must give up."
        )),
        _ => Finding::warn(
            "Your server refuses a client that offers subprotocols it does not know. It may; but to go on \
             without one, and leave the header out, is what the RFC has for this case.",
        ),
    };
    Err(finding
        .sent(request.evidence(&[PROTOCOL]))
        .received(answer.evidence(&[PROTOCOL]))
        .expected("no Sec-WebSocket-Protocol in the answer, or one of the two"))
}

fn unasked(target: &Target) -> Outcome {
    let request = Request::new(target);
    let (_, answer) = ask(target, &request)?;
    let chosen = [PROTOCOL, EXTENSIONS].into_iter().find(|name| answer.get(name).is_some());
    let Some(name) = chosen else { return Ok(()) };
    Err(Finding::fail(format!(
        "The answer has {name}, and the request has none. The client must give up."
    ))
    .sent(request.evidence(&[]))
    .received(answer.evidence(&[name]))
    .expected(format!("an answer without {name}")))
}
