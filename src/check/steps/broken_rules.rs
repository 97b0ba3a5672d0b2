//! Group 6: frames that a server must refuse. Each step breaks one rule, and expects a Close.

use crate::check::client::Client;
use crate::check::evidence::Evidence;
use crate::check::finding::{Finding, Outcome, Verdict};
use crate::check::received::Received;
use crate::check::step::{Needs, Step};
use crate::check::target::Target;
use crate::protocol::CloseCode;
use crate::protocol::{Frame, LengthForm, Opcode};

/// The steps.
pub const STEPS: &[Step] = &[
    Step::hardening("6.1", "a frame without a mask is refused", not_masked)
        .needs(Needs::Probe)
        .rule("5.1", "The server MUST close the connection upon receiving a frame that is not masked."),
    Step::hardening("6.2", "a frame with the reserved bit RSV1 is refused", |target| {
        reserved_bit(target, 4)
    })
    .needs(Needs::Probe)
    .rule("5.2", UNKNOWN_BIT),
    Step::hardening("6.3", "frames with RSV2 or RSV3 are refused too", other_bits)
        .needs(Needs::Probe)
        .rule("5.2", UNKNOWN_BIT),
    Step::hardening("6.4", "a reserved opcode (3) is refused", |target| opcode(target, 3))
        .needs(Needs::Probe)
        .rule("5.2", UNKNOWN_OPCODE),
    Step::hardening("6.5", "a reserved control opcode (b) is refused", |target| opcode(target, 0xb))
        .needs(Needs::Probe)
        .rule("5.2", UNKNOWN_OPCODE),
    Step::hardening("6.6", "a Ping of 126 bytes is refused", long_ping)
        .needs(Needs::Probe)
        .rule("5.5", CONTROL_FRAME),
    Step::hardening("6.7", "a Ping in fragments is refused", fragmented_ping)
        .needs(Needs::Probe)
        .rule("5.5", CONTROL_FRAME),
    Step::hardening("6.8", "a continuation without a message is refused", continuation)
        .needs(Needs::Probe)
        .rule(
            "5.4",
            "A fragmented message consists of a single frame with the FIN bit clear and an opcode other than 0",
        ),
    Step::hardening("6.9", "a new message inside an open one is refused", new_message_inside)
        .needs(Needs::Probe)
        .rule(
            "5.4",
            "The fragments of one message MUST NOT be interleaved between the fragments of another message unless an \
             extension has been negotiated that can interpret the interleaving.",
        ),
    Step::hardening("6.10", "the length 5 in 16 bits is refused", |target| {
        long_form(target, LengthForm::Bits16)
    })
    .needs(Needs::Probe)
    .rule("5.2", SHORTEST_FORM),
    Step::hardening("6.11", "the length 5 in 64 bits is refused", |target| {
        long_form(target, LengthForm::Bits64)
    })
    .needs(Needs::Probe)
    .rule("5.2", SHORTEST_FORM),
    Step::hardening("6.12", "a 64-bit length whose first bit is 1 is refused", top_bit)
        .needs(Needs::Passed("1.2"))
        .rule("5.2", "the most significant bit MUST be 0"),
    Step::hardening("6.13", "2^60 bytes are refused before they come", huge)
        .needs(Needs::Passed("1.2"))
        .rule(
            "10.4",
            "Such an implementation SHOULD impose a limit on frame sizes and the total message size after reassembly \
             from multiple frames.",
        ),
];

const UNKNOWN_BIT: &str = "If a nonzero value is received and none of the negotiated extensions defines the meaning \
                           of such a nonzero value, the receiving endpoint MUST _Fail the WebSocket Connection_.";
const UNKNOWN_OPCODE: &str = "If an unknown opcode is received, the receiving endpoint MUST _Fail the WebSocket \
                              Connection_.";
const CONTROL_FRAME: &str = "All control frames MUST have a payload length of 125 bytes or less and MUST NOT be fragmented.";
const SHORTEST_FORM: &str = "the minimal number of bytes MUST be used to encode the length";

/// Sends one bad frame, and expects a Close with code 1002. `broken` is the broken rule, as a sentence.
fn refused(target: &Target, frame: &Frame, broken: &str) -> Outcome {
    let mut client = Client::open(target)?;
    client.send_frame(frame);
    client.expect_refusal(CloseCode::PROTOCOL_ERROR, broken)
}

/// The RFC's masking key.
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame that carries "Hello", for a step to change.
fn hello(opcode: Opcode) -> Frame {
    Frame::new(opcode, Some(KEY), b"Hello")
}

fn not_masked(target: &Target) -> Outcome {
    let frame = Frame::new(Opcode::Text, None, b"Hello");
    refused(target, &frame, "The frame has MASK 0, but a client must mask every frame.")
}

fn reserved_bit(target: &Target, rsv: u8) -> Outcome {
    let mut frame = hello(Opcode::Text);
    frame.header.rsv = rsv;
    refused(
        target,
        &frame,
        "A reserved bit is set, though client and server did not agree on an extension that uses it.",
    )
}

fn other_bits(target: &Target) -> Outcome {
    reserved_bit(target, 2)?;
    reserved_bit(target, 1)
}

fn opcode(target: &Target, bits: u8) -> Outcome {
    let broken = format!("Opcode {bits:x} has no meaning in RFC 6455.");
    refused(target, &hello(Opcode::Reserved(bits)), &broken)
}

fn long_ping(target: &Target) -> Outcome {
    let frame = Frame::new(Opcode::Ping, Some(KEY), &[b'p'; 126]);
    refused(target, &frame, "A control frame may have 125 bytes of payload, but this Ping has 126.")
}

fn fragmented_ping(target: &Target) -> Outcome {
    let mut frame = hello(Opcode::Ping);
    frame.header.fin = false;
    refused(target, &frame, "A control frame must not be fragmented, but this Ping has FIN 0.")
}

fn continuation(target: &Target) -> Outcome {
    let frame = hello(Opcode::Continuation);
    refused(target, &frame, "A continuation frame came, but no message was open.")
}

fn new_message_inside(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    let first = client.fragment(Opcode::Text, 0, &[b"Hel", b"lo"]);
    client.send_frame(&first);
    client.send_message(Opcode::Text, b"another");
    client.expect_refusal(
        CloseCode::PROTOCOL_ERROR,
        "A new text message began, though another one was still open.",
    )
}

/// ws, websockets and gorilla accept this, so it is a warning at most.
fn long_form(target: &Target, form: LengthForm) -> Outcome {
    let mut frame = hello(Opcode::Text);
    frame.header.length_form = form;
    let broken = format!(
        "The length 5 fits in 7 bits, but is written in {} bits. The shortest form must be used. (This is only a warning, \
         because widely used servers accept it too.)",
        form.bits()
    );
    refused(target, &frame, &broken).map_err(|finding| finding.at_most(Verdict::Warn))
}

/// Announces a payload of `length` bytes, and sends none of them. A probe cannot follow, because the server
/// would read it as payload, so the checker waits.
fn announce(target: &Target, length: u64, code: CloseCode, why: &str) -> Outcome {
    let mut client = Client::open(target)?;
    let mut frame = hello(Opcode::Binary);
    frame.payload.clear();
    frame.header.length_form = LengthForm::Bits64;
    frame.header.payload_length = length;
    let bytes = frame.encode();
    client.record_bytes(&bytes, "the header alone");
    client.send_partial_frame(&bytes);
    let sent = client.sent();
    let received = client.receive();
    let finding = match &received {
        Received::Close(_) => return Ok(()),
        Received::Ended => Finding::warn(format!(
            "{why} Your server closed TCP, as it should, but sent no Close frame. A Close frame with code {code} \
             tells the client why."
        )),
        _ => Finding::warn(format!("{why} Your server waits for bytes that will never come.")),
    };
    let expected = Frame::new(Opcode::Close, None, &code.0.to_be_bytes());
    Err(finding
        .sent(sent)
        .received(client.received_evidence(&received))
        .expected(Evidence::frame(&expected)))
}

fn top_bit(target: &Target) -> Outcome {
    let why = "The first bit of a 64-bit length must be 0, but here it is 1.";
    announce(target, 1 << 63 | 5, CloseCode::PROTOCOL_ERROR, why)
}

fn huge(target: &Target) -> Outcome {
    let why = "The header announces 2^60 bytes, for which no server has memory. Set a limit, and compare the length \
               with it before you read the payload or reserve memory for it.";
    announce(target, 1 << 60, CloseCode::MESSAGE_TOO_BIG, why)
}
