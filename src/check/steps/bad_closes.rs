//! Group 8, second part: Close frames that a server must refuse.

use crate::check::client::Client;
use crate::check::evidence::Evidence;
use crate::check::finding::{Finding, Outcome, Verdict};
use crate::check::mistakes;
use crate::check::received::{Received, close_code};
use crate::check::step::{Needs, Step};
use crate::check::target::Target;
use crate::protocol::CloseCode;
use crate::protocol::{Frame, Opcode};

/// The steps.
pub const STEPS: &[Step] = &[
    Step::hardening("8.9", "close codes 1005, 1006 and 1015 are refused", |target| {
        codes_refused(target, &[1005, 1006, 1015])
    })
    .needs(NEEDS_CLOSE)
    .rule(
        "7.4.1",
        "1005 is a reserved value and MUST NOT be set as a status code in a Close control frame by an endpoint.",
    ),
    Step::hardening("8.10", "close codes below 1000 are refused", |target| {
        codes_refused(target, &[0, 999])
    })
    .needs(NEEDS_CLOSE)
    .rule("7.4.2", "Status codes in the range 0-999 are not used."),
    Step::hardening("8.11", "close codes without a meaning are refused", |target| {
        codes_refused(target, &[1004, 1016, 2999])
    })
    .needs(NEEDS_CLOSE)
    .rule(
        "7.4.2",
        "Status codes in the range 1000-2999 are reserved for definition by this protocol, its future revisions, and \
         extensions specified in a permanent and readily available public specification.",
    ),
    Step::hardening("8.12", "half a close code is refused", half_a_code).needs(NEEDS_CLOSE).rule(
        "5.5.1",
        "If there is a body, the first two bytes of the body MUST be a 2-byte unsigned integer (in network byte \
         order) representing a status code with value /code/ defined in Section 7.4.",
    ),
    Step::hardening("8.13", "a close reason that is not UTF-8 is refused", bad_reason)
        .needs(NEEDS_CLOSE)
        .rule("5.5.1", REASON_IS_UTF8),
];

const NEEDS_CLOSE: Needs = Needs::Passed("8.1");

const REASON_IS_UTF8: &str = "Following the 2-byte integer, the body MAY contain UTF-8-encoded data with value \
                               /reason/, the interpretation of which is not defined by this specification.";

/// Expects that the server refuses each of these codes.
fn codes_refused(target: &Target, codes: &[u16]) -> Outcome {
    for &code in codes {
        let why = format!("Code {} must not be in a Close frame.", CloseCode(code));
        close_refused(target, &code.to_be_bytes(), &why, &[CloseCode::PROTOCOL_ERROR])?;
    }
    Ok(())
}

/// Expects that the server refuses a Close with `body`, and answers with one of the codes in `right`. `why` says
/// what is wrong with the Close.
fn close_refused(target: &Target, body: &[u8], why: &str, right: &[CloseCode]) -> Outcome {
    let mut client = Client::open(target)?;
    client.send_message(Opcode::Close, body);
    let sent = client.sent();
    let mut received = client.receive();
    while matches!(received, Received::Message(..)) && !client.echoes() {
        received = client.receive();
    }
    let finding = match &received {
        Received::Close(found) => match close_code(found) {
            Some(code) if right.contains(&code) => return Ok(()),
            _ if found == body => Finding::fail(format!(
                "{why} Your server accepted it, and sent it back. Answer with a Close that has code 1002."
            )),
            Some(code) if mistakes::in_close(found, body).is_some() => Finding::fail(format!(
                "{why} Your server answered with code {code}, which must not be in a Close frame either."
            )),
            Some(code) => Finding::warn(format!(
                "{why} Your server answered with code {code}. Code 1002 tells the client that its Close was wrong."
            )),
            None => Finding::warn(format!(
                "{why} Your server answered without a code. Code 1002 tells the client that its Close was wrong."
            )),
        },
        Received::Ended => Finding::warn(format!(
            "{why} Your server refused it by closing TCP. A Close frame with code 1002 tells the client why."
        )),
        _ => Finding::fail(format!("{why} Your server does not close the connection.")),
    };
    let code = CloseCode::PROTOCOL_ERROR.0.to_be_bytes();
    let expected = Frame::new(Opcode::Close, None, &code);
    Err(finding
        .sent(sent)
        .received(client.received_evidence(&received))
        .expected(Evidence::frame(&expected)))
}

fn half_a_code(target: &Target) -> Outcome {
    let why = "The Close has one byte of payload, but a close code has two. (This is only a warning, because gorilla \
               accepts it too.)";
    close_refused(target, &[0x03], why, &[CloseCode::PROTOCOL_ERROR])
        .map_err(|finding| finding.at_most(Verdict::Warn))
}

fn bad_reason(target: &Target) -> Outcome {
    let why = "The reason in the Close is not UTF-8.";
    let right = [CloseCode::INVALID_PAYLOAD_DATA, CloseCode::PROTOCOL_ERROR];
    close_refused(target, &[0x03, 0xe8, b'b', b'a', b'd', 0xff], why, &right)
}
