//! Chapters 2 and 3: messages come back, unmasked, at every length.

use std::time::Duration;

use crate::check::client::Client;
use crate::check::finding::{Evidence, Finding, Outcome};
use crate::check::mistakes::CHROME_ON_MASK;
use crate::check::step::{Needs, Step};
use crate::check::target::Target;
use crate::frame::{Frame, FrameHeader, LengthForm, Opcode};

/// The steps of chapter 2.
pub const ECHO: &[Step] = &[
    Step::talk("2.1", "a text message comes back", "5.6", Needs::Echo(&["1.2"]), text),
    Step::talk("2.2", "the server masks none of its frames", "5.1", NEEDS_TEXT, not_masked),
    Step::talk("2.3", "each frame is unmasked with its own key", "5.3", NEEDS_TEXT, own_keys),
    Step::talk("2.4", "the index into the key begins anew", "5.3", NEEDS_TEXT, index_begins_anew),
    Step::talk("2.5", "a key of four zeros is a key", "5.3", NEEDS_TEXT, zero_key),
    Step::talk("2.6", "a binary message comes back as binary", "5.6", NEEDS_TEXT, binary),
    Step::talk("2.7", "all 256 bytes come back", "5.6", NEEDS_TEXT, all_bytes),
    Step::talk("2.8", "lengths count bytes, not characters", "5.6", NEEDS_TEXT, not_ascii),
    Step::talk("2.9", "ten messages come back in order", "5.4", NEEDS_TEXT, in_order),
    Step::talk("2.10", "the server's RSV bits are 0", "5.2", NEEDS_TEXT, no_rsv),
];

/// The steps of chapter 3.
pub const LENGTHS: &[Step] = &[
    Step::talk("3.1", "an empty message comes back", "5.2", NEEDS_TEXT, |t| length(t, 0)),
    Step::talk("3.2", "1 byte comes back", "5.2", NEEDS_TEXT, |t| length(t, 1)),
    Step::talk("3.3", "125 bytes come back: the most for 7 bits", "5.2", NEEDS_TEXT, |t| {
        length(t, 125)
    }),
    Step::talk("3.4", "126 bytes come back: the first in 16 bits", "5.2", NEEDS_TEXT, |t| {
        length(t, 126)
    }),
    Step::talk("3.5", "127 bytes come back, in 16 bits too", "5.2", NEEDS_TEXT, |t| length(t, 127)),
    Step::talk("3.6", "128 bytes come back", "5.2", NEEDS_TEXT, |t| length(t, 128)),
    Step::talk("3.7", "255 bytes come back: the most for one byte", "5.2", NEEDS_TEXT, |t| {
        length(t, 255)
    }),
    Step::talk("3.8", "256 bytes come back: both bytes count", "5.2", NEEDS_TEXT, |t| {
        length(t, 256)
    }),
    Step::talk("3.9", "65535 bytes come back: the most for 16 bits", "5.2", NEEDS_TEXT, |t| {
        length(t, 65535)
    }),
    Step::talk("3.10", "65536 bytes come back: the first in 64 bits", "5.2", NEEDS_TEXT, |t| {
        length(t, 65536)
    }),
];

const NEEDS_TEXT: Needs = Needs::Echo(&["2.1"]);

fn text(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    client.say(Opcode::Text, b"Hello");
    client.expect_back(Opcode::Text, b"Hello").map_err(|mut finding| {
        if finding.heard_too_little() {
            finding.why += " After the handshake come frames: read the two bytes of the header and the four of \
                            the key, unmask as many bytes as the length says, and send them back behind a \
                            header of your own, without a mask.";
        }
        finding
    })
}

/// A frame that has come: its header, and all its bytes.
type Came = (FrameHeader, Vec<u8>);

/// A frame of each kind that a server sends: it is asked for them, and what does not come is left out.
fn of_each_kind(target: &Target) -> Result<(Client, Vec<Came>), Box<Finding>> {
    let mut client = Client::open(target)?;
    client.say(Opcode::Text, b"Hello");
    client.hear();
    client.say(Opcode::Ping, b"Hello");
    client.hear_within(SOON);
    client.say(Opcode::Close, &1000_u16.to_be_bytes());
    client.hear_within(SOON);
    let mut frames = Vec::new();
    let mut rest = client.raw();
    while let Some((frame, length)) = Frame::decode(rest) {
        // What is no frame at all is another step's.
        if frame.header.opcode.is_control() && !frame.header.fin {
            break;
        }
        frames.push((frame.header, rest[..length].to_vec()));
        rest = &rest[length..];
    }
    Ok((client, frames))
}

/// How long is waited for what another step is about.
const SOON: Duration = Duration::from_millis(200);

fn not_masked(target: &Target) -> Outcome {
    let (client, frames) = of_each_kind(target)?;
    let Some((header, bytes)) = frames.iter().find(|(header, _)| header.masking_key.is_some())
    else {
        return Ok(());
    };
    let key_at = bytes.len() - 4 - header.payload_length as usize;
    let mark = Evidence::marked(bytes, "", 1..key_at + 4, "MASK 1, and a masking key");
    let kind = header.opcode;
    Err(Finding::fail(format!(
        "Your server masks what it sends, here a {kind} frame. Only clients do; a server's second byte is the \
         length alone, and the payload follows as it is."
    ))
    .sent(client.sent())
    .received(vec![mark])
    .expected("a second byte below 80, and no key")
    .browser(CHROME_ON_MASK))
}

fn own_keys(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    // Not the first one, which has high bits.
    client.key();
    // Four bytes each, so that an index that runs on is not what shows here.
    for word in [b"aaaa", b"bbbb", b"cccc"] {
        client.say(Opcode::Text, word);
        client.expect_back(Opcode::Text, word)?;
    }
    Ok(())
}

fn index_begins_anew(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    for word in [&b"Hello"[..], b"world", b"again"] {
        client.say(Opcode::Text, word);
        client.expect_back(Opcode::Text, word)?;
    }
    Ok(())
}

fn zero_key(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    let frame = Frame::new(Opcode::Text, Some([0; 4]), b"Hello");
    client.send_frame(&frame);
    client.expect_back(Opcode::Text, b"Hello")
}

fn binary(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    client.say(Opcode::Binary, b"Hello");
    client.expect_back(Opcode::Binary, b"Hello")
}

fn all_bytes(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    let (low, high): (Vec<u8>, Vec<u8>) = ((0..=127).rev().collect(), (128..=255).collect());
    // In pieces that need no 16-bit length: that is chapter 3.
    for payload in low.chunks(64).chain(high.chunks(64)) {
        client.say(Opcode::Binary, payload);
        client.expect_back(Opcode::Binary, payload)?;
    }
    Ok(())
}

fn not_ascii(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    for text in ["Grüße", "世界", "🙂"] {
        client.say(Opcode::Text, text.as_bytes());
        client.expect_back(Opcode::Text, text.as_bytes())?;
    }
    Ok(())
}

fn in_order(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    for number in 1..=10 {
        let text = format!("message {number:02}");
        client.say(Opcode::Text, text.as_bytes());
        client.expect_back(Opcode::Text, text.as_bytes())?;
    }
    Ok(())
}

fn no_rsv(target: &Target) -> Outcome {
    let (client, frames) = of_each_kind(target)?;
    let Some((header, bytes)) = frames.iter().find(|(header, _)| header.rsv != 0) else {
        return Ok(());
    };
    let bit = |bit: u8| header.rsv >> bit & 1;
    let mark = Evidence::marked(bytes, "", 0..1, format!("RSV {:03b}", header.rsv));
    Err(Finding::fail(
        "A reserved bit is set. They are 0 unless an extension that was agreed on gives them a meaning.",
    )
    .sent(client.sent())
    .received(vec![mark])
    .expected("RSV 000")
    .browser(format!(
        "One or more reserved bits are on: reserved1 = {}, reserved2 = {}, reserved3 = {}",
        bit(2),
        bit(1),
        bit(0)
    )))
}

fn length(target: &Target, length: usize) -> Outcome {
    let mut client = Client::open(target)?;
    // No two bytes beside each other are the same: what is lost or swapped shows.
    let payload: Vec<u8> = (0..length).map(|i| b'a' + (i % 23) as u8).collect();
    client.say(Opcode::Text, &payload);
    let sent = client.sent();
    client.expect_back(Opcode::Text, &payload).map_err(|mut finding| {
        if finding.heard_too_little() && length > 125 {
            let swapped = u16::from_be_bytes((length as u16).to_le_bytes());
            finding.why += &match LengthForm::shortest(length as u64) {
                LengthForm::Bits64 => " The length is in eight bytes here, high byte first.".to_owned(),
                _ => format!(
                    " The length is in two bytes here, high byte first. Read the other way round they are \
                     {swapped}, and a server waits for so many."
                ),
            };
        }
        finding
    })?;
    let Some(header) = client.last_header() else { return Ok(()) };
    let shortest = LengthForm::shortest(header.payload_length);
    if header.length_form == shortest {
        return Ok(());
    }
    let (length, bits) = (header.payload_length, header.length_form.bits());
    let mut bytes = Vec::new();
    header.encode(&mut bytes);
    let end = bytes.len();
    Err(Finding::fail(format!(
        "{length} is written in {bits} bits. The shortest form must be used (RFC 6455 5.2): 7 bits up to 125, \
         16 bits up to 65535, 64 bits above."
    ))
    .sent(sent)
    .received(vec![Evidence::marked(&bytes, "the header", 1..end, format!("length in {bits} bits"))])
    .expected(format!("the length in {} bits", shortest.bits())))
}
