//! Group 5: Pings get their Pongs, also in the middle of a message.

use crate::check::client::Client;
use crate::check::evidence::Evidence;
use crate::check::finding::{Finding, Outcome};
use crate::check::received::Received;
use crate::check::step::{Needs, Step};
use crate::check::target::Target;
use crate::protocol::{Frame, Opcode};

/// The steps.
pub const STEPS: &[Step] = &[
    Step::interop("5.1", "your server answers a Ping", answered).needs(Needs::Passed("1.2")).rule(
        "5.5.2",
        "Upon receipt of a Ping frame, an endpoint MUST send a Pong frame in response, unless it already received a \
         Close frame.",
    ),
    Step::interop("5.2", "the answer is a Pong with the Ping's payload", hello)
        .needs(NEEDS_PONG)
        .rule("5.5.3", SAME_PAYLOAD),
    Step::interop("5.3", "an empty Ping gets an empty Pong", empty)
        .needs(NEEDS_PONG)
        .rule("5.5.3", SAME_PAYLOAD),
    Step::interop("5.4", "a Ping of 125 bytes gets its Pong", longest).needs(NEEDS_PONG).rule(
        "5.5",
        "All control frames MUST have a payload length of 125 bytes or less and MUST NOT be fragmented.",
    ),
    Step::interop("5.5", "a Ping's payload need not be text", not_text)
        .needs(NEEDS_PONG)
        .rule("5.5.2", "A Ping frame MAY include \"Application data\"."),
    Step::interop("5.6", "of ten Pings, at least the last gets its Pong", ten).needs(NEEDS_PONG).rule(
        "5.5.3",
        "If an endpoint receives a Ping frame and has not yet sent Pong frame(s) in response to previous Ping \
         frame(s), the endpoint MAY elect to send a Pong frame for only the most recently processed Ping frame.",
    ),
    Step::interop("5.7", "a Pong without a Ping is ignored", pong_without_ping)
        .needs(Needs::Echo(&["2.1"]))
        .rule("5.5.3", "A response to an unsolicited Pong frame is not expected."),
    Step::interop("5.8", "a Ping between two fragments gets its Pong", pong_between_fragments)
        .needs(NEEDS_PONG)
        .rule(
            "5.4",
            "An endpoint MUST be capable of handling control frames in the middle of a fragmented message.",
        ),
    Step::interop("5.9", "a Ping between two fragments leaves the message whole", message_stays_whole)
        .needs(Needs::Echo(&["4.1", "5.8"]))
        .rule(
            "5.4",
            "Control frames (see Section 5.5) MAY be injected in the middle of a fragmented message.",
        ),
];

const NEEDS_PONG: Needs = Needs::Passed("5.1");

const SAME_PAYLOAD: &str = "A Pong frame sent in response to a Ping frame must have identical \"Application data\" as \
                            found in the message body of the Ping frame being replied to.";

/// A frame that the server should have sent.
fn expected(opcode: Opcode, payload: &[u8]) -> Evidence {
    Evidence::frame(&Frame::new(opcode, None, payload))
}

fn answered(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    client.send_message(Opcode::Ping, b"Hello");
    let sent = client.sent();
    let mut received = client.receive();
    while matches!(received, Received::Message(..)) && !client.echoes() {
        received = client.receive();
    }
    let why = match received {
        Received::Control(..) | Received::Message(..) => return Ok(()),
        Received::Silence => {
            "No answer came. A Ping (opcode 9) asks whether your server is still there. Answer it with a Pong \
             (opcode a, 10) that has the same payload. Proxies and libraries drop a connection without Pongs."
        }
        Received::Ended => {
            "Your server ended the connection when a Ping came. Answer a Ping with a Pong."
        }
        Received::Close(_) => "Your server closed when a Ping came. Answer a Ping with a Pong.",
        Received::NotFrames => "The answer is not a frame.",
    };
    Err(Finding::fail(why)
        .sent(sent)
        .received(client.received_evidence(&received))
        .expected(expected(Opcode::Pong, b"Hello")))
}

/// Sends a Ping with `payload`, and expects its Pong.
fn ping(target: &Target, payload: &[u8]) -> Outcome {
    let mut client = Client::open(target)?;
    client.send_message(Opcode::Ping, payload);
    client.expect_pong(payload)
}

fn hello(target: &Target) -> Outcome {
    ping(target, b"Hello")
}

fn empty(target: &Target) -> Outcome {
    ping(target, b"")
}

fn longest(target: &Target) -> Outcome {
    ping(target, &[b'p'; 125])
}

fn not_text(target: &Target) -> Outcome {
    ping(target, &[0x00, 0xff, 0xfe, 0x80])
}

fn ten(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    for number in 1..=10 {
        client.send_message(Opcode::Ping, format!("ping {number:02}").as_bytes());
    }
    let sent = client.sent().split_off(9);
    loop {
        match client.receive() {
            Received::Control(_, payload) if payload == b"ping 10" => return Ok(()),
            Received::Control(..) => {}
            Received::Message(..) if !client.echoes() => {}
            received => {
                return Err(Finding::fail(
                    "Ten Pings came one after another. You may leave out Pongs for the earlier ones, but you must \
                     answer the last one.",
                )
                .sent(sent)
                .received(client.received_evidence(&received))
                .expected(expected(Opcode::Pong, b"ping 10")));
            }
        }
    }
}

fn pong_without_ping(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    client.send_message(Opcode::Pong, b"nobody asked");
    client.send_message(Opcode::Text, b"Hello");
    let sent = client.sent();
    match client.receive() {
        Received::Message(Opcode::Text, found) if found == b"Hello" => Ok(()),
        received => {
            let why = match &received {
                Received::Message(_, found) if found == b"nobody asked" => {
                    "You treated the Pong as a message, and sent it back. Look at the opcode: a (10) is a Pong. It \
                     needs no answer."
                }
                Received::Control(..) => "You answered a Pong. Answer only Pings.",
                _ => "A Pong may come without a Ping, as a sign of life. Ignore it.",
            };
            Err(Finding::fail(why)
                .sent(sent)
                .received(client.received_evidence(&received))
                .expected(expected(Opcode::Text, b"Hello")))
        }
    }
}

/// A message in two fragments, with a Ping between them.
const PARTS: [&[u8]; 2] = [b"Hel", b"lo"];

/// Sends the first fragment and a Ping, and expects the Pong.
fn ping_after_first_fragment(target: &Target) -> Result<Client, Box<Finding>> {
    let mut client = Client::open(target)?;
    let first = client.fragment(Opcode::Text, 0, &PARTS);
    client.send_frame(&first);
    client.send_message(Opcode::Ping, b"between");
    client.expect_pong(b"between").map_err(|mut finding| {
        finding.why += " Here the Ping came between two fragments of a message. A control frame may come there, but \
                        it is not part of the message.";
        finding
    })?;
    Ok(client)
}

fn pong_between_fragments(target: &Target) -> Outcome {
    ping_after_first_fragment(target).map(drop)
}

fn message_stays_whole(target: &Target) -> Outcome {
    let mut client = ping_after_first_fragment(target)?;
    let last = client.fragment(Opcode::Text, 1, &PARTS);
    client.send_frame(&last);
    client.expect_echo(Opcode::Text, b"Hello").map_err(|mut finding| {
        finding.why += " The fragment \"Hel\" and then a Ping had come before this frame. The Ping must not change \
                        the message that is open.";
        finding
    })
}
