//! Many clients in one room. One thread drives all of them.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use chalkwire::protocol::{Frame, Opcode};

use crate::raw_client::{KEY, knock};

/// What every member says, and how many bytes of a frame it takes: a header of 2 bytes, and the
/// text.
const TEXT: &[u8] = b"hello, everybody";
const FRAME: usize = 2 + TEXT.len();

/// The members of a room.
pub struct Crowd(Vec<TcpStream>);

impl Crowd {
    /// Lets `members` clients join the room at `path`.
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

    /// How many members the crowd has.
    pub fn members(&self) -> usize {
        self.0.len()
    }

    // ANCHOR: say
    /// Lets the first `speakers` members say one thing each.
    pub fn say(&self, speakers: usize) -> io::Result<()> {
        let frame = Frame::new(Opcode::Text, KEY, TEXT).encode();
        self.0.iter().take(speakers).try_for_each(|mut member| member.write_all(&frame))
    }
    // ANCHOR_END: say

    // ANCHOR: hear
    /// Lets each member hear `each` messages. Returns how many messages that makes for all members.
    /// The members take turns and read a piece at a time, so that no outbox grows.
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
                // Every 18th byte is the first of a frame, and 81 is a whole text. We count them.
                let begins = piece[..count].iter().skip(*owed % FRAME).step_by(FRAME);
                delivered += begins.filter(|byte| **byte == 0x81).count();
                *owed -= count;
            }
        }
        Ok(delivered)
    }
    // ANCHOR_END: hear

    // ANCHOR: leave
    /// Lets all members close. The next bytes must be the answer to the Close, and not another
    /// message.
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
