//! A client for the demonstrations of chapter 13, and what it says.

use std::net::SocketAddr;
use std::time::Duration;

use tungstenite::{Error, Message};

use crate::visitor::{Visitor, connect};

/// A message of 64,000 bytes: a number, and spaces after it.
pub fn message(number: usize) -> String {
    let number = number.to_string();
    let spaces = 64_000 - number.len();
    number + &" ".repeat(spaces)
}

/// Connects a client, and waits until it is on the dispatcher's list: the server's thread answers a
/// Ping only after it has sent Joined. Later reads of this client fail after `patience`.
pub fn join(address: SocketAddr, patience: Duration) -> Result<Visitor, Error> {
    let mut member = connect(address, format!("ws://{address}/"))?;
    member.get_ref().set_read_timeout(Some(patience))?;
    member.send(Message::Ping("joined?".into()))?;
    while !member.read()?.is_pong() {}
    Ok(member)
}
