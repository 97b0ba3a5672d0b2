//! Chapter 1, second half: requests that are no handshake, and must not be taken for one.

use super::handshake::{KEY, VERSION, ask};
use crate::check::finding::{Finding, Outcome, Verdict};
use crate::check::request::Request;
use crate::check::target::Target;

/// A handshake that must not be accepted.
fn refused(
    target: &Target,
    request: &Request,
    names: &[&str],
    expected: &str,
    why: &str,
) -> Outcome {
    let (_, answer) = ask(target, request)?;
    let finding = match answer.status() {
        Some(101) => Finding::fail(why),
        Some(_) => return Ok(()),
        None if answer.raw.is_empty() && answer.ended => Finding::warn(
            "Your server closed the connection without an answer. That refuses it; a status would tell the \
             client why.",
        ),
        None if answer.raw.is_empty() => Finding::fail(
            "Your server neither answered nor closed, and whoever sent this waits. Look at its console, too.",
        ),
        None => {
            Finding::fail("What came is no HTTP answer: that begins with HTTP/1.1 and a status.")
        }
    };
    Err(finding
        .sent(request.evidence(names))
        .received(answer.evidence(&[]))
        .expected(format!("HTTP/1.1 {expected}")))
}

pub fn no_key(target: &Target) -> Outcome {
    let request = Request::new(target).without(KEY);
    let why =
        "There is no Sec-WebSocket-Key, so there is nothing to prove: this is no WebSocket client.";
    refused(target, &request, &["Upgrade", KEY, VERSION], "400 Bad Request", why)
}

pub fn post(target: &Target) -> Outcome {
    let request = Request::new(target).with_line("GET", "POST");
    let why = "A handshake is a GET. Look at the request line too, not at the headers only.";
    refused(target, &request, &["Upgrade"], "405 Method Not Allowed", why)
}

pub fn no_upgrade(target: &Target) -> Outcome {
    let request = Request::new(target).without("Upgrade");
    let why = "The request does not ask for WebSocket, and got it. Somebody who opens the address in a \
               browser sends such a request, and then waits for a page.";
    refused(target, &request, &["Upgrade", "Connection"], "426 Upgrade Required", why)
}

pub fn other_upgrade(target: &Target) -> Outcome {
    let request = Request::new(target).with("Upgrade", "h2c");
    let why = "The request asks for another protocol than WebSocket, and got WebSocket.";
    refused(target, &request, &["Upgrade"], "426 Upgrade Required", why)
}

pub fn no_connection(target: &Target) -> Outcome {
    let request = Request::new(target).with("Connection", "keep-alive");
    let why = "Upgrade holds for the next hop only, and must be named in Connection. Without that a proxy may \
               have passed it on without understanding it.";
    refused(target, &request, &["Upgrade", "Connection"], "400 Bad Request", why)
}

pub fn no_version(target: &Target) -> Outcome {
    let request = Request::new(target).without(VERSION);
    let why = "There is no Sec-WebSocket-Version. It must be there, and be 13.";
    refused(target, &request, &["Upgrade", VERSION], "400 Bad Request", why)
}

pub fn version_8(target: &Target) -> Outcome {
    let request = Request::new(target).with(VERSION, "8");
    let why = "Version 8 was a draft, with other rules. Only 13 is the WebSocket of RFC 6455. (The npm \
               package ws accepts it too; so this is a warning.)";
    refused(target, &request, &[VERSION], "426 Upgrade Required", why)
        .map_err(|finding| finding.at_most(Verdict::Warn))
}

pub fn names_13(target: &Target) -> Outcome {
    let request = Request::new(target).with(VERSION, "99");
    let (_, answer) = ask(target, &request)?;
    let finding = match answer.status() {
        Some(101) => Finding::fail("Version 99 does not exist, and your server accepted it."),
        Some(_) if answer.lists(VERSION, "13") => return Ok(()),
        Some(_) => Finding::warn(
            "Your server refuses version 99, but does not say which one it speaks. With \
             Sec-WebSocket-Version: 13 in the answer a client can try again. (PyPI's websockets does not \
             say so either; so this is a warning.)",
        ),
        None => Finding::warn(
            "Version 99 got no HTTP answer, so the client does not learn which to use.",
        ),
    };
    Err(finding
        .sent(request.evidence(&[VERSION]))
        .received(answer.evidence(&[VERSION]))
        .expected("HTTP/1.1 426 Upgrade Required, with Sec-WebSocket-Version: 13"))
}

/// What widely used servers take too: no more than a warning.
fn better_refused(target: &Target, request: &Request, names: &[&str], why: &str) -> Outcome {
    refused(target, request, names, "400 Bad Request", why)
        .map_err(|finding| finding.at_most(Verdict::Warn))
}

pub fn short_key(target: &Target) -> Outcome {
    // 15 bytes in base64.
    let request = Request::new(target).with(KEY, "AQIDBAUGBwgJCgsMDQ4P");
    let why = "The key decodes to 15 bytes, not 16. A client that sends it has not understood something. \
               (gorilla accepts it too; so this is a warning.)";
    better_refused(target, &request, &[KEY], why)
}

pub fn no_host(target: &Target) -> Outcome {
    let request = Request::new(target).without("Host");
    let why = "HTTP/1.1 requires Host. By it a server knows which of its names was meant, and that no \
               stranger's name leads to it. (ws and websockets accept it too; so this is a warning.)";
    better_refused(target, &request, &["Host", "Upgrade"], why)
}

pub fn http_1_0(target: &Target) -> Outcome {
    let request = Request::new(target).with_line("HTTP/1.1", "HTTP/1.0");
    let why = "A handshake needs HTTP/1.1: HTTP/1.0 knows no Upgrade. (ws and gorilla accept it too; so \
               this is a warning.)";
    better_refused(target, &request, &["Upgrade"], why)
}
