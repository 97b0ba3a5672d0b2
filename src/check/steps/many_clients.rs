//! Group 9, second part: a server has more than one client, and no client may harm another.

use std::time::Duration;

use crate::check::client::Client;
use crate::check::evidence::Evidence;
use crate::check::finding::{Finding, Outcome};
use crate::check::request::Request;
use crate::check::step::{Needs, Step};
use crate::check::target::Target;
use crate::protocol::Opcode;

/// The steps.
pub const STEPS: &[Step] = &[
    Step::interop("9.7", "twenty clients are served at the same time", twenty).needs(Needs::Probe),
    Step::hardening(
        "9.8",
        "a client that leaves inside a request does not harm others",
        half_a_request,
    )
    .needs(Needs::Probe),
    Step::hardening(
        "9.9",
        "a client that leaves inside a frame does not harm others",
        half_a_frame,
    )
    .needs(Needs::Probe),
    Step::hardening(
        "9.10",
        "a client that leaves without reading does not harm others",
        never_reads,
    )
    .needs(Needs::Probe),
    Step::hardening("9.11", "a client that sends nothing does not delay others", silent_client)
        .needs(Needs::Probe),
    Step::hardening(
        "9.12",
        "a client that stops inside a frame does not delay others",
        stalled_client,
    )
    .needs(Needs::Probe),
];

/// Tests whether the server answers: it sends a text back or, without an echo, answers a Ping.
fn is_answered(client: &mut Client) -> Outcome {
    if client.echoes() {
        client.send_message(Opcode::Text, b"Hello");
        client.expect_echo(Opcode::Text, b"Hello")
    } else {
        client.send_message(Opcode::Ping, b"Hello");
        client.expect_pong(b"Hello")
    }
}

fn twenty(target: &Target) -> Outcome {
    let request = Request::new(target);
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut client = Client::connect(target)?;
        client.send(&request.encode());
        clients.push(client);
    }
    for number in 0..clients.len() {
        let response = clients[number].read_response();
        if response.status() == Some(101) {
            continue;
        }
        let mut waiting = clients.swap_remove(number);
        drop(clients);
        let late = if response.raw.is_empty() { waiting.read_response() } else { response };
        let is_late = late.status() == Some(101);
        let mut received = late.evidence(&[]);
        let why = if is_late {
            received.push(Evidence::remark("only after the others had left"));
            "Your server serves one client at a time: it answered this client only after the others had left. It must \
             call accept() again while it serves clients. Give each client a thread of its own."
                .to_owned()
        } else {
            let number = number + 1;
            format!("Client {number} of 20 did not get 101 while the others were still connected.")
        };
        return Err(Finding::fail(why)
            .sent(request.evidence(&[]))
            .received(received)
            .expected(Evidence::line("HTTP/1.1 101 Switching Protocols"))
            .expected(Evidence::line("for each of the clients at once")));
    }
    for client in &mut clients {
        client.skip_greeting(target);
        is_answered(client)?;
    }
    // Once more, in the opposite order.
    for client in clients.iter_mut().rev() {
        is_answered(client)?;
    }
    Ok(())
}

/// Expects that the server serves another client as if nothing had happened.
fn another_is_served(target: &Target, why: &str) -> Outcome {
    let served = Client::open(target).and_then(|mut client| is_answered(&mut client));
    // The other client's finding does not matter, because `why` names the mistake.
    served.map_err(|_| Finding::fail(why))
}

fn half_a_request(target: &Target) -> Outcome {
    let mut client = Client::connect(target)?;
    let request = Request::new(target).encode();
    client.send(&request[..request.len() / 2]);
    leave(client);
    another_is_served(
        target,
        "A client left in the middle of its request. After that your server did not serve the next client. When recv \
         gives you nothing, the client has left: end the thread of that client, and not the server.",
    )
}

fn half_a_frame(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    let frame = client.frame(Opcode::Text, b"Hello");
    client.send_partial_frame(&frame.encode()[..7]);
    leave(client);
    another_is_served(
        target,
        "A client left in the middle of a frame. After that your server did not serve the next client. When recv gives \
         you nothing, the client has left: end the thread of that client, and not the server.",
    )
}

/// Sends no more, and gives the server time to see that.
fn leave(mut client: Client) {
    client.half_close();
    client.receive_within(Duration::from_millis(100));
}

fn never_reads(target: &Target) -> Outcome {
    let mut client = Client::open(target)?;
    if client.echoes() {
        for _ in 0..50 {
            let frame = client.frame(Opcode::Text, &[b'x'; 100]);
            client.send(&frame.encode());
        }
    }
    // A socket that is closed with unread bytes sends a reset.
    drop(client);
    another_is_served(
        target,
        "A client left without reading what your server sent. After that your server did not serve the next client. \
         When a send fails, end the thread of that client, and not the server.",
    )
}

fn silent_client(target: &Target) -> Outcome {
    let silent = Client::connect(target)?;
    let served = another_is_served(
        target,
        "A client connected and sent nothing. Your server waited for it, and did not serve the next client. Give each \
         client a thread of its own, and a deadline for its request.",
    );
    drop(silent);
    served
}

fn stalled_client(target: &Target) -> Outcome {
    let mut stalled = Client::open(target)?;
    let frame = stalled.frame(Opcode::Text, b"Hello");
    stalled.send_partial_frame(&frame.encode()[..7]);
    let served = another_is_served(
        target,
        "A client stopped in the middle of a frame. Your server waited for the rest of the frame, and did not serve the \
         next client. Give each client a thread of its own.",
    );
    drop(stalled);
    served
}
