//! Frames on demand: the lab page asks the server to send them to a client, so that a learner sees them arrive.

use std::fmt;
use std::time::Instant;

use bytes::Bytes;

use super::client::Clients;
use crate::outbox::batch::FrameBatch;
use crate::outbox::{Cause, SendOutcome};
use crate::protocol::{CloseCode, Frame, Opcode};
use crate::sys::{Asker, ConnectionId};

/// An action that the lab page can ask the server for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DemoAction {
    /// A Ping.
    Ping,
    /// A text in three fragments, with a Ping between them.
    Fragments,
    /// A binary message with this number of payload bytes.
    Bytes(usize),
    /// A Close with this code.
    Close(CloseCode),
}

/// The reason why the server does not do what the lab page asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DemoError {
    /// No client has this number.
    NoSuchClient,
    /// The tab that asks does not have an open connection.
    NoConnection,
    /// Another tab has opened the connection, or a program without a tab's secret.
    NotYours,
    /// Too many bytes are unsent, because the client does not read.
    BacklogFull,
    /// The connection is closing, or gone.
    Closed,
}

impl fmt::Display for DemoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DemoError::NoSuchClient => "there is no such client",
            DemoError::NoConnection => "this page does not have an open connection to this server",
            DemoError::NotYours => {
                "that connection belongs to another tab. Send the secret with which it was opened as &tab=…, \
                 or come with the teacher's link, which the server prints with --wire-for teacher"
            }
            DemoError::BacklogFull => "that client has not read what was sent to it before",
            DemoError::Closed => "that connection is closing",
        })
    }
}

/// Sends the connection `client`, or else the page's newest one, what the page asks for.
///
/// The client's connection must belong to the same tab, so that nobody closes the connections of other
/// people. (Their address does not tell people apart: behind a proxy or a router, all have the same.) The unsent bytes are limited as if other clients had caused them, because asking costs
/// the page nothing.
pub(super) fn perform(
    clients: &mut Clients,
    client: Option<ConnectionId>,
    asker: &Asker,
    action: DemoAction,
) -> Result<ConnectionId, DemoError> {
    let mut own = clients.iter().rev().filter(|(_, client)| asker.owns(client.tab));
    let id = client.or_else(|| own.next().map(|(id, _)| *id)).ok_or(DemoError::NoConnection)?;
    let client = clients.get_mut(&id).ok_or(DemoError::NoSuchClient)?;
    if !asker.may_command(client.tab) {
        return Err(DemoError::NotYours);
    }
    let pieces = match action {
        DemoAction::Ping => unfragmented(Opcode::Ping, Bytes::from_static(b"asked")),
        DemoAction::Fragments => vec![fragments()],
        DemoAction::Bytes(count) => {
            unfragmented(Opcode::Binary, (0..count).map(|n| n as u8).collect())
        }
        DemoAction::Close(code) => {
            client.close(code, "requested on the lab page", Instant::now());
            return Ok(id);
        }
    };
    match client.outbox.send(&pieces, Cause::Others) {
        SendOutcome::Accepted => Ok(id),
        SendOutcome::BacklogFull => Err(DemoError::BacklogFull),
        SendOutcome::Closed => Err(DemoError::Closed),
    }
}

fn unfragmented(opcode: Opcode, payload: Bytes) -> Vec<Bytes> {
    let mut batch = FrameBatch::default();
    batch.push(opcode, payload);
    batch.take()
}

/// A control frame may stand between the fragments of a message (RFC 6455 section 5.4).
fn fragments() -> Bytes {
    let frame = |opcode, fin, payload: &str| {
        let mut frame = Frame::new(opcode, None, payload.as_bytes());
        frame.header.fin = fin;
        frame.encode()
    };
    let frames = [
        frame(Opcode::Text, false, "one message "),
        frame(Opcode::Continuation, false, "in three "),
        frame(Opcode::Ping, true, "between"),
        frame(Opcode::Continuation, true, "fragments"),
    ];
    frames.concat().into()
}
