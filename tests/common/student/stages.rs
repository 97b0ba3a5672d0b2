//! Servers that a student has on the way to a finished one: correct as far as they go.

use std::net::TcpStream;

use super::connection::{Connection, End};
use super::frame::*;
use super::{After, Student};

/// How much of the server the student has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Answers the opening handshake, and ignores everything after it.
    Handshake,
    /// Echoes text and binary messages of any length, in any number of frames. Ignores all other frames, and
    /// checks no rule.
    Frames,
    /// Answers Ping and Close as well. Does not check rules or UTF-8 yet.
    ControlFrames,
}

impl Stage {
    pub const ALL: &[Stage] = &[Stage::Handshake, Stage::Frames, Stage::ControlFrames];

    /// The name in snake case, for a file name.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Handshake => "handshake",
            Stage::Frames => "frames",
            Stage::ControlFrames => "control_frames",
        }
    }
}

impl Student {
    /// Starts a server that is not finished.
    pub fn start_at(stage: Stage) -> Student {
        Student::listen(false, move |socket| {
            serve(socket, stage);
            After::GoOn
        })
    }
}

fn serve(socket: TcpStream, stage: Stage) {
    let mut connection = Connection::new(socket, None);
    let end = match connection.shake_hands() {
        Ok(()) if stage == Stage::Handshake => {
            connection.read_to_end();
            return;
        }
        Ok(()) => talk(&mut connection, stage),
        Err(end) => end,
    };
    connection.finish(end);
}

fn talk(connection: &mut Connection, stage: Stage) -> End {
    let mut message = (TEXT, Vec::new());
    loop {
        if let Err(end) = answer_frame(connection, &mut message, stage) {
            return end;
        }
    }
}

/// Answers one frame. `message` is the open message: its opcode, and the payload so far.
fn answer_frame(
    connection: &mut Connection,
    message: &mut (u8, Vec<u8>),
    stage: Stage,
) -> Result<(), End> {
    let header = connection.read_header()?;
    let payload = connection.read_payload(&header)?;
    match header.opcode {
        TEXT | BINARY | CONTINUATION => {
            if header.opcode != CONTINUATION {
                *message = (header.opcode, Vec::new());
            }
            message.1.extend(payload);
            if header.fin {
                connection.send(message.0, &std::mem::take(&mut message.1))?;
            }
            Ok(())
        }
        PING if stage == Stage::ControlFrames => connection.send(PONG, &payload),
        CLOSE if stage == Stage::ControlFrames => {
            connection.send(CLOSE, &payload)?;
            Err(End::Closed)
        }
        _ => Ok(()),
    }
}
