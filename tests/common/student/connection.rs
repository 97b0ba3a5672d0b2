//! One connection: its socket, what has come and is not yet read, and where it stands.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use super::Mistake;
use super::echo::Message;

/// A request, or a frame, must have come this long after the server has begun to wait for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client that takes nothing for this long is given up.
const WRITE_PATIENCE: Duration = Duration::from_secs(20);

/// How long a client may take to close its side when the server has closed its own.
const LINGER: Duration = Duration::from_secs(5);

pub struct Connection {
    socket: TcpStream,
    mistake: Option<Mistake>,
    /// What has been received and not yet been used.
    pub unread: Vec<u8>,
    deadline: Instant,
    /// From the first byte of a frame to its last.
    pub inside_frame: bool,
    /// The message of which the last fragment has not come yet.
    pub message: Option<Message>,
    /// Which byte of the masking key is next: 0 when a frame begins.
    pub mask_index: usize,
    /// Only for `Mistake::MaskingKeyReadOnce`.
    pub first_key: Option<[u8; 4]>,
}

/// Why a connection ends.
pub enum End {
    /// The client has gone, or takes too long.
    Gone,
    /// The request is not that of an opening handshake: this is the answer.
    Refused(String),
    /// The client has broken a rule: the close code, and a sentence.
    Broken(u16, &'static str),
    /// The Close frames have gone both ways.
    Closed,
    /// No more to say, and no Close frame either.
    HungUp,
}

impl Connection {
    pub fn new(socket: TcpStream, mistake: Option<Mistake>) -> Connection {
        // Without it, small frames wait for each other. It cannot fail on an open socket.
        let _ = socket.set_nodelay(true);
        let _ = socket.set_write_timeout(Some(WRITE_PATIENCE));
        Connection {
            socket,
            mistake,
            unread: Vec::new(),
            deadline: Instant::now() + PATIENCE,
            inside_frame: false,
            message: None,
            mask_index: 0,
            first_key: None,
        }
    }

    pub fn mistake(&self) -> Option<Mistake> {
        self.mistake
    }

    pub fn makes(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    /// From the request to the end. True if the client was lost inside a frame.
    pub fn serve(mut self) -> bool {
        match self.shake_hands() {
            Ok(()) => {
                let end = self.talk();
                self.finish(end)
            }
            Err(end) => {
                self.finish(end);
                false
            }
        }
    }

    /// The last words, if there are any, and the end. True if the client was lost inside a frame.
    pub fn finish(mut self, end: End) -> bool {
        match end {
            End::Gone => return self.inside_frame || !self.unread.is_empty(),
            End::Refused(answer) => {
                let _ = self.write(answer.as_bytes());
            }
            End::Broken(code, reason) => self.tell(code, reason),
            End::Closed if self.makes(Mistake::TcpLeftOpenAfterClose) => {
                self.read_to_end();
                return false;
            }
            End::Closed | End::HungUp => {}
        }
        self.hang_up();
        false
    }

    /// Closes TCP so that what has been written arrives: a socket closed with bytes unread is
    /// reset, and a reset may overtake the Close frame (RFC 6455 section 7.1.1).
    fn hang_up(mut self) {
        if self.socket.shutdown(Shutdown::Write).is_ok() {
            self.wait_at_most(LINGER);
            self.read_to_end();
        }
    }

    /// Reads and ignores, until the client closes or the deadline has passed.
    pub fn read_to_end(&mut self) {
        while self.receive().is_ok() {
            self.unread.clear();
        }
    }

    /// Gives the client the usual time for what it sends next.
    pub fn wait_again(&mut self) {
        self.wait_at_most(PATIENCE);
    }

    pub fn wait_at_most(&mut self, time: Duration) {
        self.deadline = Instant::now() + time;
    }

    /// Adds what there is to `unread`, or waits for it.
    pub fn receive(&mut self) -> Result<(), End> {
        let mut piece = [0; 64 * 1024];
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || self.socket.set_read_timeout(Some(left)).is_err() {
                return Err(End::Gone);
            }
            match self.socket.read(&mut piece) {
                Ok(0) => return Err(End::Gone),
                Ok(count) => {
                    self.unread.extend_from_slice(&piece[..count]);
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(End::Gone),
            }
        }
    }

    /// The next bytes of a frame's header, when all of them are there.
    pub fn array<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], End> {
        loop {
            if let Some(&bytes) = self.unread.first_chunk() {
                self.unread.drain(..LENGTH);
                return Ok(bytes);
            }
            if !self.unread.is_empty() && self.makes(Mistake::FramesInPiecesLost) {
                // A buffer indexed past its end: the thread dies.
                return Err(End::Gone);
            }
            self.receive()?;
        }
    }

    /// Some bytes of a payload, at least one and at most so many.
    pub fn piece(&mut self, most: u64) -> Result<Vec<u8>, End> {
        if self.unread.is_empty() {
            self.receive()?;
        }
        let count = usize::try_from(most).unwrap_or(usize::MAX).min(self.unread.len());
        Ok(self.unread.drain(..count).collect())
    }

    pub fn write(&mut self, bytes: &[u8]) -> Result<(), End> {
        self.socket.write_all(bytes).map_err(|_| End::Gone)
    }
}
