//! Chapter 8: the closing handshake, and what ends TCP.

use crate::check::client::{Client, Heard, close_code, describe};
use crate::check::finding::{Evidence, Finding, Outcome, Verdict};
use crate::check::step::{Needs, Step};
use crate::check::target::Target;
use crate::close::CloseCode;
use crate::frame::{Frame, Opcode, mask};

/// The steps.
pub const STEPS: &[Step] = &[
    Step::talk("8.1", "a Close is answered with a Close", "5.5.1", Needs::Passed("1.2"), answered),
    Step::talk("8.2", "the answer carries the same code", "5.5.1", CLOSE, same_code),
    Step::talk("8.3", "a Close without a code is answered", "5.5.1", CLOSE, no_code),
    Step::talk("8.4", "1001, 3000 and 4999 are accepted as codes", "7.4", CLOSE, other_codes),
    Step::talk("8.5", "a reason of 123 bytes is accepted", "5.5.1", CLOSE, long_reason),
    Step::talk("8.6", "then the server closes TCP", "7.1.1", CLOSE, closes_tcp),
    Step::talk(
        "8.7",
        "what was said before is answered first",
        "5.5.1",
        Needs::Echo(&["8.1"]),
        said_before,
    ),
    Step::hold(
        "8.8",
        "after the Close nothing is answered",
        "5.5.1",
        Needs::Echo(&["8.1"]),
        said_after,
    ),
    Step::hold("8.9", "1005, 1006 and 1015 never travel", "7.4.1", CLOSE, |t| {
        refused(t, &[1005, 1006, 1015])
    }),
    Step::hold("8.10", "codes below 1000 are refused", "7.4.2", CLOSE, |t| refused(t, &[0, 999])),
    Step::hold("8.11", "codes without a meaning are refused", "7.4.2", CLOSE, |t| {
        refused(t, &[1004, 1016, 2999])
    }),
    Step::hold("8.12", "half a code is refused", "5.5.1", CLOSE, half_a_code),
    Step::hold("8.13", "a reason that is not UTF-8 is refused", "5.5.1", CLOSE, bad_reason),
];

const CLOSE: Needs = Needs::Passed("8.1");

/// Sends a Close, and reads up to the one that answers it.
fn close(target: &Target, body: &[u8]) -> Result<(Client, Option<CloseCode>), Box<Finding>> {
    let mut client = Client::open(target)?;
    client.say(Opcode::Close, body);
    let sent = client.sent();
    loop {
        let heard = client.hear();
        let why = match &heard {
            Heard::Close(found) => match wrong_in(found, body) {
                None => return Ok((client, close_code(found))),
                Some(wrong) => {
                    return Err(Finding::fail(wrong)
                        .sent(sent)
                        .received(client.heard_evidence(&heard))
                        .expected("88 02 03 e8  CLOSE 1000"));
                }
            },
            // It may have been on its way.
            Heard::Control(Opcode::Ping | Opcode::Pong, _) => continue,
            Heard::Message(_, found) if found != body && !client.echoes() => continue,
            Heard::Message(_, found) if found == body => {
                "You took the Close for a message, and sent it back as one. Look at the opcode: 8 is a \
                 Close, and is answered with a Close."
            }
            Heard::Ended => {
                "Your server closed TCP without answering the Close. The other side cannot tell that from a \
                 lost connection: a browser reports 1006, and wasClean false."
            }
            Heard::Silence => {
                "No Close came back. Answer with one (opcode 8) and the same code, then close TCP: a browser \
                 waits for it, and after a while reports 1006."
            }
            _ => "Something else than a Close came.",
        };
        let answer = Frame::new(Opcode::Close, None, body);
        return Err(Finding::fail(why)
            .sent(sent)
            .received(client.heard_evidence(&heard))
            .expected(format!(
                "{}  {}",
                Evidence::bytes(&answer.encode(), "").shown,
                describe(&answer)
            )));
    }
}

/// The code with its two bytes swapped, and as it crossed the wire under the first key: mistakes in the
/// code that is sent back, and no codes of the server's own.
fn mistaken(code: u16) -> [u16; 2] {
    let mut masked = code.to_be_bytes();
    mask(&mut masked, [0x37, 0xfa, 0x21, 0x3d]);
    [code.swap_bytes(), u16::from_be_bytes(masked)]
}

/// What is wrong with the body of a Close that answers one with the body `asked`.
fn wrong_in(body: &[u8], asked: &[u8]) -> Option<String> {
    let reason = body.get(2..).unwrap_or_default();
    match close_code(body) {
        None if body.is_empty() => None,
        None => Some("The Close has one byte of payload. A code has two.".to_owned()),
        Some(code) if body[..2].iter().all(u8::is_ascii_digit) => Some(format!(
            "{} is no close code: {:02x} {:02x} are the letters {:?}. Write the code as a number in two \
             bytes, the high one first: 1000 is 03 e8.",
            code.0,
            body[0],
            body[1],
            String::from_utf8_lossy(&body[..2])
        )),
        // Told of where the same code is expected.
        Some(code) if close_code(asked).is_some_and(|sent| mistaken(sent.0).contains(&code.0)) => {
            None
        }
        Some(code) if !code.may_travel() => Some(format!(
            "Your server sent the close code {code}, which must not be in a Close frame."
        )),
        Some(_) if body.len() > 125 => Some(format!(
            "The Close has {} bytes of payload. A control frame has 125 at most.",
            body.len()
        )),
        Some(_) if std::str::from_utf8(reason).is_err() => {
            Some("The reason in your server's Close is not UTF-8.".to_owned())
        }
        Some(_) => None,
    }
}

fn answered(target: &Target) -> Outcome {
    close(target, &1000_u16.to_be_bytes()).map(|_| ())
}

fn same_code(target: &Target) -> Outcome {
    let (client, found) = close(target, &1001_u16.to_be_bytes())?;
    let [swapped, masked] = mistaken(1001);
    let finding = match found.map(|code| code.0) {
        Some(1001) => return Ok(()),
        Some(code) if code == swapped => Finding::fail(
            "The two bytes of the code are swapped. The high byte comes first: 1001 is 03 e9.",
        ),
        Some(code) if code == masked => Finding::fail(
            "You sent the code back still masked. Unmask the payload first, as in any other frame.",
        ),
        Some(code) => Finding::warn(format!(
            "Your server answered 1001 with {}. It may, but an answer typically has the code that came: then \
             both sides report the same.",
            CloseCode(code)
        )),
        None => Finding::warn(
            "Your server answered without a code. It may, but an answer typically has the code that came: \
             without one the other side reports 1005.",
        ),
    };
    let raw = client.raw();
    let received = match raw.len() {
        4.. => Evidence::marked(raw, "", 2..4, "the code"),
        _ => Evidence::bytes(raw, "CLOSE, no code"),
    };
    Err(finding.sent(client.sent()).received(vec![received]).expected("88 02 03 e9  CLOSE 1001"))
}

fn no_code(target: &Target) -> Outcome {
    close(target, b"").map(|_| ())
}

fn other_codes(target: &Target) -> Outcome {
    for code in [1001_u16, 3000, 4999] {
        let (client, found) = close(target, &code.to_be_bytes())?;
        if found == Some(CloseCode::PROTOCOL_ERROR) {
            return Err(Finding::fail(format!(
                "{} may be sent, and your server refused it.",
                CloseCode(code)
            ))
            .sent(client.sent())
            .received(vec![Evidence::bytes(client.raw(), "")]));
        }
    }
    Ok(())
}

fn long_reason(target: &Target) -> Outcome {
    let body = [&1000_u16.to_be_bytes()[..], &[b'r'; 123]].concat();
    let (client, found) = close(target, &body)?;
    if found == Some(CloseCode::PROTOCOL_ERROR) {
        return Err(Finding::fail("A Close of 125 bytes is allowed: two of code, 123 of reason.")
            .sent(client.sent())
            .received(vec![Evidence::bytes(client.raw(), "")]));
    }
    Ok(())
}

fn closes_tcp(target: &Target) -> Outcome {
    let (mut client, _) = close(target, &1000_u16.to_be_bytes())?;
    let sent = client.sent();
    match client.hear() {
        Heard::Ended => Ok(()),
        heard @ (Heard::Message(..) | Heard::Control(..) | Heard::Close(_)) => Err(Finding::fail(
            "After the Close your server sent more. A Close is the last thing that is sent.",
        )
        .sent(sent)
        .received(client.heard_evidence(&heard))
        .expected("the end of the connection")),
        heard => Err(Finding::fail(
            "Both Close frames have crossed, and the TCP connection is still open. The server closes it, at \
             once: until then the client waits, and a thread and a descriptor of yours are held.",
        )
        .sent(sent)
        .received(client.heard_evidence(&heard))
        .expected("the end of the connection")),
    }
}

fn said_before(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    client.say(Opcode::Text, b"last words");
    client.say(Opcode::Close, &1000_u16.to_be_bytes());
    let sent = client.sent();
    match client.hear() {
        Heard::Message(_, found) if found == b"last words" => Ok(()),
        heard => Err(Finding::warn(
            "A message came before the Close, and was not answered. Frames are handled in the order in which \
             they come.",
        )
        .sent(sent)
        .received(client.heard_evidence(&heard))
        .expected("81 0a ...  TEXT \"last words\", then the Close")),
    }
}

fn said_after(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    client.say(Opcode::Close, &1000_u16.to_be_bytes());
    client.say(Opcode::Text, b"too late");
    let sent = client.sent();
    loop {
        match client.hear() {
            Heard::Close(_) => {}
            Heard::Ended | Heard::Silence => return Ok(()),
            heard => {
                return Err(Finding::fail(
                    "After a Close no more is sent, and what comes is not handled. Your server answered a \
                     message that came after it.",
                )
                .sent(sent)
                .received(client.heard_evidence(&heard))
                .expected("88 02 03 e8  CLOSE 1000, and the end of the connection"));
            }
        }
    }
}

/// Codes that must not be sent.
fn refused(target: &Target, codes: &[u16]) -> Outcome {
    for &code in codes {
        let name = CloseCode(code);
        let why = format!("{name} must not be in a Close frame.");
        close_refused(target, &code.to_be_bytes(), &why, &[CloseCode::PROTOCOL_ERROR])?;
    }
    Ok(())
}

/// A Close frame that is wrong in itself.
fn close_refused(target: &Target, body: &[u8], why: &str, right: &[CloseCode]) -> Outcome {
    let mut client = Client::open(target)?;
    client.say(Opcode::Close, body);
    let sent = client.sent();
    let mut heard = client.hear();
    while matches!(heard, Heard::Message(..)) && !client.echoes() {
        heard = client.hear();
    }
    let finding = match &heard {
        Heard::Close(found) => match close_code(found) {
            Some(code) if right.contains(&code) => return Ok(()),
            _ if found == body => Finding::fail(format!(
                "{why} Your server took it, and sent it back. Answer with Close 1002."
            )),
            Some(code) if wrong_in(found, body).is_some() => Finding::fail(format!(
                "{why} Your server answered with {code}, which must not be in one either."
            )),
            Some(code) => Finding::warn(format!(
                "{why} Your server answered with {code}; 1002 would say that it is wrong."
            )),
            None => Finding::warn(format!(
                "{why} Your server answered without a code; 1002 would say that it is wrong."
            )),
        },
        Heard::Ended => Finding::warn(format!(
            "{why} Your server closed TCP, which refuses it; a Close 1002 would say why."
        )),
        _ => Finding::fail(format!("{why} Your server does not close.")),
    };
    Err(finding
        .sent(sent)
        .received(client.heard_evidence(&heard))
        .expected("88 02 03 ea  CLOSE 1002"))
}

fn half_a_code(target: &Target) -> Outcome {
    let why = "The Close has one byte of payload. A code has two. (gorilla takes it too; so this is a warning.)";
    close_refused(target, &[0x03], why, &[CloseCode::PROTOCOL_ERROR])
        .map_err(|finding| finding.at_most(Verdict::Warn))
}

fn bad_reason(target: &Target) -> Outcome {
    let why = "The reason in the Close is not UTF-8.";
    let right = [CloseCode::INVALID_DATA, CloseCode::PROTOCOL_ERROR];
    close_refused(target, &[0x03, 0xe8, b'b', b'a', b'd', 0xff], why, &right)
}
