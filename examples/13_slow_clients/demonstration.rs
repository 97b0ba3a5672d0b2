//! What chapter 13's example shows: one client of four stops reading.

use std::net::SocketAddr;
use std::time::Duration;

use crate::AnyError;
use crate::member::{join, message};
use crate::visitor::hear;

/// Client 1 does not read. Client 2 talks, and always waits until 2, 3 and 4 have heard it.
pub fn demonstrate(address: SocketAddr) -> Result<(), AnyError> {
    const MESSAGES: usize = 500;
    let member = || join(address, Duration::from_secs(5));
    let (mut stalled, mut others) = (member()?, [member()?, member()?, member()?]);
    println!("client 1 does not read; client 2 says {MESSAGES} messages of 64,000 bytes");
    for n in 1..=MESSAGES {
        let said = message(n);
        others[0].send(said.as_str().into())?;
        for (client, other) in (2..).zip(&mut others) {
            if hear(other)? != said {
                return Err(format!("client {client} missed message {n}").into());
            }
        }
    }
    println!("clients 2, 3 and 4 have all {MESSAGES}, in order");

    let mut end = "nothing is missing".to_owned();
    let mut read = || hear(&mut stalled).map_err(|error| end = error.to_string()).ok();
    let texts: Vec<_> = (0..MESSAGES).map_while(|_| read()).collect();
    if !texts.iter().zip(1..).all(|(text, n)| *text == message(n)) {
        return Err("client 1 has a gap".into());
    }
    println!("client 1 reads again: 1 to {}, in order, and then\n  {end}", texts.len());
    Ok(())
}
