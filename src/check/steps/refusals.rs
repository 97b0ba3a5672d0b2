//! Group 1, third part: requests that are not a correct handshake, and that the server must refuse.

use crate::check::client::Client;
use crate::check::evidence::Evidence;
use crate::check::finding::{Finding, Outcome, Verdict};
use crate::check::request::{KEY, Request, VERSION};
use crate::check::step::{Needs, Step};
use crate::check::target::Target;

/// The steps.
pub const STEPS: &[Step] = &[
    Step::hardening("1.15", "a request without a key is refused", no_key)
        .needs(NEEDS_RESPONSE)
        .rule("4.2.1", HAS_KEY),
    Step::hardening("1.16", "a POST request is refused", post)
        .needs(NEEDS_RESPONSE)
        .rule("4.2.1", "An HTTP/1.1 or higher GET request"),
    Step::hardening("1.17", "a request without Upgrade does not get 101", no_upgrade)
        .needs(NEEDS_RESPONSE)
        .rule("4.2.1", HAS_UPGRADE),
    Step::hardening("1.18", "an Upgrade to another protocol does not get 101", other_upgrade)
        .needs(NEEDS_RESPONSE)
        .rule("4.2.1", HAS_UPGRADE),
    Step::hardening("1.19", "a Connection without \"Upgrade\" does not get 101", no_connection)
        .needs(NEEDS_RESPONSE)
        .rule("4.2.1", "A |Connection| header field that includes the token \"Upgrade\""),
    Step::hardening("1.20", "a request without a version is refused", no_version)
        .needs(NEEDS_RESPONSE)
        .rule("4.2.1", "A |Sec-WebSocket-Version| header field, with a value of 13."),
    Step::hardening("1.21", "version 8 is refused", version_8)
        .needs(NEEDS_RESPONSE)
        .rule(
            "4.2.2",
            "If this version does not match a version understood by the server, the server MUST abort the WebSocket \
             handshake described in this section and instead send an appropriate HTTP error code (such as 426 \
             Upgrade Required)",
        ),
    Step::hardening("1.22", "the refusal of a version names the right one", names_13)
        .needs(NEEDS_RESPONSE)
        .rule(
            "4.4",
            "If the server doesn't support the requested version, it MUST respond with a |Sec-WebSocket-Version| \
             header field (or multiple |Sec-WebSocket-Version| header fields) containing all versions it is willing \
             to use.",
        ),
    Step::hardening("1.23", "a key that is not 16 bytes long is refused", short_key)
        .needs(NEEDS_RESPONSE)
        .rule("4.2.1", HAS_KEY),
    Step::hardening("1.24", "a request without Host is refused", no_host)
        .needs(NEEDS_RESPONSE)
        .rule("4.2.1", "A |Host| header field containing the server's authority."),
    Step::hardening("1.25", "an HTTP/1.0 request is refused", http_1_0)
        .needs(NEEDS_RESPONSE)
        .rule("4.2.1", "An HTTP/1.1 or higher GET request"),
];

const HAS_KEY: &str = "A |Sec-WebSocket-Key| header field with a base64-encoded (see Section 4 of [RFC4648]) value \
                       that, when decoded, is 16 bytes in length.";
const HAS_UPGRADE: &str = "An |Upgrade| header field containing the value \"websocket\", treated as an ASCII \
                           case-insensitive value.";

/// Without a complete response, each of these steps would only wait for it again.
const NEEDS_RESPONSE: Needs = Needs::Passed("1.2");

/// Expects that the server refuses the request, best with `status`. `why` says what is wrong with the request.
fn refused(target: &Target, request: &Request, names: &[&str], status: &str, why: &str) -> Outcome {
    let (_, response) = Client::request(target, request)?;
    let finding = match response.status() {
        Some(101) => Finding::fail(why),
        Some(_) => return Ok(()),
        None if response.raw.is_empty() && response.ended => Finding::warn(
            "Your server closed the connection without a response. That refuses the client, but a status code \
             would tell it why.",
        ),
        None if response.raw.is_empty() => Finding::fail(
            "Your server neither answered nor closed the connection, so the client waits. Look at your server's \
             console, too.",
        ),
        None => Finding::fail(
            "The answer is not an HTTP response, which begins with HTTP/1.1 and a status code.",
        ),
    };
    Err(finding
        .sent(request.evidence(names))
        .received(response.evidence(&[]))
        .expected(Evidence::line(format!("HTTP/1.1 {status}"))))
}

/// Does the same for a request that widely used servers accept, and so gives a warning at most.
fn better_refused(
    target: &Target,
    request: &Request,
    names: &[&str],
    status: &str,
    why: &str,
) -> Outcome {
    refused(target, request, names, status, why).map_err(|finding| finding.at_most(Verdict::Warn))
}

fn no_key(target: &Target) -> Outcome {
    let request = Request::new(target).without(KEY);
    let why = "The request does not have a Sec-WebSocket-Key header, so it does not come from a WebSocket client. \
               Your server accepted it.";
    refused(target, &request, &["Upgrade", KEY, VERSION], "400 Bad Request", why)
}

fn post(target: &Target) -> Outcome {
    let request = Request::new(target).with_request_line("GET", "POST");
    let why = "Your server accepted a POST request, but a handshake must be a GET request. Look at the request line, \
               and not only at the headers.";
    refused(target, &request, &["Upgrade"], "405 Method Not Allowed", why)
}

fn no_upgrade(target: &Target) -> Outcome {
    let request = Request::new(target).without("Upgrade");
    let why = "The request does not ask for WebSocket, but your server switched to it. A browser sends such a request \
               when somebody opens the address as a page, and then waits for the page.";
    refused(target, &request, &["Upgrade", "Connection"], "426 Upgrade Required", why)
}

fn other_upgrade(target: &Target) -> Outcome {
    let request = Request::new(target).with("Upgrade", "h2c");
    let why = "The request asks for a protocol other than WebSocket, but your server switched to WebSocket.";
    refused(target, &request, &["Upgrade"], "426 Upgrade Required", why)
}

fn no_connection(target: &Target) -> Outcome {
    let request = Request::new(target).with("Connection", "keep-alive");
    let why = "Your server accepted a request whose Connection header does not name Upgrade. Upgrade is a \
               hop-by-hop header: it is meant only for the next computer on the way, so Connection must name it. \
               If it does not, a proxy may have passed Upgrade on without understanding it.";
    refused(target, &request, &["Upgrade", "Connection"], "400 Bad Request", why)
}

fn no_version(target: &Target) -> Outcome {
    let request = Request::new(target).without(VERSION);
    let why = "Your server accepted a request without a Sec-WebSocket-Version header. The header must be there, \
               with the value 13.";
    refused(target, &request, &["Upgrade", VERSION], "400 Bad Request", why)
}

fn version_8(target: &Target) -> Outcome {
    let request = Request::new(target).with(VERSION, "8");
    let why = "Your server accepted version 8, a draft with other rules. Only version 13 is the WebSocket of RFC \
               6455. (This is only a warning, because the npm package ws accepts version 8 too.)";
    better_refused(target, &request, &[VERSION], "426 Upgrade Required", why)
}

fn names_13(target: &Target) -> Outcome {
    let request = Request::new(target).with(VERSION, "99");
    let (_, response) = Client::request(target, &request)?;
    let finding = match response.status() {
        Some(101) => Finding::fail("Version 99 does not exist, but your server accepted it."),
        Some(_) if response.has_token(VERSION, "13") => return Ok(()),
        Some(_) => Finding::warn(
            "Your server refuses version 99, but does not say which version it speaks. With the header \
             Sec-WebSocket-Version: 13 in your response, a client can try again. (This is only a warning, because \
             the PyPI package websockets does not say it either.)",
        ),
        None => Finding::warn(
            "Version 99 did not get an HTTP response, so the client does not learn which version to use.",
        ),
    };
    Err(finding
        .sent(request.evidence(&[VERSION]))
        .received(response.evidence(&[VERSION]))
        .expected(Evidence::line("HTTP/1.1 426 Upgrade Required"))
        .expected(Evidence::line("Sec-WebSocket-Version: 13")))
}

fn short_key(target: &Target) -> Outcome {
    // 15 bytes in base64.
    let request = Request::new(target).with(KEY, "AQIDBAUGBwgJCgsMDQ4P");
    let why = "Your server accepted a key that decodes to 15 bytes. A correct client sends 16. (This is only a \
               warning, because gorilla accepts such a key too.)";
    better_refused(target, &request, &[KEY], "400 Bad Request", why)
}

fn no_host(target: &Target) -> Outcome {
    let request = Request::new(target).without("Host");
    let why = "Your server accepted a request without Host, which HTTP/1.1 requires. Host tells your server under \
               which name the client reached it, so that your server can refuse a name that is not its own. (This \
               is only a warning, because ws and websockets accept such a request too.)";
    better_refused(target, &request, &["Host", "Upgrade"], "400 Bad Request", why)
}

fn http_1_0(target: &Target) -> Outcome {
    let request = Request::new(target).with_request_line("HTTP/1.1", "HTTP/1.0");
    let why = "Your server accepted a request with HTTP/1.0. A handshake needs HTTP/1.1, because HTTP/1.0 does not \
               have Upgrade. (This is only a warning, because ws and gorilla accept such a request too.)";
    better_refused(target, &request, &["Upgrade"], "400 Bad Request", why)
}
