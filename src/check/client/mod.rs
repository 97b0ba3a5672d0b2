//! The checker's side of a connection: raw bytes out, whatever comes in. Nothing here trusts the server
//! to keep a rule, and each wait ends.

mod expect;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use crate::check::finding::{Evidence, Finding};
use crate::check::mistakes::Mistake;
use crate::check::request::{Answer, Request};
use crate::check::target::Target;
use crate::close::CloseCode;
use crate::frame::{Frame, FrameHeader, Opcode};

/// Masking keys, one a frame: the RFC's first, so that a frame can be found in it. The others have no
/// high bits, so that a text stays ASCII when it is unmasked from the wrong byte on, and a server that
/// checks it shows what it has made of it.
const KEYS: [[u8; 4]; 4] = [
    [0x37, 0xfa, 0x21, 0x3d],
    [0x21, 0x0c, 0x5e, 0x19],
    [0x02, 0x54, 0x7b, 0x66],
    [0x5c, 0x31, 0x70, 0x0a],
];

/// Two frames are kept apart by this much, or they would come in one segment: a server that
/// loses the second then has a mistake of chapter 9, and should be told so there.
const APART: Duration = Duration::from_millis(20);

/// A step ends after so many times the patience for one answer, whatever the server still sends.
const ANSWERS: u32 = 10;

/// Bytes kept of what a server sends: more than any step asks for.
const MOST: usize = 4 * 1024 * 1024;

/// What comes from the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A whole message, in however many frames.
    Message(Opcode, Vec<u8>),
    /// A Ping, a Pong, or a frame with an opcode that means nothing.
    Control(Opcode, Vec<u8>),
    /// A Close, with its body.
    Close(Vec<u8>),
    /// Bytes in which a mistake has been recognised, or that are no frame.
    Nonsense,
    /// The end of the connection.
    Ended,
    /// Nothing more in the time given.
    Silence,
}

/// A connection to the server under test.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    timeout: Duration,
    /// When there is no more to be waited for on this connection.
    deadline: Instant,
    /// Whether messages come back, so that one can be a probe.
    echoes: bool,
    /// What has come and is not taken apart yet.
    inbox: Vec<u8>,
    /// What has come since the last thing that was as it should be.
    raw: Vec<u8>,
    /// What has been sent since then: as evidence, and as frames with their keys.
    sent: Vec<Evidence>,
    frames: Vec<Frame>,
    /// The payloads of the Pings sent: a Ping with another one is the server's own.
    pings: Vec<Vec<u8>>,
    /// The masking key of the first frame.
    first_key: Option<[u8; 4]>,
    /// The bytes of all payloads sent before those.
    payload_before: usize,
    /// The message that is open: its first frame's opcode, and what has come of it.
    open: Option<(Opcode, Vec<u8>)>,
    next_key: usize,
    /// Whether a frame has been begun and not ended.
    is_inside_frame: bool,
    /// The header of the last frame that came.
    last_header: Option<FrameHeader>,
    ended: bool,
}

impl Client {
    /// A TCP connection; the handshake is still to come.
    pub fn connect(target: &Target) -> Result<Client, Box<Finding>> {
        Client::over(target.connect().map_err(|error| gone(&error))?, target)
    }

    /// The same over a connection that is there.
    pub fn over(stream: TcpStream, target: &Target) -> Result<Client, Box<Finding>> {
        let timeout = Some(target.timeout);
        let set = stream.set_write_timeout(timeout);
        set.map_err(|error| Finding::skip(format!("this machine does not go along: {error}")))?;
        Ok(Client {
            stream,
            timeout: target.timeout,
            deadline: Instant::now() + target.timeout * ANSWERS,
            echoes: target.echoes,
            inbox: Vec::new(),
            raw: Vec::new(),
            sent: Vec::new(),
            frames: Vec::new(),
            pings: Vec::new(),
            first_key: None,
            payload_before: 0,
            open: None,
            next_key: 0,
            is_inside_frame: false,
            last_header: None,
            ended: false,
        })
    }

    /// A connection that has shaken hands, with whatever accept key: a step looks at that.
    pub fn open(target: &Target) -> Result<Client, Box<Finding>> {
        let request = Request::new(target);
        let mut client = Client::connect(target)?;
        client.send(&request.encode());
        let answer = client.answer();
        if answer.status() == Some(101) && answer.is_complete {
            client.pass_over_greeting(target);
            return Ok(client);
        }
        Err(Finding::fail("This time the handshake was not answered with 101.")
            .sent(request.evidence(&[]))
            .received(answer.evidence(&[])))
    }

    /// Passes over what the server says to each client first.
    pub fn pass_over_greeting(&mut self, target: &Target) {
        if target.greets {
            self.hear();
            self.settled();
        }
    }

    /// Sends bytes. A server that has closed may refuse them: what it said before is still read,
    /// so a failing write is not the end.
    pub fn send(&mut self, bytes: &[u8]) {
        // Told by the read that follows.
        let _ = self.stream.write_all(bytes);
        self.is_inside_frame = false;
    }

    /// Sends the beginning of a frame. Until the rest is sent, nothing may come between.
    pub fn send_beginning(&mut self, bytes: &[u8]) {
        self.send(bytes);
        self.is_inside_frame = true;
    }

    /// Sends bytes in pieces of so many, each in a segment of its own as far as the system goes
    /// along.
    pub fn send_slowly(&mut self, bytes: &[u8], piece: usize) {
        for piece in bytes.chunks(piece.max(1)) {
            self.send(piece);
            // The pause is the subject here: nothing relies on its length.
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// The next masking key.
    pub fn key(&mut self) -> [u8; 4] {
        self.next_key += 1;
        KEYS[(self.next_key - 1) % KEYS.len()]
    }

    /// A frame of this client, with the next key.
    pub fn frame(&mut self, opcode: Opcode, payload: &[u8]) -> Frame {
        let key = self.key();
        Frame::new(opcode, Some(key), payload)
    }

    /// Sends a frame, and remembers it as evidence.
    pub fn send_frame(&mut self, frame: &Frame) {
        if !self.frames.is_empty() {
            std::thread::sleep(APART);
        }
        self.remember(frame);
        self.send(&frame.encode());
    }

    /// Remembers a frame that is sent by other means.
    pub fn remember(&mut self, frame: &Frame) {
        self.sent.push(Evidence::bytes(&frame.encode(), describe(frame)));
        self.frames.push(frame.clone());
        self.first_key = self.first_key.or(frame.header.masking_key);
        if frame.header.opcode == Opcode::Ping {
            self.pings.push(frame.payload.clone());
        }
    }

    /// Remembers bytes that are no frame of their own.
    pub fn remember_bytes(&mut self, bytes: &[u8], note: &str) {
        self.sent.push(Evidence::bytes(bytes, note));
    }

    /// Sends a message in one frame.
    pub fn say(&mut self, opcode: Opcode, payload: &[u8]) {
        let frame = self.frame(opcode, payload);
        self.send_frame(&frame);
    }

    /// Sends a message in several frames.
    pub fn say_in_parts(&mut self, opcode: Opcode, parts: &[&[u8]]) {
        for number in 0..parts.len() {
            let frame = self.fragment(opcode, number, parts);
            self.send_frame(&frame);
        }
    }

    /// Fragment `number` of a message that is sent in `parts`.
    pub fn fragment(&mut self, opcode: Opcode, number: usize, parts: &[&[u8]]) -> Frame {
        let opcode = if number == 0 { opcode } else { Opcode::Continuation };
        let mut frame = self.frame(opcode, parts[number]);
        frame.header.fin = number + 1 == parts.len();
        frame
    }

    /// Says that no more will be sent.
    pub fn half_close(&mut self) {
        // A connection that is gone is closed on this side too.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Reads the answer to a request, up to the blank line.
    pub fn answer(&mut self) -> Answer {
        let deadline = self.deadline.min(Instant::now() + self.timeout);
        loop {
            let (mut answer, length) = Answer::read(&self.inbox);
            if answer.is_complete || !self.read_more(deadline) {
                answer.ended = self.ended;
                self.inbox.drain(..length);
                self.raw.clone_from(&self.inbox);
                return answer;
            }
        }
    }

    /// What comes next.
    pub fn hear(&mut self) -> Heard {
        self.hear_unless(&[], self.timeout)
    }

    /// What comes next within `patience`, or that it is one of `mistakes`.
    fn hear_unless(&mut self, mistakes: &[Mistake], patience: Duration) -> Heard {
        let deadline = self.deadline.min(Instant::now() + patience);
        loop {
            if self.inbox.starts_with(b"HTTP")
                || mistakes.iter().any(|mistake| mistake.breaks_frames && mistake.is(&self.raw))
            {
                return Heard::Nonsense;
            }
            if let Some((frame, length)) = Frame::decode(&self.inbox) {
                // What has come ends with what is not taken apart yet.
                let start = self.raw.len() - self.inbox.len();
                self.inbox.drain(..length);
                if self.is_by_the_way(&frame) {
                    self.raw.drain(start..start + length);
                } else if let Some(heard) = self.take(frame) {
                    return heard;
                }
                continue;
            }
            if self.raw.len() > MOST {
                return Heard::Nonsense;
            }
            if !self.read_more(deadline) {
                return if self.ended { Heard::Ended } else { Heard::Silence };
            }
        }
    }

    /// Whatever comes within `patience`, for steps in which nothing may come.
    pub fn hear_within(&mut self, patience: Duration) -> Heard {
        self.hear_unless(&[], patience)
    }

    /// Whether this is a Ping or a Pong of the server's own accord, which it may send at any time. A
    /// Ping is answered.
    fn is_by_the_way(&mut self, frame: &Frame) -> bool {
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

    /// A frame, as part of a message or by itself.
    fn take(&mut self, frame: Frame) -> Option<Heard> {
        self.last_header = Some(frame.header);
        match (frame.header.opcode, self.open.take()) {
            (Opcode::Close, _) => Some(Heard::Close(frame.payload)),
            (opcode, open) if opcode.is_control() || matches!(opcode, Opcode::Reserved(_)) => {
                self.open = open;
                Some(Heard::Control(opcode, frame.payload))
            }
            (Opcode::Continuation, Some((opcode, mut payload))) => {
                payload.extend(frame.payload);
                self.message(frame.header.fin, opcode, payload)
            }
            (opcode, _) => self.message(frame.header.fin, opcode, frame.payload),
        }
    }

    fn message(&mut self, fin: bool, opcode: Opcode, payload: Vec<u8>) -> Option<Heard> {
        if fin {
            return Some(Heard::Message(opcode, payload));
        }
        self.open = Some((opcode, payload));
        None
    }

    /// Reads once. False at the end and at the deadline.
    fn read_more(&mut self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        if self.ended || left.is_zero() || self.stream.set_read_timeout(Some(left)).is_err() {
            return false;
        }
        let mut buffer = [0; 16 * 1024];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => self.ended = true,
                Ok(length) => {
                    self.inbox.extend_from_slice(&buffer[..length]);
                    self.raw.extend_from_slice(&buffer[..length]);
                    return true;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if is_timeout(&error) => {}
                // A reset ends it too.
                Err(_) => self.ended = true,
            }
            return false;
        }
    }

    /// What has been as it should be is no evidence any more.
    pub fn settled(&mut self) {
        self.payload_before += self.frames.iter().map(|frame| frame.payload.len()).sum::<usize>();
        self.raw.clone_from(&self.inbox);
        self.sent.clear();
        self.frames.clear();
    }

    /// The header of the last frame that came.
    pub fn last_header(&self) -> Option<FrameHeader> {
        self.last_header
    }

    /// What has been sent, as evidence.
    pub fn sent(&self) -> Vec<Evidence> {
        self.sent.clone()
    }

    /// What has come since the last thing that was as it should be.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Whether something on this connection has been as it should be before.
    pub fn has_answered(&self) -> bool {
        self.payload_before > 0
    }

    /// Whether there is no more to be waited for.
    pub fn is_late(&self) -> bool {
        Instant::now() >= self.deadline
    }

    /// Whether messages come back.
    pub fn echoes(&self) -> bool {
        self.echoes
    }
}

/// The code of a Close frame's body.
pub fn close_code(body: &[u8]) -> Option<CloseCode> {
    body.first_chunk().map(|code| CloseCode(u16::from_be_bytes(*code)))
}

fn gone(error: &io::Error) -> Box<Finding> {
    let how = if is_timeout(error) {
        "did not take the connection in time"
    } else {
        "does not take connections any more"
    };
    Finding::fail(format!(
        "The server {how} ({error}). It did before: look at what it wrote on its own console."
    ))
}

pub(super) fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// A frame in a few words.
pub fn describe(frame: &Frame) -> String {
    let header = &frame.header;
    let mut words = match header.opcode {
        Opcode::Reserved(bits) => format!("opcode {bits:x}"),
        opcode => opcode.to_string().to_uppercase(),
    };
    match (header.opcode, std::str::from_utf8(&frame.payload)) {
        (Opcode::Close, _) if frame.payload.len() >= 2 => {
            if let Some(code) = close_code(&frame.payload) {
                words += &format!(" {}", code.0);
            }
        }
        (Opcode::Text | Opcode::Continuation | Opcode::Ping | Opcode::Pong, Ok(text))
            if text.chars().count() <= 16 && !text.is_empty() =>
        {
            words += &format!(" \"{}\"", crate::blackboard::printable(text));
        }
        (_, _) => words += &format!(", {}", amount(frame.payload.len())),
    }
    if header.rsv != 0 {
        words += &format!(", RSV {:03b}", header.rsv);
    }
    if !header.fin {
        words += ", FIN 0";
    }
    if header.masking_key.is_some() {
        words += ", masked";
    }
    words
}

fn amount(bytes: usize) -> String {
    if bytes == 1 { "1 byte".to_owned() } else { format!("{bytes} bytes") }
}
