//! One connection: its socket, the bytes that are not used yet, and how far it has come.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use super::Mistake;
use super::echo::Message;

/// How long the server waits for a request or for a frame.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a client may leave its bytes unread, before the server gives up.
const WRITE_PATIENCE: Duration = Duration::from_secs(20);

/// How long a client may take to close its side after the server has closed its own.
const LINGER: Duration = Duration::from_secs(5);

pub struct Connection {
    socket: TcpStream,
    mistake: Option<Mistake>,
    /// Bytes that have been received, and not used yet.
    pub unread: Vec<u8>,
    deadline: Instant,
    /// Whether the server has read the beginning of a frame and not its end.
    pub inside_frame: bool,
    /// The message whose last fragment has not come yet.
    pub message: Option<Message>,
    /// The index of the next byte of the masking key. It is 0 when a frame begins.
    pub mask_index: usize,
    /// The key of the first frame. Used only by `Mistake::MaskingKeyReadOnce`.
    pub first_key: Option<[u8; 4]>,
}

/// Why a connection ends.
pub enum End {
    /// The client has gone, or takes too long.
    Gone,
    /// The request is not an opening handshake. The response to it.
    Refused(String),
    /// The client has broken a rule. The close code and the reason.
    Broken(u16, &'static str),
    /// Both sides have sent a Close frame.
    Closed,
    /// The server ends the connection without a Close frame.
    HungUp,
}

impl Connection {
    pub fn new(socket: TcpStream, mistake: Option<Mistake>) -> Connection {
        // Without nodelay, small frames wait for each other. These calls cannot fail on an open socket.
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

    /// Serves the client from the request to the end. Returns true if the client was lost inside a frame.
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

    /// Sends the last answer if there is one, and closes. Returns true if the client was lost inside a frame.
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

    /// Lingering close: closes the sending side, and reads until the client has closed too. A socket that is
    /// closed with unread bytes sends a reset, and the reset may discard the Close frame (RFC 6455 section 7.1.1).
    fn hang_up(mut self) {
        if self.socket.shutdown(Shutdown::Write).is_ok() {
            self.wait_at_most(LINGER);
            self.read_to_end();
        }
    }

    /// Reads and ignores bytes until the client closes or the deadline has passed.
    pub fn read_to_end(&mut self) {
        while self.receive().is_ok() {
            self.unread.clear();
        }
    }

    /// Gives the client the usual time for its next frame.
    pub fn wait_again(&mut self) {
        self.wait_at_most(PATIENCE);
    }

    pub fn wait_at_most(&mut self, time: Duration) {
        self.deadline = Instant::now() + time;
    }

    /// Waits for bytes, and appends them to `unread`.
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

    /// Takes the next bytes of a frame's header, and waits until all of them are there.
    pub fn array<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], End> {
        loop {
            if let Some(&bytes) = self.unread.first_chunk() {
                self.unread.drain(..LENGTH);
                return Ok(bytes);
            }
            if !self.unread.is_empty() && self.makes(Mistake::FramesInPiecesLost) {
                // The student indexed a buffer past its end, and the thread panicked.
                return Err(End::Gone);
            }
            self.receive()?;
        }
    }

    /// Takes some bytes of a payload: at least one, and `most` at most.
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
