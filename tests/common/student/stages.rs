//! Servers that a student really has on the way to the whole: correct as far as they go.

use std::net::TcpStream;

use super::connection::{Connection, End};
use super::frame::*;
use super::{After, Student};

/// How far the student has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Answers the opening handshake. Whatever comes then is ignored.
    Handshake,
    /// Echoes messages, text and binary, of any length and in any number of frames. Looks at no
    /// other frame, and at no rule.
    Frames,
    /// Answers Ping and Close as well. Still no rules, no UTF-8.
    ControlFrames,
}

impl Stage {
    pub const ALL: &[Stage] = &[Stage::Handshake, Stage::Frames, Stage::ControlFrames];

    /// In snake case, fit for a file name.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Handshake => "handshake",
            Stage::Frames => "frames",
            Stage::ControlFrames => "control_frames",
        }
    }
}

impl Student {
    /// A server that is not finished yet.
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

/// `message` is the one that is open: its opcode, and what has come of it.
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
