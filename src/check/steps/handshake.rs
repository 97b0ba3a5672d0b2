//! Group 1, first part: the response to a correct opening handshake.

use crate::check::client::Client;
use crate::check::evidence::Evidence;
use crate::check::finding::{Finding, Outcome};
use crate::check::mistakes;
use crate::check::request::{KEY, Request, SAMPLE_KEY, VERSION};
use crate::check::step::{Needs, Step};
use crate::check::target::Target;
use crate::protocol::{AcceptKey, GUID};
use crate::text::hex;

/// The steps.
pub const STEPS: &[Step] = &[
    Step::interop("1.1", "your server answers the handshake with status 101", answers_101)
        .rule("4.2.2", "A Status-Line with a 101 response code as per RFC 2616 [RFC2616]."),
    Step::interop("1.2", "a blank line ends the response", ends_the_head)
        .needs(Needs::Passed("1.1"))
        .rule_of(9112, "2.1", "an empty line indicating the end of the header section"),
    Step::interop("1.3", "each line of the response ends with CR LF", ends_lines)
        .needs(NEEDS_RESPONSE)
        .rule_of(
            9112,
            "2.2",
            "the line terminator for the start-line and fields is the sequence CRLF",
        ),
    Step::interop("1.4", "the response has Upgrade: websocket", has_upgrade)
        .needs(NEEDS_RESPONSE)
        .rule(
            "4.2.2",
            "An |Upgrade| header field with value \"websocket\" as per RFC 2616 [RFC2616].",
        ),
    Step::interop("1.5", "the response has Connection: Upgrade", has_connection)
        .needs(NEEDS_RESPONSE)
        .rule("4.2.2", "A |Connection| header field with value \"Upgrade\"."),
    Step::interop("1.6", "Sec-WebSocket-Accept is computed from the key", has_accept)
        .needs(NEEDS_RESPONSE)
        .rule(
            "4.2.2",
            "taking the SHA-1 hash of this concatenated value to obtain a 20-byte value and base64-encoding (see \
             Section 4 of [RFC4648]) this 20-byte hash",
        ),
    Step::interop("1.7", "another key gets another Sec-WebSocket-Accept", another_key)
        .needs(NEEDS_RESPONSE)
        .rule(
            "4.2.2",
            "This (encoded) value is used in the creation of the server's handshake to indicate an acceptance of \
             the connection.",
        ),
];

/// Without a complete response, each of these steps would only wait for it again.
const NEEDS_RESPONSE: Needs = Needs::Passed("1.2");

const ACCEPT: &str = "Sec-WebSocket-Accept";

fn answers_101(target: &Target) -> Outcome {
    let request = Request::new(target);
    let (_, response) = Client::request(target, &request)?;
    let is_http_1_1 = response.raw.starts_with(b"HTTP/1.1 ");
    if response.status() == Some(101) && is_http_1_1 {
        return Ok(());
    }
    let why = match response.status() {
        Some(101) => {
            "The status line begins with HTTP/1.0. A response with status 101 must begin with HTTP/1.1.".to_owned()
        }
        _ if response.raw.starts_with(b"GET ") => {
            "Your server sent our own request back, so it is a TCP echo server. Read the request up to its blank \
             line, and answer it."
                .to_owned()
        }
        Some(200) => "Status 200 answers an ordinary request for a page. This request asks to switch to \
                      WebSocket: answer it with 101 Switching Protocols."
            .to_owned(),
        Some(status @ 300..400) => format!(
            "Status {status} redirects the client to {:?}. A browser does not follow a redirect when it opens a \
             WebSocket. Use the new URL.",
            response.get("Location").unwrap_or("an unknown place")
        ),
        Some(500) => "Status 500 means that something went wrong in your server. Look at its console.".to_owned(),
        Some(404) => "Your server has nothing at this path. Is the path in the URL right?".to_owned(),
        Some(status @ 400..500) => {
            format!("Your server refuses a correct handshake, with status {status}.")
        }
        Some(status) => format!("Status {status} came instead of 101."),
        None if response.raw.is_empty() && response.ended => {
            "Your server closed the connection without a response. Look at what it wrote on its own console. (A \
             server that expects TLS on this port does the same.)"
                .to_owned()
        }
        None if response.raw.is_empty() => "Nothing came.".to_owned(),
        None if b"HTTP/1.1 101 ".starts_with(&response.raw) => {
            format!("Only {} bytes of a response came in time.", response.raw.len())
        }
        None => {
            "The answer is not an HTTP response, which begins with HTTP/1.1 and a status code.".to_owned()
        }
    };
    let finding = Finding::fail(why)
        .sent(request.evidence(&["Upgrade", "Connection", KEY, VERSION]))
        .received(response.evidence(&[]))
        .expected(Evidence::line("HTTP/1.1 101 Switching Protocols"));
    Err(match response.status() {
        Some(status) => finding.browser(format!(
            "Error during WebSocket handshake: Unexpected response code: {status}"
        )),
        None => finding,
    })
}

fn ends_the_head(target: &Target) -> Outcome {
    let request = Request::new(target);
    let (_, response) = Client::request(target, &request)?;
    if response.is_complete {
        return Ok(());
    }
    let last = response.lines.last().map(|line| Evidence::line(&**line));
    Err(Finding::fail(
        "The blank line after the last header is missing. Without it the client waits for more headers, and reads \
         your first frame as one.",
    )
    .sent(request.evidence(&[]))
    .received(response.evidence(&[]).into_iter().chain(last).collect())
    .expected(Evidence::bytes(b"\r\n\r\n", "at the end of the response")))
}

fn ends_lines(target: &Target) -> Outcome {
    let request = Request::new(target);
    let (_, response) = Client::request(target, &request)?;
    let mut before = 0;
    for (at, &byte) in response.raw.iter().enumerate() {
        if byte == b'\n' && before != b'\r' {
            let start = at.saturating_sub(6);
            let end = (at + 4).min(response.raw.len());
            let evidence = Evidence::bytes(&response.raw[start..end], "")
                .with_mark(at - start..at - start + 1, "LF without CR");
            return Err(Finding::fail(
                "A line ends with LF alone (\\n). Lines of HTTP end with CR LF (\\r\\n), the bytes 0d 0a. Some \
                 clients accept LF alone, others do not.",
            )
            .sent(request.evidence(&[]))
            .received(vec![evidence])
            .expected(Evidence::bytes(b"\r\n", "at the end of each line")));
        }
        before = byte;
    }
    Ok(())
}

/// Tests whether the header `name` of the response has `value`.
fn has_header(target: &Target, name: &str, value: &str, browser: &str) -> Outcome {
    let request = Request::new(target);
    let (_, response) = Client::request(target, &request)?;
    if response.has_token(name, value) {
        return Ok(());
    }
    let why = match response.get(name) {
        Some(found) => format!("The {name} header of your response is {found:?}, not {value:?}."),
        None => format!("Your response does not have the header {name}."),
    };
    Err(Finding::fail(format!("{why} A browser gives up here."))
        .sent(request.evidence(&[name]))
        .received(response.evidence(&[name]))
        .expected(Evidence::line(format!("{name}: {value}")))
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
    let (_, response) = Client::request(target, &request)?;
    let right = AcceptKey::of(key);
    let finding = match response.get(ACCEPT) {
        Some(_) if response.count(ACCEPT) > 1 => {
            Finding::fail("Your response has more than one Sec-WebSocket-Accept header.")
                .received(response.evidence(&[ACCEPT]))
        }
        Some(found) if found == right.accept => return Ok(()),
        Some(found) => {
            let why = why_accept_is_wrong(key, found, &right);
            Finding::fail(format!("{why} A browser refuses to connect."))
                .received(vec![compared(found, &right.accept)])
                .browser(
                    "Error during WebSocket handshake: Incorrect 'Sec-WebSocket-Accept' header value",
                )
        }
        None => Finding::fail(
            "Your response does not have a Sec-WebSocket-Accept header. A browser refuses to connect.",
        )
        .received(response.evidence(&[]))
        .browser("Error during WebSocket handshake: 'Sec-WebSocket-Accept' header is missing"),
    };
    Err(finding.sent(request.evidence(&[KEY])).expected(Evidence::line(right.accept)))
}

fn why_accept_is_wrong(key: &str, found: &str, right: &AcceptKey) -> String {
    if let Some(why) = mistakes::of_accept(key, found) {
        return why;
    }
    if found == AcceptKey::of(SAMPLE_KEY).accept {
        return "This is the answer to another key, the one printed in RFC 6455. Compute the answer from the key \
                in the request."
            .to_owned();
    }
    if found.starts_with("b'") {
        return "Python prints bytes like this. Make text of them first: .decode().".to_owned();
    }
    format!(
        "This is not the base64 of the SHA-1 hash of key and GUID. The GUID is {GUID}. The SHA-1 hash of both is {}.",
        hex(&right.sha1)
    )
}

/// The value with a mark from the first character that differs from the right one to the last. A value that
/// differs from its first character on gets no mark.
fn compared(found: &str, right: &str) -> Evidence {
    let shorter = found.len().min(right.len());
    let start = found.bytes().zip(right.bytes()).take_while(|(a, b)| a == b).count();
    let same_end = found.bytes().rev().zip(right.bytes().rev()).take_while(|(a, b)| a == b).count();
    let end = found.len() - same_end.min(shorter - start);
    match found.get(start..end) {
        Some(part) if start > 0 && !part.is_empty() => {
            Evidence::line(found).with_mark(start..end, "here")
        }
        _ => Evidence::line(found),
    }
}
