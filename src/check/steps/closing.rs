//! Group 8: the closing handshake, and the end of the TCP connection.

use crate::check::client::Client;
use crate::check::evidence::Evidence;
use crate::check::finding::{Finding, Outcome, Verdict};
use crate::check::received::{Received, close_code};
use crate::check::step::{Needs, Step};
use crate::check::target::Target;
use crate::close::CloseCode;
use crate::frame::{Frame, Opcode, mask};

/// The steps.
pub const STEPS: &[Step] = &[
    Step::interop("8.1", "your server answers a Close with a Close", answered)
        .needs(Needs::Passed("1.2"))
        .rule(
            "5.5.1",
            "If an endpoint receives a Close frame and did not previously send a Close frame, the endpoint MUST send \
             a Close frame in response.",
        ),
    Step::interop("8.2", "the answer has the same close code", same_code).needs(NEEDS_CLOSE).rule(
        "5.5.1",
        "When sending a Close frame in response, the endpoint typically echos the status code it received.",
    ),
    Step::interop("8.3", "a Close without a code is answered", no_code).needs(NEEDS_CLOSE).rule(
        "5.5.1",
        "The Close frame MAY contain a body (the \"Application data\" portion of the frame) that indicates a reason \
         for closing",
    ),
    Step::interop("8.4", "close codes 1001, 3000 and 4999 are accepted", other_codes)
        .needs(NEEDS_CLOSE)
        .rule(
            "7.4.2",
            "Status codes in the range 3000-3999 are reserved for use by libraries, frameworks, and applications.",
        ),
    Step::interop("8.5", "a close reason of 123 bytes is accepted", long_reason)
        .needs(NEEDS_CLOSE)
        .rule("5.5.1", MAY_HAVE_REASON),
    Step::interop("8.6", "after both Close frames, your server closes TCP", closes_tcp)
        .needs(NEEDS_CLOSE)
        .rule("5.5.1", "The server MUST close the underlying TCP connection immediately"),
    Step::interop("8.7", "a message before the Close is answered first", message_before)
        .needs(Needs::Echo(&["8.1"]))
        .rule(
            "5.5.1",
            "An endpoint MAY delay sending a Close frame until its current message is sent",
        ),
    Step::hardening("8.8", "a message after the Close is not answered", message_after)
        .needs(Needs::Echo(&["8.1"]))
        .rule(
            "5.5.1",
            "The application MUST NOT send any more data frames after sending a Close frame.",
        ),
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
        .rule("5.5.1", MAY_HAVE_REASON),
];

const NEEDS_CLOSE: Needs = Needs::Passed("8.1");

const MAY_HAVE_REASON: &str = "Following the 2-byte integer, the body MAY contain UTF-8-encoded data with value \
                               /reason/, the interpretation of which is not defined by this specification.";

/// Bytes of the longest control frame's payload (RFC 6455 section 5.5).
const MAX_CONTROL: usize = 125;

/// The Close that the server should have sent.
fn close_frame(code: u16) -> Evidence {
    Evidence::frame(&Frame::new(Opcode::Close, None, &code.to_be_bytes()))
}

/// Sends a Close with `body`, and reads up to the Close that answers it.
fn close(target: &Target, body: &[u8]) -> Result<(Client, Option<CloseCode>), Box<Finding>> {
    let mut client = Client::open(target)?;
    client.send_message(Opcode::Close, body);
    let sent = client.sent();
    loop {
        let received = client.receive();
        let why = match &received {
            Received::Close(found) => match fault_in_close(found, body) {
                None => return Ok((client, close_code(found))),
                Some(fault) => {
                    return Err(Finding::fail(fault)
                        .sent(sent)
                        .received(client.received_evidence(&received))
                        .expected(close_frame(1000)));
                }
            },
            // The server may have sent it before the Close reached it.
            Received::Control(Opcode::Ping | Opcode::Pong, _) => continue,
            Received::Message(_, found) if found != body && !client.echoes() => continue,
            Received::Message(_, found) if found == body => {
                "You treated the Close as a message, and sent it back as one. Look at the opcode: 8 is a Close. Answer \
                 it with a Close."
            }
            Received::Ended => {
                "Your server closed TCP and did not answer the Close. For the client this looks like a lost \
                 connection: a browser reports code 1006, and wasClean is false."
            }
            Received::Silence => {
                "No Close came back. Answer with a Close (opcode 8) that has the same code, then close TCP. A browser \
                 waits for your Close, and after a while reports code 1006."
            }
            _ => "Something other than a Close came.",
        };
        let answer = Frame::new(Opcode::Close, None, body);
        return Err(Finding::fail(why)
            .sent(sent)
            .received(client.received_evidence(&received))
            .expected(Evidence::frame(&answer)));
    }
}

/// What two known mistakes make of a code: its bytes swapped, and still masked with the first key.
fn mistaken(code: u16) -> [u16; 2] {
    let mut masked = code.to_be_bytes();
    mask(&mut masked, [0x37, 0xfa, 0x21, 0x3d]);
    [code.swap_bytes(), u16::from_be_bytes(masked)]
}

/// What is wrong with `body`, the body of the Close that answers a Close with the body `asked`.
fn fault_in_close(body: &[u8], asked: &[u8]) -> Option<String> {
    let reason = body.get(2..).unwrap_or_default();
    match close_code(body) {
        None if body.is_empty() => None,
        None => Some("Your Close has one byte of payload, but a close code has two.".to_owned()),
        Some(code) if body[..2].iter().all(u8::is_ascii_digit) => Some(format!(
            "{} is not a close code: {:02x} {:02x} are the characters {:?}. Write the code as a number in two bytes, \
             high byte first: 1000 is 03 e8.",
            code.0,
            body[0],
            body[1],
            String::from_utf8_lossy(&body[..2])
        )),
        // Step 8.2 explains these.
        Some(code) if close_code(asked).is_some_and(|sent| mistaken(sent.0).contains(&code.0)) => {
            None
        }
        Some(code) if !code.may_travel() => Some(format!(
            "Your server sent the close code {code}, which must not be in a Close frame."
        )),
        Some(_) if body.len() > MAX_CONTROL => Some(format!(
            "Your Close has {} bytes of payload, but a control frame may have {MAX_CONTROL} at most.",
            body.len()
        )),
        Some(_) if std::str::from_utf8(reason).is_err() => {
            Some("The reason in your Close is not UTF-8.".to_owned())
        }
        Some(_) => None,
    }
}

fn answered(target: &Target) -> Outcome {
    close(target, &1000_u16.to_be_bytes()).map(drop)
}

fn same_code(target: &Target) -> Outcome {
    let (client, found) = close(target, &1001_u16.to_be_bytes())?;
    let [swapped, masked] = mistaken(1001);
    let finding = match found.map(|code| code.0) {
        Some(1001) => return Ok(()),
        Some(code) if code == swapped => Finding::fail(
            "The two bytes of the close code are swapped. The high byte comes first: 1001 is 03 e9.",
        ),
        Some(code) if code == masked => Finding::fail(
            "You sent the close code back still masked. Unmask the payload first, as in any other frame.",
        ),
        Some(code) => Finding::warn(format!(
            "Your server answered code 1001 with code {}. That is allowed, but a server usually sends back the code that it got, so \
             that both sides report the same.",
            CloseCode(code)
        )),
        None => Finding::warn(
            "Your server answered without a code. That is allowed, but a server usually sends back the code that it got. \
             Without one, the client reports code 1005.",
        ),
    };
    let bytes = client.received_bytes();
    let received = match bytes.len() {
        4.. => Evidence::bytes(bytes, "").with_mark(2..4, "the code"),
        _ => Evidence::bytes(bytes, "CLOSE, no code"),
    };
    Err(finding.sent(client.sent()).received(vec![received]).expected(close_frame(1001)))
}

fn no_code(target: &Target) -> Outcome {
    close(target, b"").map(drop)
}

fn other_codes(target: &Target) -> Outcome {
    for code in [1001_u16, 3000, 4999] {
        let (client, found) = close(target, &code.to_be_bytes())?;
        if found == Some(CloseCode::PROTOCOL_ERROR) {
            return Err(Finding::fail(format!(
                "A client may send code {}, but your server refused it.",
                CloseCode(code)
            ))
            .sent(client.sent())
            .received(vec![Evidence::bytes(client.received_bytes(), "")]));
        }
    }
    Ok(())
}

fn long_reason(target: &Target) -> Outcome {
    let body = [&1000_u16.to_be_bytes()[..], &[b'r'; 123]].concat();
    let (client, found) = close(target, &body)?;
    if found == Some(CloseCode::PROTOCOL_ERROR) {
        return Err(Finding::fail(
            "Your server refused a Close of 125 bytes, which is allowed: two bytes of code and 123 of reason.",
        )
        .sent(client.sent())
        .received(vec![Evidence::bytes(client.received_bytes(), "")]));
    }
    Ok(())
}

fn closes_tcp(target: &Target) -> Outcome {
    let (mut client, _) = close(target, &1000_u16.to_be_bytes())?;
    let sent = client.sent();
    let received = client.receive();
    let why = match received {
        Received::Ended => return Ok(()),
        Received::Message(..) | Received::Control(..) | Received::Close(_) => {
            "Your server sent more after its Close. A Close is the last frame of a connection."
        }
        _ => {
            "Both sides have sent a Close frame, but the TCP connection is still open. The server must close it at \
             once. Until then the client waits, and your server keeps a thread and a socket for it."
        }
    };
    Err(Finding::fail(why)
        .sent(sent)
        .received(client.received_evidence(&received))
        .expected(Evidence::line("the end of the connection")))
}

fn message_before(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    client.send_message(Opcode::Text, b"last words");
    client.send_message(Opcode::Close, &1000_u16.to_be_bytes());
    let sent = client.sent();
    match client.receive() {
        Received::Message(_, found) if found == b"last words" => Ok(()),
        received => Err(Finding::warn(
            "A message came before the Close, but your server did not answer it. Handle frames in the order in which \
             they come.",
        )
        .sent(sent)
        .received(client.received_evidence(&received))
        .expected(Evidence::frame(&Frame::new(Opcode::Text, None, b"last words")))
        .expected(close_frame(1000))),
    }
}

fn message_after(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    client.send_message(Opcode::Close, &1000_u16.to_be_bytes());
    client.send_message(Opcode::Text, b"too late");
    let sent = client.sent();
    loop {
        match client.receive() {
            Received::Close(_) => {}
            Received::Ended | Received::Silence => return Ok(()),
            received => {
                return Err(Finding::fail(
                    "Your server answered a message that came after the Close. After a Close, send nothing more, and \
                     ignore what comes.",
                )
                .sent(sent)
                .received(client.received_evidence(&received))
                .expected(close_frame(1000))
                .expected(Evidence::line("the end of the connection")));
            }
        }
    }
}

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
            Some(code) if fault_in_close(found, body).is_some() => Finding::fail(format!(
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
            "{why} Your server closed TCP, which refuses it. A Close frame with code 1002 tells the client why."
        )),
        _ => Finding::fail(format!("{why} Your server does not close the connection.")),
    };
    Err(finding
        .sent(sent)
        .received(client.received_evidence(&received))
        .expected(close_frame(CloseCode::PROTOCOL_ERROR.0)))
}

fn half_a_code(target: &Target) -> Outcome {
    let why = "The Close has one byte of payload, but a close code has two. (This is only a warning, because gorilla \
               accepts it too.)";
    close_refused(target, &[0x03], why, &[CloseCode::PROTOCOL_ERROR])
        .map_err(|finding| finding.at_most(Verdict::Warn))
}

fn bad_reason(target: &Target) -> Outcome {
    let why = "The reason in the Close is not UTF-8.";
    let right = [CloseCode::INVALID_DATA, CloseCode::PROTOCOL_ERROR];
    close_refused(target, &[0x03, 0xe8, b'b', b'a', b'd', 0xff], why, &right)
}
