//! Group 2: messages come back unmasked, with the right opcode, in the right order.

use std::time::Duration;

use crate::check::client::Client;
use crate::check::evidence::Evidence;
use crate::check::finding::{Finding, Outcome};
use crate::check::step::{Needs, Step};
use crate::check::target::Target;
use crate::protocol::{Frame, FrameHeader, Opcode};

/// The steps.
pub const STEPS: &[Step] = &[
    Step::interop("2.1", "a text message comes back", text).needs(Needs::Echo(&["1.2"])).rule(
        "6.2",
        "A server MUST remove masking for data frames received from a client as described in Section 5.3.",
    ),
    Step::interop("2.2", "your server does not mask its frames", not_masked)
        .needs(NEEDS_TEXT)
        .rule("5.1", "A server MUST NOT mask any frames that it sends to the client."),
    Step::interop("2.3", "each frame is unmasked with its own key", own_keys).needs(NEEDS_TEXT).rule(
        "5.3",
        "The masking key is contained completely within the frame, as defined in Section 5.2 as frame-masking-key.",
    ),
    Step::interop("2.4", "the index into the key starts at 0 in each frame", index_starts_at_0)
        .needs(NEEDS_TEXT)
        .rule(
            "5.3",
            "Octet i of the transformed data (\"transformed-octet-i\") is the XOR of octet i of the original data \
             (\"original-octet-i\") with octet at index i modulo 4 of the masking key (\"masking-key-octet-j\")",
        ),
    Step::interop("2.5", "a masking key of four zeros is a key too", zero_key)
        .needs(NEEDS_TEXT)
        .rule("5.3", "The masking key is a 32-bit value chosen at random by the client."),
    Step::interop("2.6", "a binary message comes back as binary", binary).needs(NEEDS_TEXT).rule(
        "6.1",
        "The opcode (frame-opcode) of the first frame containing the data MUST be set to the appropriate value from \
         Section 5.2 for data that is to be interpreted by the recipient as text or binary data.",
    ),
    Step::interop("2.7", "all 256 byte values come back", all_bytes).needs(NEEDS_TEXT).rule(
        "5.6",
        "The \"Payload data\" is arbitrary binary data whose interpretation is solely up to the application layer.",
    ),
    Step::interop("2.8", "lengths count bytes, not characters", not_ascii)
        .needs(NEEDS_TEXT)
        .rule("5.2", "The length of the \"Payload data\", in bytes"),
    Step::interop("2.9", "ten messages come back in order", in_order).needs(NEEDS_TEXT).rule(
        "5.4",
        "Message fragments MUST be delivered to the recipient in the order sent by the sender.",
    ),
    Step::interop("2.10", "the RSV bits of your server are 0", no_rsv).needs(NEEDS_TEXT).rule(
        "5.2",
        "MUST be 0 unless an extension is negotiated that defines meanings for non-zero values.",
    ),
];

const NEEDS_TEXT: Needs = Needs::Echo(&["2.1"]);

/// Chrome's message about a frame that a server has masked (Chromium, websocket_channel.cc).
const CHROME_ON_MASK: &str = "A server must not mask any frames that it sends to the client.";

fn text(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    client.send_message(Opcode::Text, b"Hello");
    client.expect_echo(Opcode::Text, b"Hello").map_err(|mut finding| {
        if finding.received_too_little() {
            finding.why += " Frames come after the handshake. Read the two bytes of the header and the four bytes \
                            of the masking key, then as many bytes of payload as the length says, and unmask them. \
                            Send them back after a header of your own, without a mask.";
        }
        finding
    })
}

/// A frame that came: its header, and all its bytes.
type FrameBytes = (FrameHeader, Vec<u8>);

/// How long the checker waits for frames that other steps are about.
const BRIEFLY: Duration = Duration::from_millis(200);

/// Asks for a frame of each kind that a server sends. A frame that does not come is left out.
fn one_of_each_kind(target: &Target) -> Result<(Client, Vec<FrameBytes>), Box<Finding>> {
    let mut client = Client::open(target)?;
    client.send_message(Opcode::Text, b"Hello");
    client.receive();
    client.send_message(Opcode::Ping, b"Hello");
    client.receive_within(BRIEFLY);
    client.send_message(Opcode::Close, &1000_u16.to_be_bytes());
    client.receive_within(BRIEFLY);
    let mut frames = Vec::new();
    let mut rest = client.received_bytes();
    while let Some((frame, length)) = Frame::decode(rest) {
        // These bytes are not a frame, and another step reports that.
        if frame.header.opcode.is_control() && !frame.header.fin {
            break;
        }
        frames.push((frame.header, rest[..length].to_vec()));
        rest = &rest[length..];
    }
    Ok((client, frames))
}

fn not_masked(target: &Target) -> Outcome {
    let (client, frames) = one_of_each_kind(target)?;
    let Some((header, bytes)) = frames.iter().find(|(header, _)| header.masking_key.is_some())
    else {
        return Ok(());
    };
    let payload_at = bytes.len() - header.payload_length as usize;
    let marked = Evidence::bytes(bytes, "").with_mark(1..payload_at, "MASK 1, and a masking key");
    let kind = header.opcode;
    Err(Finding::fail(format!(
        "Your server masks the frames that it sends, here a {kind} frame. Only clients mask. The second byte of a \
         server's frame is the length alone, and the payload follows as it is."
    ))
    .sent(client.sent())
    .received(vec![marked])
    .expected(Evidence::line("a second byte below 80, and no masking key"))
    .browser(CHROME_ON_MASK))
}

fn own_keys(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    // Not the first key, which has high bits.
    client.next_key();
    // Four bytes each, so that an index that runs on does not show here.
    for word in [b"aaaa", b"bbbb", b"cccc"] {
        client.send_message(Opcode::Text, word);
        client.expect_echo(Opcode::Text, word)?;
    }
    Ok(())
}

fn index_starts_at_0(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    for word in [&b"Hello"[..], b"world", b"again"] {
        client.send_message(Opcode::Text, word);
        client.expect_echo(Opcode::Text, word)?;
    }
    Ok(())
}

fn zero_key(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    let frame = Frame::new(Opcode::Text, Some([0; 4]), b"Hello");
    client.send_frame(&frame);
    client.expect_echo(Opcode::Text, b"Hello")
}

fn binary(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    client.send_message(Opcode::Binary, b"Hello");
    client.expect_echo(Opcode::Binary, b"Hello")
}

fn all_bytes(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    let (low, high): (Vec<u8>, Vec<u8>) = ((0..=127).rev().collect(), (128..=255).collect());
    // In pieces whose length fits in 7 bits: longer ones belong to group 3.
    for payload in low.chunks(64).chain(high.chunks(64)) {
        client.send_message(Opcode::Binary, payload);
        client.expect_echo(Opcode::Binary, payload)?;
    }
    Ok(())
}

fn not_ascii(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    for text in ["Grüße", "世界", "🙂"] {
        client.send_message(Opcode::Text, text.as_bytes());
        client.expect_echo(Opcode::Text, text.as_bytes())?;
    }
    Ok(())
}

fn in_order(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    for number in 1..=10 {
        let text = format!("message {number:02}");
        client.send_message(Opcode::Text, text.as_bytes());
        client.expect_echo(Opcode::Text, text.as_bytes())?;
    }
    Ok(())
}

fn no_rsv(target: &Target) -> Outcome {
    let (client, frames) = one_of_each_kind(target)?;
    let Some((header, bytes)) = frames.iter().find(|(header, _)| header.rsv != 0) else {
        return Ok(());
    };
    let bit = |bit: u8| header.rsv >> bit & 1;
    let marked = Evidence::bytes(bytes, "").with_mark(0..1, format!("RSV {:03b}", header.rsv));
    Err(Finding::fail(
        "A reserved bit is set. Reserved bits are 0 unless client and server agreed on an extension that uses them.",
    )
    .sent(client.sent())
    .received(vec![marked])
    .expected(Evidence::line("RSV 000"))
    .browser(format!(
        "One or more reserved bits are on: reserved1 = {}, reserved2 = {}, reserved3 = {}",
        bit(2),
        bit(1),
        bit(0)
    )))
}
