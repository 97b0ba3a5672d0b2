//! The checker's end of a connection. It sends raw bytes and takes whatever comes back: it trusts the
//! server to keep no rule, and each wait has an end.

mod expect;
mod receive;
mod refusal;

use std::io::{self, ErrorKind, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use super::evidence::Evidence;
use super::finding::Finding;
use super::request::Request;
use super::response::Response;
use super::target::Target;
use crate::frame::{Frame, FrameHeader, Opcode};

/// Masking keys, one for each frame in turn. The first is the RFC's, so that a reader can find the frame
/// there. The others have no high bits: a text that is unmasked with a wrong key byte then stays ASCII, and a
/// server that checks UTF-8 still sends back what it made of the text.
const KEYS: [[u8; 4]; 4] = [
    [0x37, 0xfa, 0x21, 0x3d],
    [0x21, 0x0c, 0x5e, 0x19],
    [0x02, 0x54, 0x7b, 0x66],
    [0x5c, 0x31, 0x70, 0x0a],
];

/// The pause between two frames. Without it they would come in one TCP segment, and a server that loses
/// the second would fail here, though its mistake belongs to group 9.
const PAUSE: Duration = Duration::from_millis(20);

/// How long a step may take in all, in timeouts for one answer, whatever the server goes on to send.
const MAX_TIMEOUTS: u32 = 10;

/// Most bytes that are kept of what a server sends: more than any step asks for.
const MAX_RECEIVED: usize = 4 * 1024 * 1024;

/// A connection to the server under test.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    /// How long the server may take for one answer.
    timeout: Duration,
    /// When the step gives up.
    deadline: Instant,
    /// Whether the server sends messages back, so that a message can be a probe.
    echoes: bool,
    /// Bytes that have come, and are not parsed yet.
    unparsed: Vec<u8>,
    /// Bytes that have come since the evidence was last cleared. They end with `unparsed`.
    received: Vec<u8>,
    /// What has been sent since then: as evidence, and as frames.
    sent: Vec<Evidence>,
    frames: Vec<Frame>,
    /// The payloads of the Pings that the client has sent. A Ping with another payload is the server's own.
    pings: Vec<Vec<u8>>,
    /// The masking key of the connection's first frame.
    first_key: Option<[u8; 4]>,
    /// The number of payload bytes sent before the evidence was last cleared.
    payload_before: usize,
    /// The message that the server has not finished: its opcode, and the payload so far.
    unfinished: Option<(Opcode, Vec<u8>)>,
    /// How many masking keys have been used.
    keys_used: usize,
    /// Whether the client has sent only the beginning of a frame.
    is_inside_frame: bool,
    /// The header of the last frame that came.
    last_header: Option<FrameHeader>,
    /// Whether the server has closed the connection.
    ended: bool,
}

impl Client {
    /// Opens a TCP connection. The handshake is still to come.
    pub fn connect(target: &Target) -> Result<Client, Box<Finding>> {
        Client::over(target.connect().map_err(|error| server_is_gone(&error))?, target)
    }

    /// Uses a TCP connection that is already open.
    pub fn over(stream: TcpStream, target: &Target) -> Result<Client, Box<Finding>> {
        stream.set_write_timeout(Some(target.timeout)).map_err(|error| {
            Finding::skip(format!("this computer cannot set a timeout on the socket: {error}"))
        })?;
        Ok(Client {
            stream,
            timeout: target.timeout,
            deadline: Instant::now() + target.timeout * MAX_TIMEOUTS,
            echoes: target.echoes,
            unparsed: Vec::new(),
            received: Vec::new(),
            sent: Vec::new(),
            frames: Vec::new(),
            pings: Vec::new(),
            first_key: None,
            payload_before: 0,
            unfinished: None,
            keys_used: 0,
            is_inside_frame: false,
            last_header: None,
            ended: false,
        })
    }

    /// Opens a TCP connection, sends `request`, and reads the response.
    pub fn request(target: &Target, request: &Request) -> Result<(Client, Response), Box<Finding>> {
        let mut client = Client::connect(target)?;
        client.send(&request.encode());
        let response = client.read_response();
        Ok((client, response))
    }

    /// Opens a WebSocket connection. Any accept key will do, because one step alone tests that.
    pub fn open(target: &Target) -> Result<Client, Box<Finding>> {
        let request = Request::new(target);
        let (mut client, response) = Client::request(target, &request)?;
        if response.status() == Some(101) && response.is_complete {
            client.skip_greeting(target);
            return Ok(client);
        }
        Err(Finding::fail("This time your server did not answer the handshake with 101.")
            .sent(request.evidence(&[]))
            .received(response.evidence(&[])))
    }

    /// Reads the message that the server sends to each client first, if it does that.
    pub fn skip_greeting(&mut self, target: &Target) {
        if target.greets {
            self.receive();
            self.clear_evidence();
        }
    }

    /// Sends bytes. A write that fails is not the end: a server that has closed may refuse the bytes, but
    /// what it sent before can still be read.
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

    /// Forgets what was sent and received so far, because it was correct and is not evidence any more.
    pub fn clear_evidence(&mut self) {
        self.payload_before += self.frames.iter().map(|frame| frame.payload.len()).sum::<usize>();
        self.received.clone_from(&self.unparsed);
        self.sent.clear();
        self.frames.clear();
    }

    /// What has been sent since the evidence was last cleared.
    pub fn sent(&self) -> Vec<Evidence> {
        self.sent.clone()
    }

    /// The bytes that have come since the evidence was last cleared.
    pub fn received_bytes(&self) -> &[u8] {
        &self.received
    }

    /// The header of the last frame that came.
    pub fn last_header(&self) -> Option<FrameHeader> {
        self.last_header
    }

    /// Whether the server has answered a message on this connection before.
    fn has_answered(&self) -> bool {
        self.payload_before > 0
    }

    /// Whether the step's time is over.
    pub fn is_out_of_time(&self) -> bool {
        Instant::now() >= self.deadline
    }

    /// Whether the server sends messages back.
    pub fn echoes(&self) -> bool {
        self.echoes
    }
}

fn server_is_gone(error: &io::Error) -> Box<Finding> {
    let how = if is_timeout(error) {
        "did not accept the connection in time"
    } else {
        "does not accept connections any more"
    };
    Finding::fail(format!(
        "Your server {how} ({error}), but it did before. Look at what it wrote on its own console."
    ))
}

/// Whether a read or write ended because its time was over.
fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
