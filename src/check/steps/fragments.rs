//! Group 4: messages in several frames.

use crate::check::client::Client;
use crate::check::finding::Outcome;
use crate::check::step::{Needs, Step};
use crate::check::target::Target;
use crate::protocol::Opcode;

/// The steps.
pub const STEPS: &[Step] = &[
    Step::interop("4.1", "two fragments are one message", two).needs(NEEDS_TEXT).rule(
        "5.4",
        "Clients and servers MUST support receiving both fragmented and unfragmented messages.",
    ),
    Step::interop("4.2", "ten fragments of one byte are one message", ten).needs(NEEDS_TEXT).rule(
        "5.4",
        "A fragmented message consists of a single frame with the FIN bit clear and an opcode other than 0, followed \
         by zero or more frames with the FIN bit clear and the opcode set to 0, and terminated by a single frame \
         with the FIN bit set and an opcode of 0.",
    ),
    Step::interop("4.3", "a fragment may be empty", empty)
        .needs(NEEDS_TEXT)
        .rule("5.4", "A sender MAY create fragments of any size for non-control messages."),
    Step::interop("4.4", "a binary message in fragments stays binary", binary)
        .needs(NEEDS_TEXT)
        .rule(
            "5.4",
            "all fragments of a message are of the same type, as set by the first fragment's opcode",
        ),
    Step::interop("4.5", "one fragmented message may follow another", one_after_another)
        .needs(NEEDS_TEXT)
        .rule(
            "6.2",
            "Subsequent data frames MUST be interpreted as belonging to a new WebSocket message.",
        ),
    Step::interop("4.6", "two fragments of 200 bytes are one message of 400", long)
        .needs(NEEDS_TEXT)
        .rule(
            "5.4",
            "A fragmented message is conceptually equivalent to a single larger message whose payload is equal to \
             the concatenation of the payloads of the fragments in order",
        ),
];

const NEEDS_TEXT: Needs = Needs::Echo(&["2.1"]);

/// Sends a message in parts, and expects it back as a whole.
fn echo_parts(client: &mut Client, opcode: Opcode, parts: &[&[u8]]) -> Outcome {
    client.send_fragments(opcode, parts);
    client.expect_echo(opcode, &parts.concat())
}

fn two(target: &Target) -> Outcome {
    echo_parts(&mut Client::open(target)?, Opcode::Text, &[b"Hel", b"lo"])
}

fn ten(target: &Target) -> Outcome {
    let parts: Vec<&[u8]> = b"0123456789".chunks(1).collect();
    echo_parts(&mut Client::open(target)?, Opcode::Text, &parts)
}

fn empty(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    echo_parts(&mut client, Opcode::Text, &[b"", b"Hello"])?;
    echo_parts(&mut client, Opcode::Text, &[b"Hel", b"", b"lo"])?;
    echo_parts(&mut client, Opcode::Text, &[b"Hello", b""])
}

fn binary(target: &Target) -> Outcome {
    echo_parts(&mut Client::open(target)?, Opcode::Binary, &[b"\x00\xff", b"\xfe\x01"])
}

fn one_after_another(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    echo_parts(&mut client, Opcode::Text, &[b"one ", b"message"])?;
    echo_parts(&mut client, Opcode::Binary, &[b"and ", b"another"])?;
    client.send_message(Opcode::Text, b"and a whole one");
    client.expect_echo(Opcode::Text, b"and a whole one")
}

fn long(target: &Target) -> Outcome {
    let (first, second) = ([b'a'; 200], [b'b'; 200]);
    echo_parts(&mut Client::open(target)?, Opcode::Text, &[&first, &second])
}
