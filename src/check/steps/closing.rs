//! Group 8, first part: the closing handshake, and the end of the TCP connection.

use crate::check::client::Client;
use crate::check::evidence::Evidence;
use crate::check::finding::{Finding, Outcome};
use crate::check::mistakes;
use crate::check::received::{Received, close_code};
use crate::check::step::{Needs, Step};
use crate::check::target::Target;
use crate::protocol::CloseCode;
use crate::protocol::{Frame, Opcode};

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
];

const NEEDS_CLOSE: Needs = Needs::Passed("8.1");

const MAY_HAVE_REASON: &str = "Following the 2-byte integer, the body MAY contain UTF-8-encoded data with value \
                               /reason/, the interpretation of which is not defined by this specification.";

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
            Received::Close(found) => match mistakes::in_close(found, body) {
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

fn answered(target: &Target) -> Outcome {
    close(target, &1000_u16.to_be_bytes()).map(drop)
}

fn same_code(target: &Target) -> Outcome {
    let (client, found) = close(target, &1001_u16.to_be_bytes())?;
    let [swapped, masked] = mistakes::of_close_code(1001);
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
