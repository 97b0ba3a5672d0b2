//! Many clients in one room, driven by one thread.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use chalkwire::protocol::{Frame, Opcode};

use crate::raw_client::{KEY, knock};

/// What everybody says, and the bytes that it takes to a member: 2 of header before it.
const TEXT: &[u8] = b"hello, everybody";
const FRAME: usize = 2 + TEXT.len();

/// The members of a room.
pub struct Crowd(Vec<TcpStream>);

impl Crowd {
    /// So many members come into the room at `path`.
    pub fn join(server: SocketAddr, path: &str, members: usize) -> io::Result<Crowd> {
        let join = |_| {
            let (socket, answer) = knock(server, path, "http://localhost")?;
            if !answer.contains(" 101 ") {
                return Err(io::Error::other(answer));
            }
            socket.set_read_timeout(Some(Duration::from_secs(60)))?;
            Ok(socket)
        };
        (0..members).map(join).collect::<io::Result<_>>().map(Crowd)
    }

    /// How many they are.
    pub fn members(&self) -> usize {
        self.0.len()
    }

    // ANCHOR: say
    /// So many members, from the first on, say one thing each.
    pub fn say(&self, speakers: usize) -> io::Result<()> {
        let frame = Frame::new(Opcode::Text, KEY, TEXT).encode();
        self.0.iter().take(speakers).try_for_each(|mut member| member.write_all(&frame))
    }
    // ANCHOR_END: say

    // ANCHOR: hear
    /// Each member hears so many messages; returns how many that are together. One after the other
    /// reads a piece, so that no outbox grows.
    pub fn hear(&self, each: usize) -> io::Result<usize> {
        let mut owed = vec![each * FRAME; self.0.len()];
        let mut piece = vec![0; 64 * 1024];
        let mut delivered = 0;
        while owed.iter().any(|owed| *owed > 0) {
            let waiting = self.0.iter().zip(&mut owed).filter(|(_, owed)| **owed > 0);
            for (mut member, owed) in waiting {
                let room = piece.len().min(*owed);
                let count = member.read(&mut piece[..room])?;
                if count == 0 {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
                // Every 18th byte begins a frame; 81 is a whole text. We count these.
                let begins = piece[..count].iter().skip(*owed % FRAME).step_by(FRAME);
                delivered += begins.filter(|byte| **byte == 0x81).count();
                *owed -= count;
            }
        }
        Ok(delivered)
    }
    // ANCHOR_END: hear

    // ANCHOR: leave
    /// All close. What comes next must be the answer to that, and not one message too many.
    pub fn leave(self) -> io::Result<()> {
        let close = Frame::new(Opcode::Close, KEY, &[0x03, 0xe8]).encode();
        self.0.iter().try_for_each(|mut member| member.write_all(&close))?;
        for mut member in self.0 {
            let mut answer = [0; 4];
            member.read_exact(&mut answer)?;
            if answer != [0x88, 2, 0x03, 0xe8] {
                return Err(io::Error::other("a message too many"));
            }
        }
        Ok(())
    }
    // ANCHOR_END: leave
}
