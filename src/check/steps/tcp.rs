//! Group 9, first part: TCP carries a stream of bytes, and may cut it anywhere.

use std::time::Duration;

use crate::check::client::Client;
use crate::check::evidence::Evidence;
use crate::check::finding::{Finding, Outcome};
use crate::check::received::Received;
use crate::check::request::Request;
use crate::check::step::{Needs, Step};
use crate::check::target::Target;
use crate::protocol::Opcode;

/// The steps.
pub const STEPS: &[Step] = &[
    Step::interop("9.1", "a request may come in forty pieces", request_in_pieces)
        .needs(Needs::Passed("1.2"))
        .rule_of(9293, "2.2", BYTE_STREAM),
    Step::interop("9.2", "a frame may come byte by byte", frame_in_pieces)
        .needs(NEEDS_TEXT)
        .rule_of(9293, "2.2", BYTE_STREAM),
    Step::interop("9.3", "a frame's payload may come after its header", payload_later)
        .needs(NEEDS_TEXT)
        .rule_of(9293, "2.2", BYTE_STREAM),
    Step::interop("9.4", "two frames may come in one TCP segment", two_frames)
        .needs(NEEDS_TEXT)
        .rule_of(9293, "2.2", BYTE_STREAM),
    Step::interop("9.5", "one and a half frames may come in one TCP segment", one_and_a_half)
        .needs(NEEDS_TEXT)
        .rule_of(9293, "2.2", BYTE_STREAM),
    Step::interop("9.6", "300 messages may come before an echo is read", many_messages)
        .needs(NEEDS_TEXT)
        .rule_of(9293, "2.2", BYTE_STREAM),
];

const NEEDS_TEXT: Needs = Needs::Echo(&["2.1"]);

const BYTE_STREAM: &str = "TCP provides a reliable, in-order, byte-stream service to applications.";

fn request_in_pieces(target: &Target) -> Outcome {
    let mut client = Client::connect(target)?;
    let request = Request::new(target);
    // tungstenite regards more than 64 small pieces as an attack, and so do servers made with it.
    let bytes = request.encode();
    client.send_in_pieces(&bytes, bytes.len().div_ceil(40));
    let response = client.read_response();
    if response.status() == Some(101) {
        return Ok(());
    }
    Err(Finding::fail(
        "The request came in many small pieces. One recv does not always give you the whole request: read again, and \
         append what comes, until you have the blank line.",
    )
    .sent(request.evidence(&[]))
    .received(response.evidence(&[]))
    .expected(Evidence::line("HTTP/1.1 101 Switching Protocols")))
}

/// Adds the reason if nothing came: the same frame came back when it was sent in one piece.
fn explain_recv(mut finding: Box<Finding>) -> Box<Finding> {
    if finding.received_too_little() {
        finding.why += " The same frame came back when it was sent in one piece, so your server treats one recv as one \
                        frame. TCP is a stream of bytes. Append what comes to a buffer, and take frames from its start \
                        as long as it has a whole one.";
    }
    finding
}

fn frame_in_pieces(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    let frame = client.frame(Opcode::Text, b"Hello");
    client.record_frame(&frame);
    client.send_in_pieces(&frame.encode(), 1);
    client.expect_echo(Opcode::Text, b"Hello").map_err(explain_recv)
}

fn payload_later(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    let frame = client.frame(Opcode::Text, b"Hello");
    client.record_frame(&frame);
    let bytes = frame.encode();
    let (header, payload) = bytes.split_at(6);
    client.send_partial_frame(header);
    // Long enough for a server to read the header alone, and to make its mistake.
    if client.receive_within(Duration::from_millis(30)) == Received::Silence {
        client.send(payload);
    }
    client.expect_echo(Opcode::Text, b"Hello").map_err(explain_recv)
}

fn two_frames(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    let first = client.frame(Opcode::Text, b"first");
    let second = client.frame(Opcode::Text, b"second");
    client.send(&[first.encode(), second.encode()].concat());
    client.record_frame(&first);
    client.expect_echo(Opcode::Text, b"first").map_err(explain_recv)?;
    client.record_frame(&second);
    client.expect_echo(Opcode::Text, b"second").map_err(explain_recv)
}

fn one_and_a_half(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    let first = client.frame(Opcode::Text, b"first");
    let second = client.frame(Opcode::Text, b"second");
    let bytes = [first.encode(), second.encode()].concat();
    // One byte of the second frame comes with the first.
    let (now, later) = bytes.split_at(first.encode().len() + 1);
    client.send_partial_frame(now);
    client.record_frame(&first);
    client.expect_echo(Opcode::Text, b"first").map_err(explain_recv)?;
    client.send(later);
    client.record_frame(&second);
    client.expect_echo(Opcode::Text, b"second").map_err(explain_recv)
}

/// How many messages are sent before the first echo is read.
const MANY: usize = 300;

fn many_messages(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    let texts: Vec<String> = (1..=MANY).map(|number| format!("message {number:03}")).collect();
    let frames: Vec<_> =
        texts.iter().map(|text| client.frame(Opcode::Text, text.as_bytes())).collect();
    let bytes: Vec<u8> = frames.iter().flat_map(|frame| frame.encode()).collect();
    client.send(&bytes);
    for (text, frame) in texts.iter().zip(&frames) {
        client.record_frame(frame);
        let result = client.expect_echo(Opcode::Text, text.as_bytes());
        if result.is_err() && client.is_out_of_time() {
            return Err(Finding::warn(format!(
                "The client sent {MANY} messages without waiting for answers. The answers were still coming when the \
                 time for this step was over."
            ))
            .expected(Evidence::line(&**text)));
        }
        result.map_err(|mut finding| {
            finding.why += &format!(
                " It was one of {MANY} messages that the client sent without waiting for answers. All of them must \
                 come back, in order."
            );
            finding
        })?;
    }
    Ok(())
}
