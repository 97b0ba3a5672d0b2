//! Receiving: bytes become frames, and frames become messages.

use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

use super::send::KEYS;
use super::{Client, MAX_RECEIVED};
use crate::check::evidence::Evidence;
use crate::check::mistakes::Mistake;
use crate::check::received::Received;
use crate::check::response::Response;
use crate::protocol::{Frame, Opcode};
use crate::sys::socket::is_timeout;

/// How long the checker waits for more when something wrong has come.
pub(super) const AFTER_MISTAKE: Duration = Duration::from_millis(100);

impl Client {
    /// Reads the response to a request, up to the blank line.
    pub fn read_response(&mut self) -> Response {
        let deadline = self.deadline.min(Instant::now() + self.timeout);
        loop {
            let (mut response, length) = Response::read(&self.unparsed);
            if response.is_complete || !self.read_once(deadline) {
                response.ended = self.ended;
                self.unparsed.drain(..length);
                self.received.clone_from(&self.unparsed);
                return response;
            }
        }
    }

    /// Waits for what the server sends next.
    pub fn receive(&mut self) -> Received {
        self.receive_within(self.timeout)
    }

    /// Waits for what the server sends next, but not longer than `patience`.
    pub fn receive_within(&mut self, patience: Duration) -> Received {
        self.receive_or_recognize(&[], patience)
    }

    /// Does the same, but stops as soon as the bytes show one of `mistakes` after which no whole frame can come.
    pub(super) fn receive_or_recognize(
        &mut self,
        mistakes: &[Mistake],
        patience: Duration,
    ) -> Received {
        let deadline = self.deadline.min(Instant::now() + patience);
        loop {
            if self.unparsed.starts_with(b"HTTP")
                || mistakes
                    .iter()
                    .any(|mistake| mistake.breaks_frames && mistake.is(&self.received))
            {
                return Received::NotFrames;
            }
            if let Some((frame, length)) = Frame::decode(&self.unparsed) {
                let start = self.received.len() - self.unparsed.len();
                self.unparsed.drain(..length);
                if self.is_unsolicited(&frame) {
                    self.received.drain(start..start + length);
                } else if let Some(received) = self.assemble(frame) {
                    return received;
                }
                continue;
            }
            if self.received.len() > MAX_RECEIVED {
                return Received::NotFrames;
            }
            if !self.read_once(deadline) {
                return if self.ended { Received::Ended } else { Received::Silence };
            }
        }
    }

    /// Whether the frame is a Ping or a Pong that the server sent without being asked, as it may at any time.
    /// A Ping is answered.
    fn is_unsolicited(&mut self, frame: &Frame) -> bool {
        match frame.header.opcode {
            _ if !frame.header.fin => false,
            Opcode::Ping if !self.pings.contains(&frame.payload) => {
                if !self.is_inside_frame {
                    self.send(&Frame::new(Opcode::Pong, Some(KEYS[0]), &frame.payload).encode());
                }
                true
            }
            Opcode::Pong => self.pings.is_empty(),
            _ => false,
        }
    }

    /// Adds a frame to its message. `None` while the message is not complete.
    fn assemble(&mut self, frame: Frame) -> Option<Received> {
        self.last_header = Some(frame.header);
        let (opcode, payload) = match (frame.header.opcode, self.unfinished.take()) {
            (Opcode::Close, _) => return Some(Received::Close(frame.payload)),
            (opcode, unfinished)
                if opcode.is_control() || matches!(opcode, Opcode::Reserved(_)) =>
            {
                self.unfinished = unfinished;
                return Some(Received::Control(opcode, frame.payload));
            }
            (Opcode::Continuation, Some((opcode, mut payload))) => {
                payload.extend(frame.payload);
                (opcode, payload)
            }
            (opcode, _) => (opcode, frame.payload),
        };
        if frame.header.fin {
            return Some(Received::Message(opcode, payload));
        }
        self.unfinished = Some((opcode, payload));
        None
    }

    /// Reads once. Returns false at the end of the connection and at the deadline.
    fn read_once(&mut self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        if self.ended || left.is_zero() || self.stream.set_read_timeout(Some(left)).is_err() {
            return false;
        }
        let mut buffer = [0; 16 * 1024];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => self.ended = true,
                Ok(length) => {
                    self.unparsed.extend_from_slice(&buffer[..length]);
                    self.received.extend_from_slice(&buffer[..length]);
                    return true;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if is_timeout(&error) => {}
                // A reset ends the connection too.
                Err(_) => self.ended = true,
            }
            return false;
        }
    }

    /// Reads what follows within a short time, because it helps to tell one mistake from another.
    pub(super) fn read_rest(&mut self) {
        let deadline = Instant::now() + AFTER_MISTAKE;
        while self.received.len() < MAX_RECEIVED && self.read_once(deadline) {}
    }

    /// The bytes that have come, and the end after them, as evidence. Waits a short time for the rest.
    pub fn received_evidence(&mut self, last: &Received) -> Vec<Evidence> {
        self.read_rest();
        let mut evidence = Vec::new();
        if !self.received.is_empty() {
            evidence.push(Evidence::frames(&self.received));
        }
        match last {
            Received::Ended => evidence.push(Evidence::remark("the connection ended")),
            Received::Silence if evidence.is_empty() => evidence.push(Evidence::remark("nothing")),
            Received::Silence => evidence.push(Evidence::remark("then nothing")),
            _ => {}
        }
        evidence
    }
}
