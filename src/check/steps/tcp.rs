//! Chapter 9: TCP is a stream of bytes, not of frames; and a server has more than one client.

use std::time::Duration;

use crate::check::client::{Client, Heard};
use crate::check::finding::{Evidence, Finding, Outcome};
use crate::check::request::Request;
use crate::check::step::{Needs, Step};
use crate::check::target::Target;
use crate::frame::Opcode;

/// The steps.
pub const STEPS: &[Step] = &[
    Step::talk(
        "9.1",
        "a request may come in forty pieces",
        "4.2.1",
        Needs::Passed("1.2"),
        slow_request,
    ),
    Step::talk("9.2", "a frame may come byte by byte", "5.2", NEEDS_TEXT, slow_frame),
    Step::talk("9.3", "a frame's payload may come later", "5.2", NEEDS_TEXT, in_two),
    Step::talk("9.4", "two frames may come in one segment", "5.2", NEEDS_TEXT, glued),
    Step::talk(
        "9.5",
        "one frame and a half may come in one segment",
        "5.2",
        NEEDS_TEXT,
        one_and_a_half,
    ),
    Step::talk(
        "9.6",
        "300 messages may come before an answer is read",
        "5.2",
        NEEDS_TEXT,
        pipelined,
    ),
    Step::talk("9.7", "twenty clients are served at once", "-", Needs::Probe, twenty),
    Step::hold(
        "9.8",
        "who leaves within a request harms nobody",
        "-",
        Needs::Probe,
        half_a_request,
    ),
    Step::hold("9.9", "who leaves within a frame harms nobody", "-", Needs::Probe, half_a_frame),
    Step::hold("9.10", "who leaves without reading harms nobody", "-", Needs::Probe, never_reads),
    Step::hold(
        "9.11",
        "who connects and says nothing holds up nobody",
        "-",
        Needs::Probe,
        silent_one,
    ),
    Step::hold("9.12", "who stops within a frame holds up nobody", "-", Needs::Probe, stalled_one),
];

const NEEDS_TEXT: Needs = Needs::Echo(&["2.1"]);

/// Whether somebody answers: a text comes back, or a Ping is answered.
fn answers(client: &mut Client) -> Outcome {
    if client.echoes() {
        client.say(Opcode::Text, b"Hello");
        client.expect_back(Opcode::Text, b"Hello")
    } else {
        client.say(Opcode::Ping, b"Hello");
        client.expect_pong(b"Hello")
    }
}

fn slow_request(target: &Target) -> Outcome {
    let mut client = Client::connect(target)?;
    let request = Request::new(target);
    // tungstenite takes more than 64 small pieces for an attack, and so do servers made with it.
    let bytes = request.encode();
    client.send_slowly(&bytes, bytes.len().div_ceil(40));
    let answer = client.answer();
    if answer.status() == Some(101) {
        return Ok(());
    }
    Err(Finding::fail(
        "The request came in many small pieces. One recv is not one request: read on, and append, until the \
         blank line has come.",
    )
    .sent(request.evidence(&[]))
    .received(answer.evidence(&[]))
    .expected("HTTP/1.1 101 Switching Protocols"))
}

/// What is said when a frame was not found because of where the bytes were cut.
const ONE_RECV: &str = " The same frame in one piece came back: so one recv is taken for one frame. TCP is a \
                        stream of bytes: append what comes to a buffer, and take frames from its start as \
                        long as there is a whole one.";

/// Says so where nothing came; where something else came, that says more.
fn about_recv(mut finding: Box<Finding>) -> Box<Finding> {
    if finding.heard_too_little() {
        finding.why += ONE_RECV;
    }
    finding
}

fn slow_frame(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    let frame = client.frame(Opcode::Text, b"Hello");
    client.remember(&frame);
    client.send_slowly(&frame.encode(), 1);
    client.expect_back(Opcode::Text, b"Hello").map_err(about_recv)
}

fn in_two(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    let frame = client.frame(Opcode::Text, b"Hello");
    client.remember(&frame);
    let bytes = frame.encode();
    let (header, payload) = bytes.split_at(6);
    client.send_beginning(header);
    // Long enough for a server to have read the header alone, and to have done something wrong.
    if client.hear_within(Duration::from_millis(30)) == Heard::Silence {
        client.send(payload);
    }
    client.expect_back(Opcode::Text, b"Hello").map_err(about_recv)
}

fn glued(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    let first = client.frame(Opcode::Text, b"first");
    let second = client.frame(Opcode::Text, b"second");
    client.send(&[first.encode(), second.encode()].concat());
    client.remember(&first);
    client.expect_back(Opcode::Text, b"first").map_err(about_recv)?;
    client.remember(&second);
    client.expect_back(Opcode::Text, b"second").map_err(about_recv)
}

fn one_and_a_half(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    let first = client.frame(Opcode::Text, b"first");
    let second = client.frame(Opcode::Text, b"second");
    let bytes = [first.encode(), second.encode()].concat();
    // One byte of the second frame comes with the first.
    let (now, later) = bytes.split_at(first.encode().len() + 1);
    client.send_beginning(now);
    client.remember(&first);
    client.expect_back(Opcode::Text, b"first").map_err(about_recv)?;
    client.send(later);
    client.remember(&second);
    client.expect_back(Opcode::Text, b"second").map_err(about_recv)
}

fn pipelined(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    let texts: Vec<String> = (1..=MANY).map(|number| format!("message {number:03}")).collect();
    let mut bytes = Vec::new();
    let mut frames = Vec::new();
    for text in &texts {
        let frame = client.frame(Opcode::Text, text.as_bytes());
        bytes.extend(frame.encode());
        frames.push(frame);
    }
    client.send(&bytes);
    for (text, frame) in texts.iter().zip(&frames) {
        client.remember(frame);
        let result = client.expect_back(Opcode::Text, text.as_bytes());
        if result.is_err() && client.is_late() {
            return Err(Finding::warn(format!(
                "Of {MANY} messages, sent without waiting for answers, the answers still came when there \
                 was no more patience for them."
            ))
            .expected(text.clone()));
        }
        result.map_err(|mut finding| {
            finding.why += &format!(
                " It was one of {MANY} messages sent without waiting for answers; all must come back, in order."
            );
            finding
        })?;
    }
    Ok(())
}

/// Messages sent without waiting for answers.
const MANY: usize = 300;

const ONE_AT_A_TIME: &str = "Your server serves one client at a time: this one was answered only after the \
                             others had gone. accept() must go on while clients are served: give each a thread \
                             of its own.";

fn twenty(target: &Target) -> Outcome {
    let request = Request::new(target);
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut client = Client::connect(target)?;
        client.send(&request.encode());
        clients.push(client);
    }
    for number in 0..clients.len() {
        let answer = clients[number].answer();
        if answer.status() == Some(101) {
            continue;
        }
        let mut waiting = clients.swap_remove(number);
        drop(clients);
        let late = if answer.raw.is_empty() { waiting.answer() } else { answer };
        let is_late = late.status() == Some(101);
        let mut received = late.evidence(&[]);
        if is_late {
            received.push(Evidence::line("(only when the others had gone)"));
        }
        let why = if is_late {
            ONE_AT_A_TIME.to_owned()
        } else {
            format!("Client {} of 20 got no 101, while the others were still there.", number + 1)
        };
        return Err(Finding::fail(why)
            .sent(request.evidence(&[]))
            .received(received)
            .expected("HTTP/1.1 101 Switching Protocols, for each of them at once"));
    }
    for client in &mut clients {
        client.pass_over_greeting(target);
        answers(client)?;
    }
    // And once more, the last one first.
    for client in clients.iter_mut().rev() {
        answers(client)?;
    }
    Ok(())
}

/// Another client is served as if nothing had happened.
fn another_is_served(target: &Target, why: &str) -> Outcome {
    let served = Client::open(target).and_then(|mut client| answers(&mut client));
    // What the next client met is not what was wrong.
    served.map_err(|_| Finding::fail(why))
}

fn silent_one(target: &Target) -> Outcome {
    let silent = Client::connect(target)?;
    let served = another_is_served(
        target,
        "Somebody connected and said nothing; the next client was not served. The server waits for the \
         silent one: give each client a thread, and a deadline for its request.",
    );
    drop(silent);
    served
}

fn stalled_one(target: &Target) -> Outcome {
    let mut stalled = Client::open(target)?;
    let frame = stalled.frame(Opcode::Text, b"Hello");
    stalled.send_beginning(&frame.encode()[..7]);
    let served = another_is_served(
        target,
        "Somebody stopped in the middle of a frame; the next client was not served. The server waits for the \
         rest of that frame: give each client a thread of its own.",
    );
    drop(stalled);
    served
}

fn half_a_request(target: &Target) -> Outcome {
    let mut client = Client::connect(target)?;
    let request = Request::new(target).encode();
    client.send(&request[..request.len() / 2]);
    leave(client);
    another_is_served(
        target,
        "Somebody left in the middle of a request; then the next client was not served. recv giving nothing \
         means that the client is gone: end that client's thread, not the server.",
    )
}

fn half_a_frame(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    let frame = client.frame(Opcode::Text, b"Hello");
    client.send_beginning(&frame.encode()[..7]);
    leave(client);
    another_is_served(
        target,
        "Somebody left in the middle of a frame; then the next client was not served. recv giving nothing \
         means that the client is gone: end that client's thread, not the server.",
    )
}

/// Says no more, and waits until the server has seen that.
fn leave(mut client: Client) {
    client.half_close();
    client.hear_within(Duration::from_millis(100));
}

fn never_reads(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    if client.echoes() {
        for _ in 0..50 {
            let frame = client.frame(Opcode::Text, &[b'x'; 100]);
            client.send(&frame.encode());
        }
    }
    // What has come and is not read makes this a reset.
    drop(client);
    another_is_served(
        target,
        "Somebody left without reading what your server sent; then the next client was not served. A send that \
         fails ends that client's thread, not the server.",
    )
}
