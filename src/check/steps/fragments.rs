//! Chapters 4 and 5: messages in several frames, and control frames between them.

use crate::check::client::{Client, Heard};
use crate::check::finding::{Finding, Outcome};
use crate::check::step::{Needs, Step};
use crate::check::target::Target;
use crate::frame::Opcode;

/// The steps of chapter 4.
pub const FRAGMENTS: &[Step] = &[
    Step::talk("4.1", "two fragments are one message", "5.4", NEEDS_TEXT, two),
    Step::talk("4.2", "ten fragments of one byte are one message", "5.4", NEEDS_TEXT, ten),
    Step::talk("4.3", "a fragment may be empty", "5.4", NEEDS_TEXT, empty),
    Step::talk("4.4", "a binary message in fragments stays binary", "5.4", NEEDS_TEXT, binary),
    Step::talk(
        "4.5",
        "one fragmented message may follow another",
        "5.4",
        NEEDS_TEXT,
        one_after_another,
    ),
    Step::talk("4.6", "200 bytes and 200 more are 400", "5.4", NEEDS_TEXT, long),
];

/// The steps of chapter 5.
pub const PING_PONG: &[Step] = &[
    Step::talk("5.1", "a Ping is answered", "5.5.2", Needs::Passed("1.2"), answered),
    Step::talk("5.2", "the answer is a Pong with the Ping's payload", "5.5.3", PONG, payload),
    Step::talk("5.3", "an empty Ping gets an empty Pong", "5.5.3", PONG, empty_ping),
    Step::talk("5.4", "a Ping of 125 bytes gets its Pong", "5.5", PONG, longest),
    Step::talk("5.5", "a Ping's payload need not be text", "5.5.2", PONG, bytes),
    Step::talk("5.6", "of ten Pings at least the last is answered", "5.5.3", PONG, ten_pings),
    Step::talk("5.7", "a Pong nobody asked for is passed over", "5.5.3", NEEDS_TEXT, unasked_pong),
    Step::talk("5.8", "a Ping between fragments gets its Pong", "5.4", PONG, between_pong),
    Step::talk(
        "5.9",
        "... and the message stays whole",
        "5.4",
        Needs::Echo(&["4.1", "5.8"]),
        between_message,
    ),
];

const NEEDS_TEXT: Needs = Needs::Echo(&["2.1"]);
const PONG: Needs = Needs::Passed("5.1");

/// Sends a message in parts, and expects it back whole.
fn in_parts(client: &mut Client, opcode: Opcode, parts: &[&[u8]]) -> Outcome {
    client.say_in_parts(opcode, parts);
    client.expect_back(opcode, &parts.concat())
}

fn two(target: &Target) -> Outcome {
    in_parts(&mut Client::open(target)?, Opcode::Text, &[b"Hel", b"lo"])
}

fn ten(target: &Target) -> Outcome {
    let parts: Vec<&[u8]> = b"0123456789".chunks(1).collect();
    in_parts(&mut Client::open(target)?, Opcode::Text, &parts)
}

fn empty(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    in_parts(&mut client, Opcode::Text, &[b"", b"Hello"])?;
    in_parts(&mut client, Opcode::Text, &[b"Hel", b"", b"lo"])?;
    in_parts(&mut client, Opcode::Text, &[b"Hello", b""])
}

fn binary(target: &Target) -> Outcome {
    in_parts(&mut Client::open(target)?, Opcode::Binary, &[b"\x00\xff", b"\xfe\x01"])
}

fn one_after_another(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    in_parts(&mut client, Opcode::Text, &[b"one ", b"message"])?;
    in_parts(&mut client, Opcode::Binary, &[b"and ", b"another"])?;
    client.say(Opcode::Text, b"and a whole one");
    client.expect_back(Opcode::Text, b"and a whole one")
}

fn long(target: &Target) -> Outcome {
    let (first, second) = ([b'a'; 200], [b'b'; 200]);
    in_parts(&mut Client::open(target)?, Opcode::Text, &[&first, &second])
}

fn answered(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    client.say(Opcode::Ping, b"Hello");
    let sent = client.sent();
    let mut heard = client.hear();
    while matches!(heard, Heard::Message(..)) && !client.echoes() {
        heard = client.hear();
    }
    let why = match heard {
        Heard::Control(..) | Heard::Message(..) => return Ok(()),
        Heard::Silence => {
            "No answer came. A Ping (opcode 9) asks whether you are there; answer with a Pong (opcode a, \
             10) that carries the same payload. Proxies and libraries drop a connection that does not."
        }
        Heard::Ended => {
            "Your server ended the connection at a Ping. It is to be answered with a Pong."
        }
        Heard::Close(_) => "Your server closed at a Ping. It is to be answered with a Pong.",
        Heard::Nonsense => "What came is no frame.",
    };
    Err(Finding::fail(why)
        .sent(sent)
        .received(client.heard_evidence(&heard))
        .expected("8a 05 48 65 6c 6c 6f  PONG \"Hello\""))
}

fn pinged(target: &Target, payload: &[u8]) -> Outcome {
    let mut client = Client::open(target)?;
    client.say(Opcode::Ping, payload);
    client.expect_pong(payload)
}

fn payload(target: &Target) -> Outcome {
    pinged(target, b"Hello")
}

fn empty_ping(target: &Target) -> Outcome {
    pinged(target, b"")
}

fn longest(target: &Target) -> Outcome {
    pinged(target, &[b'p'; 125])
}

fn bytes(target: &Target) -> Outcome {
    pinged(target, &[0x00, 0xff, 0xfe, 0x80])
}

fn ten_pings(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    for number in 1..=10 {
        client.say(Opcode::Ping, format!("ping {number:02}").as_bytes());
    }
    let sent = client.sent().split_off(9);
    loop {
        match client.hear() {
            Heard::Control(_, payload) if payload == b"ping 10" => return Ok(()),
            Heard::Control(..) => {}
            Heard::Message(..) if !client.echoes() => {}
            heard => {
                return Err(Finding::fail(
                    "Ten Pings came one after another. You may leave out Pongs for the earlier ones, but \
                     the last must be answered.",
                )
                .sent(sent)
                .received(client.heard_evidence(&heard))
                .expected("8a 07 70 69 6e 67 20 31 30  PONG \"ping 10\""));
            }
        }
    }
}

fn unasked_pong(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    client.say(Opcode::Pong, b"nobody asked");
    let pong = client.sent();
    client.say(Opcode::Text, b"Hello");
    let sent = client.sent();
    match client.hear() {
        Heard::Message(Opcode::Text, found) if found == b"Hello" => Ok(()),
        heard => {
            let why = match &heard {
                Heard::Message(_, found) if found == b"nobody asked" => {
                    "You took the Pong for a message, and sent it back. Look at the opcode: a (10) is a \
                     Pong, and needs no answer."
                }
                Heard::Control(..) => "You answered a Pong. Only a Ping is answered.",
                _ => "A Pong may come without a Ping, as a sign of life. Pass over it.",
            };
            Err(Finding::fail(why)
                .sent(if sent.is_empty() { pong } else { sent })
                .received(client.heard_evidence(&heard))
                .expected("81 05 48 65 6c 6c 6f  TEXT \"Hello\""))
        }
    }
}

fn between(target: &Target) -> Result<Client, Box<Finding>> {
    let mut client = Client::open(target)?;
    let parts: [&[u8]; 2] = [b"Hel", b"lo"];
    let first = client.fragment(Opcode::Text, 0, &parts);
    client.send_frame(&first);
    client.say(Opcode::Ping, b"between");
    client.expect_pong(b"between").map_err(|mut finding| {
        finding.why += " Here the Ping came between two fragments of a message, where a control frame may \
                        stand; it is no part of the message.";
        finding
    })?;
    Ok(client)
}

fn between_pong(target: &Target) -> Outcome {
    between(target).map(|_| ())
}

fn between_message(target: &Target) -> Outcome {
    let mut client = between(target)?;
    let parts: [&[u8]; 2] = [b"Hel", b"lo"];
    let last = client.fragment(Opcode::Text, 1, &parts);
    client.send_frame(&last);
    client.expect_back(Opcode::Text, b"Hello").map_err(|mut finding| {
        finding.why += " Before this frame came the fragment \"Hel\" and then a Ping: it must not disturb \
                        the message that is open.";
        finding
    })
}
