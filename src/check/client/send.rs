//! Sending: raw bytes, frames and messages, each recorded as evidence.

use std::io::Write;
use std::net::Shutdown;
use std::time::Duration;

use super::Client;
use crate::check::evidence::Evidence;
use crate::protocol::{Frame, Opcode};

/// Masking keys, one for each frame in turn. The first is the RFC's, so that a reader can find the frame
/// there. The others have no high bits: a text that is unmasked with a wrong key byte then stays ASCII, and a
/// server that checks UTF-8 still sends back what it made of the text.
pub(super) const KEYS: [[u8; 4]; 4] = [
    [0x37, 0xfa, 0x21, 0x3d],
    [0x21, 0x0c, 0x5e, 0x19],
    [0x02, 0x54, 0x7b, 0x66],
    [0x5c, 0x31, 0x70, 0x0a],
];

/// The pause between two frames. Without it they would come in one TCP segment, and a server that loses
/// the second would fail here, though its mistake belongs to group 9.
pub(super) const PAUSE: Duration = Duration::from_millis(20);

impl Client {
    /// Sends bytes. A write that fails does not end the step: a server that has closed may refuse the bytes,
    /// but the client can still read the answer that the server sent before.
    pub fn send(&mut self, bytes: &[u8]) {
        // The read that follows reports the error.
        let _ = self.stream.write_all(bytes);
        self.is_inside_frame = false;
    }

    /// Sends the beginning of a frame. Nothing else is sent before the rest of it.
    pub fn send_partial_frame(&mut self, bytes: &[u8]) {
        self.send(bytes);
        self.is_inside_frame = true;
    }

    /// Sends bytes in pieces of `size`. Each travels in a TCP segment of its own if the system allows it.
    pub fn send_in_pieces(&mut self, bytes: &[u8], size: usize) {
        for piece in bytes.chunks(size.max(1)) {
            self.send(piece);
            // The pause is what the step tests. Nothing relies on its length.
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// The next masking key.
    pub fn next_key(&mut self) -> [u8; 4] {
        self.keys_used += 1;
        KEYS[(self.keys_used - 1) % KEYS.len()]
    }

    /// Makes a frame with the next masking key.
    pub fn frame(&mut self, opcode: Opcode, payload: &[u8]) -> Frame {
        let key = self.next_key();
        Frame::new(opcode, Some(key), payload)
    }

    /// Makes fragment `number`, counted from 0, of a message that is sent in `parts`.
    pub fn fragment(&mut self, opcode: Opcode, number: usize, parts: &[&[u8]]) -> Frame {
        let opcode = if number == 0 { opcode } else { Opcode::Continuation };
        let mut frame = self.frame(opcode, parts[number]);
        frame.header.fin = number + 1 == parts.len();
        frame
    }

    /// Sends a frame, and records it as evidence.
    pub fn send_frame(&mut self, frame: &Frame) {
        if !self.frames.is_empty() {
            std::thread::sleep(PAUSE);
        }
        self.record_frame(frame);
        self.send(&frame.encode());
    }

    /// Sends a message, or a control frame, in one frame.
    pub fn send_message(&mut self, opcode: Opcode, payload: &[u8]) {
        let frame = self.frame(opcode, payload);
        self.send_frame(&frame);
    }

    /// Sends a message in several frames.
    pub fn send_fragments(&mut self, opcode: Opcode, parts: &[&[u8]]) {
        for number in 0..parts.len() {
            let frame = self.fragment(opcode, number, parts);
            self.send_frame(&frame);
        }
    }

    /// Records a frame as sent.
    pub fn record_frame(&mut self, frame: &Frame) {
        self.sent.push(Evidence::frame(frame));
        self.frames.push(frame.clone());
        self.first_key = self.first_key.or(frame.header.masking_key);
        if frame.header.opcode == Opcode::Ping {
            self.pings.push(frame.payload.clone());
        }
    }

    /// Records bytes that are not a whole frame as sent.
    pub fn record_bytes(&mut self, bytes: &[u8], note: &str) {
        self.sent.push(Evidence::bytes(bytes, note));
    }

    /// Tells the server that the client will send no more. It can still receive.
    pub fn half_close(&mut self) {
        // An error means that the connection has ended, and nothing is left to close.
        let _ = self.stream.shutdown(Shutdown::Write);
    }
}
