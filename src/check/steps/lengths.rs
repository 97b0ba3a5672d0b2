//! Group 3: messages come back at every length at which the header changes.

use crate::check::client::Client;
use crate::check::evidence::Evidence;
use crate::check::finding::{Finding, Outcome};
use crate::check::step::{Needs, Step};
use crate::check::target::Target;
use crate::protocol::{LengthForm, Opcode};

/// The steps.
pub const STEPS: &[Step] = &[
    Step::interop("3.1", "an empty message comes back", |target| echo(target, 0))
        .needs(NEEDS_TEXT)
        .rule("5.2", IN_7_BITS),
    Step::interop("3.2", "1 byte comes back", |target| echo(target, 1))
        .needs(NEEDS_TEXT)
        .rule("5.2", IN_7_BITS),
    Step::interop("3.3", "125 bytes come back: the longest in 7 bits", |target| echo(target, 125))
        .needs(NEEDS_TEXT)
        .rule("5.2", IN_7_BITS),
    Step::interop("3.4", "126 bytes come back: the shortest in 16 bits", |target| echo(target, 126))
        .needs(NEEDS_TEXT)
        .rule("5.2", IN_16_BITS),
    Step::interop("3.5", "127 bytes come back, also in 16 bits", |target| echo(target, 127))
        .needs(NEEDS_TEXT)
        .rule("5.2", IN_16_BITS),
    Step::interop("3.6", "128 bytes come back", |target| echo(target, 128))
        .needs(NEEDS_TEXT)
        .rule("5.2", IN_16_BITS),
    Step::interop("3.7", "255 bytes come back: the low byte is full", |target| echo(target, 255))
        .needs(NEEDS_TEXT)
        .rule("5.2", IN_16_BITS),
    Step::interop("3.8", "256 bytes come back: the high byte counts too", |target| echo(target, 256))
        .needs(NEEDS_TEXT)
        .rule("5.2", "Multibyte length quantities are expressed in network byte order."),
    Step::interop("3.9", "65535 bytes come back: the longest in 16 bits", |target| {
        echo(target, 65535)
    })
    .needs(NEEDS_TEXT)
    .rule("5.2", IN_16_BITS),
    Step::interop("3.10", "65536 bytes come back: the shortest in 64 bits", |target| {
        echo(target, 65536)
    })
    .needs(NEEDS_TEXT)
    .rule(
        "5.2",
        "If 127, the following 8 bytes interpreted as a 64-bit unsigned integer (the most significant bit MUST be \
         0) are the payload length.",
    ),
];

const NEEDS_TEXT: Needs = Needs::Echo(&["2.1"]);

const IN_7_BITS: &str = "if 0-125, that is the payload length";
const IN_16_BITS: &str = "If 126, the following 2 bytes interpreted as a 16-bit unsigned integer are the payload length.";

/// Expects a text of `length` bytes back, its length written in the shortest form.
fn echo(target: &Target, length: usize) -> Outcome {
    let mut client = Client::open(target)?;
    // Neighbouring bytes differ, so that lost or swapped bytes show.
    let payload: Vec<u8> = (0..length).map(|i| b'a' + (i % 23) as u8).collect();
    client.send_message(Opcode::Text, &payload);
    let sent = client.sent();
    client.expect_echo(Opcode::Text, &payload).map_err(|mut finding| {
        if finding.received_too_little() && length > 125 {
            let swapped = u16::from_be_bytes((length as u16).to_le_bytes());
            finding.why += &match LengthForm::shortest(length as u64) {
                LengthForm::Bits64 => " Here the length is in eight bytes, high byte first.".to_owned(),
                _ => format!(
                    " Here the length is in two bytes, high byte first. A server that reads them in the wrong \
                     order gets {swapped}, and waits for that many bytes."
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
    let marked = Evidence::bytes(&bytes, "the header")
        .with_mark(1..bytes.len(), format!("length in {bits} bits"));
    Err(Finding::fail(format!(
        "You wrote the length {length} in {bits} bits. The shortest form must be used (RFC 6455 section 5.2): 7 bits \
         up to 125, 16 bits up to 65535, and 64 bits above."
    ))
    .sent(sent)
    .received(vec![marked])
    .expected(Evidence::line(format!("the length in {} bits", shortest.bits()))))
}
