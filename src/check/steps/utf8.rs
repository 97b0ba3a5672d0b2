//! Group 7: text is UTF-8, as a whole message and not in each fragment.

use std::time::Duration;

use crate::check::client::Client;
use crate::check::evidence::Evidence;
use crate::check::finding::{Finding, Outcome};
use crate::check::received::Received;
use crate::check::step::{Needs, Step};
use crate::check::target::Target;
use crate::protocol::CloseCode;
use crate::protocol::{Frame, Opcode};

/// The steps.
pub const STEPS: &[Step] = &[
    Step::interop("7.1", "a character may be split between two fragments", split_character)
        .needs(NEEDS_TEXT)
        .rule(
            "5.6",
            "Note that a particular text frame might include a partial UTF-8 sequence; however, the whole message \
             MUST contain valid UTF-8.",
        ),
    Step::interop("7.2", "the first and last character of each length come back", edges)
        .needs(NEEDS_TEXT)
        .rule("5.6", "The \"Payload data\" is text data encoded as UTF-8."),
    Step::interop("7.3", "a binary message need not be UTF-8", binary).needs(NEEDS_TEXT).rule(
        "5.6",
        "The \"Payload data\" is arbitrary binary data whose interpretation is solely up to the application layer.",
    ),
    Step::hardening("7.4", "a byte that UTF-8 never uses (ff) is refused", |target| {
        refused(target, &[0xff])
    })
    .needs(Needs::Probe)
    .rule("8.1", NOT_VALID),
    Step::hardening("7.5", "an overlong form (c0 af) is refused", |target| {
        refused(target, &[0xc0, 0xaf])
    })
    .needs(Needs::Probe)
    .rule("8.1", NOT_VALID),
    Step::hardening("7.6", "half a surrogate pair is refused", |target| {
        refused(target, &[0xed, 0xa0, 0x80])
    })
    .needs(Needs::Probe)
    .rule("8.1", NOT_VALID),
    Step::hardening("7.7", "a character above U+10FFFF is refused", |target| {
        refused(target, &[0xf4, 0x90, 0x80, 0x80])
    })
    .needs(Needs::Probe)
    .rule("8.1", NOT_VALID),
    Step::hardening("7.8", "a text that ends inside a character is refused", |target| {
        refused(target, &[0xe2, 0x82])
    })
    .needs(Needs::Probe)
    .rule("8.1", NOT_VALID),
    Step::hardening("7.9", "a bad byte in a fragment is refused", bad_fragment)
        .needs(Needs::Probe)
        .rule("8.1", NOT_VALID),
    Step::hardening("7.10", "a bad fragment is refused before the message ends", fails_fast)
        .needs(NEEDS_TEXT)
        .rule("8.1", NOT_VALID),
];

const NEEDS_TEXT: Needs = Needs::Echo(&["2.1"]);

const NOT_VALID: &str = "When an endpoint is to interpret a byte stream as UTF-8 but finds that the byte stream is \
                         not, in fact, a valid UTF-8 stream, that endpoint MUST _Fail the WebSocket Connection_.";

fn split_character(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    // The euro sign is e2 82 ac.
    client.send_fragments(Opcode::Text, &[&[0xe2], &[0x82, 0xac]]);
    client.expect_echo(Opcode::Text, "€".as_bytes()).map_err(|mut finding| {
        let closed_with_1007 = |found: &Received| found.is_close_with(CloseCode::INVALID_PAYLOAD_DATA);
        if finding.instead.as_ref().is_some_and(closed_with_1007) {
            finding.why = "Your server closed with code 1007 when a part of a character came.".to_owned();
        }
        finding.why += " A character may be split between two fragments: only the whole message must be UTF-8, not \
                        each fragment.";
        finding
    })
}

fn edges(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    for text in
        ["\u{0}", "\u{7f}\u{80}", "\u{7ff}\u{800}", "\u{d7ff}\u{e000}", "\u{ffff}\u{10ffff}"]
    {
        client.send_message(Opcode::Text, text.as_bytes());
        client.expect_echo(Opcode::Text, text.as_bytes())?;
    }
    Ok(())
}

fn binary(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    client.send_message(Opcode::Binary, &[0xff, 0xc0, 0xaf]);
    client.expect_echo(Opcode::Binary, &[0xff, 0xc0, 0xaf])
}

const NOT_UTF8: &str = "The text message is not valid UTF-8.";

/// Sends a text that ends with `bytes`, which are not UTF-8, and expects a refusal.
fn refused(target: &Target, bytes: &[u8]) -> Outcome {
    let mut client = Client::open(target)?;
    client.send_message(Opcode::Text, &[b"ab", bytes].concat());
    client.expect_refusal(CloseCode::INVALID_PAYLOAD_DATA, NOT_UTF8).map_err(|finding| {
        // Chrome complains only if the bytes come back as they were.
        let back = Frame::decode(client.received_bytes()).filter(|(frame, _)| {
            frame.header.opcode == Opcode::Text && std::str::from_utf8(&frame.payload).is_err()
        });
        match back {
            Some(_) => finding.browser("Could not decode a text frame as UTF-8."),
            None => finding,
        }
    })
}

fn bad_fragment(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    client.send_fragments(Opcode::Text, &[b"good", b"bad \xff", b"good"]);
    client.expect_refusal(CloseCode::INVALID_PAYLOAD_DATA, NOT_UTF8)
}

/// How long a server may take to refuse a bad fragment at once.
const AT_ONCE: Duration = Duration::from_millis(300);

fn fails_fast(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    let first = client.fragment(Opcode::Text, 0, &[b"bad \xff", b"never sent"]);
    client.send_frame(&first);
    let sent = client.sent();
    let received = client.receive_within(AT_ONCE);
    if matches!(received, Received::Close(_) | Received::Ended) {
        return Ok(());
    }
    let code = CloseCode::INVALID_PAYLOAD_DATA.0.to_be_bytes();
    Err(Finding::warn(
        "The first fragment cannot become UTF-8 any more, and the message may be long. Your server could refuse it at \
         once, but waits for the rest. (ws, websockets and gorilla wait too.)",
    )
    .sent(sent)
    .received(client.received_evidence(&received))
    .expected(Evidence::frame(&Frame::new(Opcode::Close, None, &code))))
}
