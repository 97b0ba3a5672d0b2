//! Chapters 6 and 7: what a server must not take. Each step breaks one rule, and sees who notices.

use std::time::Duration;

use crate::check::client::{Client, Heard};
use crate::check::finding::{Finding, Outcome, Verdict};
use crate::check::step::{Needs, Step};
use crate::check::target::Target;
use crate::close::CloseCode;
use crate::frame::{Frame, LengthForm, Opcode};

/// The steps of chapter 6.
pub const BROKEN_RULES: &[Step] = &[
    Step::hold("6.1", "a frame without a mask is refused", "5.1", Needs::Probe, not_masked),
    Step::hold("6.2", "a reserved bit (RSV1) is refused", "5.2", Needs::Probe, |t| {
        reserved_bit(t, 4)
    }),
    Step::hold("6.3", "the other two are refused too", "5.2", Needs::Probe, other_bits),
    Step::hold("6.4", "a reserved opcode (3) is refused", "5.2", Needs::Probe, |t| opcode(t, 3)),
    Step::hold("6.5", "a reserved control opcode (b) is refused", "5.2", Needs::Probe, |t| {
        opcode(t, 0xb)
    }),
    Step::hold("6.6", "a Ping of 126 bytes is refused", "5.5", Needs::Probe, long_ping),
    Step::hold("6.7", "a Ping in fragments is refused", "5.5", Needs::Probe, fragmented_ping),
    Step::hold("6.8", "a continuation of nothing is refused", "5.4", Needs::Probe, continuation),
    Step::hold("6.9", "a message inside an open one is refused", "5.4", Needs::Probe, inside),
    Step::hold(
        "6.10",
        "5 bytes announced in 16 bits are refused",
        "5.2",
        Needs::Probe,
        wasteful_16,
    ),
    Step::hold(
        "6.11",
        "5 bytes announced in 64 bits are refused",
        "5.2",
        Needs::Probe,
        wasteful_64,
    ),
    Step::hold(
        "6.12",
        "a 64-bit length whose first bit is 1 is refused",
        "5.2",
        Needs::Passed("1.2"),
        top_bit,
    ),
    Step::hold(
        "6.13",
        "2^60 bytes are refused before they come",
        "10.4",
        Needs::Passed("1.2"),
        huge,
    ),
];

/// The steps of chapter 7.
pub const UTF8: &[Step] = &[
    Step::talk("7.1", "a character may be cut between two fragments", "5.6", NEEDS_TEXT, cut),
    Step::talk(
        "7.2",
        "the first and last characters there are come back",
        "8.1",
        NEEDS_TEXT,
        edges,
    ),
    Step::talk("7.3", "binary need not be UTF-8", "5.6", NEEDS_TEXT, binary),
    Step::hold("7.4", "a byte that no text has (ff) is refused", "8.1", Needs::Probe, |t| {
        bad(t, &[0xff])
    }),
    Step::hold("7.5", "an overlong form (c0 af) is refused", "8.1", Needs::Probe, |t| {
        bad(t, &[0xc0, 0xaf])
    }),
    Step::hold("7.6", "half a surrogate pair is refused", "8.1", Needs::Probe, |t| {
        bad(t, &[0xed, 0xa0, 0x80])
    }),
    Step::hold("7.7", "above U+10FFFF is refused", "8.1", Needs::Probe, |t| {
        bad(t, &[0xf4, 0x90, 0x80, 0x80])
    }),
    Step::hold("7.8", "a text that ends inside a character is refused", "8.1", Needs::Probe, |t| {
        bad(t, &[0xe2, 0x82])
    }),
    Step::hold("7.9", "a bad byte in a fragment is refused", "8.1", Needs::Probe, bad_fragment),
    Step::hold("7.10", "... before the message is complete", "8.1", NEEDS_TEXT, fails_fast),
];

const NEEDS_TEXT: Needs = Needs::Echo(&["2.1"]);

/// Sends one bad frame, and expects Close 1002.
fn breaks(target: &Target, frame: Frame, broken: &str) -> Outcome {
    let mut client = Client::open(target)?;
    client.send_frame(&frame);
    client.expect_refusal(CloseCode::PROTOCOL_ERROR, broken)
}

/// "Hello" from a client, to be bent.
fn hello(opcode: Opcode) -> Frame {
    Frame::new(opcode, Some([0x37, 0xfa, 0x21, 0x3d]), b"Hello")
}

fn not_masked(target: &Target) -> Outcome {
    let frame = Frame::new(Opcode::Text, None, b"Hello");
    breaks(target, frame, "The frame has MASK 0, and a client must mask every frame.")
}

fn reserved_bit(target: &Target, rsv: u8) -> Outcome {
    let mut frame = hello(Opcode::Text);
    frame.header.rsv = rsv;
    breaks(
        target,
        frame,
        "A reserved bit is set, and no extension was agreed on that would give it a meaning.",
    )
}

fn other_bits(target: &Target) -> Outcome {
    reserved_bit(target, 2)?;
    reserved_bit(target, 1)
}

fn opcode(target: &Target, bits: u8) -> Outcome {
    let broken = format!("Opcode {bits:x} means nothing in RFC 6455.");
    breaks(target, hello(Opcode::Reserved(bits)), &broken)
}

fn long_ping(target: &Target) -> Outcome {
    let frame = Frame::new(Opcode::Ping, Some([0x37, 0xfa, 0x21, 0x3d]), &[b'p'; 126]);
    breaks(target, frame, "A control frame carries 125 bytes at most; this Ping has 126.")
}

fn fragmented_ping(target: &Target) -> Outcome {
    let mut frame = hello(Opcode::Ping);
    frame.header.fin = false;
    breaks(target, frame, "A control frame must not be fragmented; this Ping has FIN 0.")
}

fn continuation(target: &Target) -> Outcome {
    breaks(
        target,
        hello(Opcode::Continuation),
        "A continuation frame came while no message was open.",
    )
}

fn inside(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    let first = client.fragment(Opcode::Text, 0, &[b"Hel", b"lo"]);
    client.send_frame(&first);
    client.say(Opcode::Text, b"another");
    client.expect_refusal(
        CloseCode::PROTOCOL_ERROR,
        "A new text message began while another was still open.",
    )
}

/// ws, websockets and gorilla take it: no more than a warning.
fn wasteful(target: &Target, form: LengthForm) -> Outcome {
    let mut frame = hello(Opcode::Text);
    frame.header.length_form = form;
    let bits = form.bits();
    let broken = format!(
        "The length 5 fits in 7 bits, and is written in {bits}: the shortest form must be used. (Widely \
         used servers take it too; so this is a warning.)"
    );
    breaks(target, frame, &broken).map_err(|finding| finding.at_most(Verdict::Warn))
}

fn wasteful_16(target: &Target) -> Outcome {
    wasteful(target, LengthForm::Bits16)
}

fn wasteful_64(target: &Target) -> Outcome {
    wasteful(target, LengthForm::Bits64)
}

/// Announces a length, and sends nothing of it: so no probe can follow, and it is waited instead.
fn announces(target: &Target, length: u64, code: CloseCode, why: &str) -> Outcome {
    let mut client = Client::open(target)?;
    let mut frame = hello(Opcode::Binary);
    frame.payload.clear();
    frame.header.length_form = LengthForm::Bits64;
    frame.header.payload_length = length;
    let bytes = frame.encode();
    client.remember_bytes(&bytes, "the header alone");
    client.send_beginning(&bytes);
    let sent = client.sent();
    let heard = client.hear();
    let finding = match &heard {
        Heard::Close(_) => return Ok(()),
        Heard::Ended => Finding::warn(format!(
            "{why} Your server closed TCP, as it should, but without a Close frame: Close {code} would say why."
        )),
        _ => Finding::warn(format!("{why} Your server waits for what will not come.")),
    };
    Err(finding
        .sent(sent)
        .received(client.heard_evidence(&heard))
        .expected(format!("Close {code}")))
}

fn top_bit(target: &Target) -> Outcome {
    let why = "The first bit of a 64-bit length must be 0.";
    announces(target, 1 << 63 | 5, CloseCode::PROTOCOL_ERROR, why)
}

fn huge(target: &Target) -> Outcome {
    let why = "The header announces 2^60 bytes. No server has room for them: set a limit, and look at the \
               length before you read or reserve anything.";
    announces(target, 1 << 60, CloseCode::TOO_BIG, why)
}

fn cut(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    // The euro sign is e2 82 ac.
    client.say_in_parts(Opcode::Text, &[&[0xe2], &[0x82, 0xac]]);
    client.expect_back(Opcode::Text, "€".as_bytes()).map_err(|mut finding| {
        let rule = "A character may be cut between two fragments: only the whole message must be UTF-8, not each \
                    fragment.";
        finding.why = match finding.why.starts_with("Your server closed with 1007") {
            true => format!("Your server closed with 1007 at a part of a character. {rule}"),
            false => format!("{} {rule}", finding.why),
        };
        finding
    })
}

fn edges(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    for text in
        ["\u{0}", "\u{7f}\u{80}", "\u{7ff}\u{800}", "\u{d7ff}\u{e000}", "\u{ffff}\u{10ffff}"]
    {
        client.say(Opcode::Text, text.as_bytes());
        client.expect_back(Opcode::Text, text.as_bytes())?;
    }
    Ok(())
}

fn binary(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    client.say(Opcode::Binary, &[0xff, 0xc0, 0xaf]);
    client.expect_back(Opcode::Binary, &[0xff, 0xc0, 0xaf])
}

const NOT_UTF8: &str = "The text is not UTF-8, and a text message must be.";

fn bad(target: &Target, bytes: &[u8]) -> Outcome {
    let mut client = Client::open(target)?;
    client.say(Opcode::Text, &[b"ab", bytes].concat());
    client.expect_refusal(CloseCode::INVALID_DATA, NOT_UTF8).map_err(|finding| {
        // Only where it comes back as it was, a browser sees it.
        let back = Frame::decode(client.raw()).filter(|(frame, _)| {
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
    client.say_in_parts(Opcode::Text, &[b"good", b"bad \xff", b"good"]);
    client.expect_refusal(CloseCode::INVALID_DATA, NOT_UTF8)
}

/// How long a server may take to say that a fragment is bad. None of the widely used ones does.
const FAST: Duration = Duration::from_millis(300);

fn fails_fast(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    let first = client.fragment(Opcode::Text, 0, &[b"bad \xff", b"never sent"]);
    client.send_frame(&first);
    let sent = client.sent();
    let heard = client.hear_within(FAST);
    if matches!(heard, Heard::Close(_) | Heard::Ended) {
        return Ok(());
    }
    Err(Finding::warn(
        "The first fragment already cannot become UTF-8, and the message may be long. It can be refused at \
         once; your server waits for the rest. (So do ws, websockets and gorilla.)",
    )
    .sent(sent)
    .received(client.heard_evidence(&heard))
    .expected("88 02 03 ef  CLOSE 1007"))
}
