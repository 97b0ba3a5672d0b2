//! The checker's end of a connection: it sends raw bytes, and accepts any answer. It does not rely on the
//! server to keep any rule, so each wait has a deadline.

mod expect;
mod receive;
mod refusal;
mod send;

use std::io;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::evidence::Evidence;
use super::finding::Finding;
use super::request::Request;
use super::response::Response;
use super::target::Target;
use crate::protocol::{Frame, FrameHeader, Opcode};
use crate::sys::socket::is_timeout;

/// The longest time of a step, in timeouts for one answer. A server that sends on and on cannot hold it up
/// for longer.
const MAX_TIMEOUTS: u32 = 10;

/// The most bytes that the checker keeps from a server: more than any step asks for.
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
