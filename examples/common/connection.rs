//! A client's socket, with one way out. Chapter 07 builds it; 08 and 09 use it as it is. The rest is
//! chapter 05's: who accepts, what a plain GET gets, and what a client gets that breaks a rule.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tungstenite::error::ProtocolError::*;
use tungstenite::handshake::server::Callback;
use tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};
use tungstenite::{Error, HandshakeError, WebSocket, accept_hdr};

/// In this time the next bytes of a request must come.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);
/// How long a write may wait for a client that does not read.
const WRITE_PATIENCE: Duration = Duration::from_secs(1);
/// A client may be silent for so long. Chapter 11 asks it whether it is still there.
const PATIENCE: Duration = Duration::from_secs(600);

/// Gives each client a thread, which does what `serve` says.
pub fn accept_clients(
    listener: &TcpListener,
    serve: impl Fn(TcpStream) -> Result<(), Error> + Clone + Send + 'static,
) {
    for (number, socket) in listener.incoming().enumerate() {
        let serve = serve.clone();
        let thread = thread::Builder::new().name(format!("client {number}"));
        let started = socket.and_then(|socket| {
            thread.spawn(move || match serve(socket) {
                Err(error) if !is_goodbye(&error) => eprintln!("client {number}: {error}"),
                _ => {}
            })
        });
        if started.is_err() {
            // Too many sockets or threads. Some will end; until then, do not spin.
            thread::sleep(Duration::from_millis(100));
        }
    }
}

/// Whether an error only says that the peer has left. That is how every connection ends.
pub fn is_goodbye(error: &Error) -> bool {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => true,
        Error::Protocol(ResetWithoutClosingHandshake | HandshakeIncomplete) => true,
        Error::Io(error) => matches!(
            error.kind(),
            ErrorKind::ConnectionReset
                | ErrorKind::ConnectionAborted
                | ErrorKind::BrokenPipe
                | ErrorKind::NotConnected
                | ErrorKind::UnexpectedEof
        ),
        _ => false,
    }
}

// ANCHOR: connection
/// A client's socket. Its own thread reads from it; that thread and the dispatcher write.
pub struct Connection {
    socket: TcpStream,
    /// Held while a frame is written. True: a Close has gone out, nothing may follow.
    over: Mutex<bool>,
}

impl Connection {
    /// Writes one whole frame.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        let mut over = self.over.lock().unwrap_or_else(PoisonError::into_inner);
        if *over {
            return Err(io::ErrorKind::NotConnected.into());
        }
        let sent = (&self.socket).write_all(frame);
        if sent.is_err() {
            *over = true; // perhaps after half a frame
            let _ = self.socket.shutdown(Shutdown::Both); // wakes the thread in read
        } else if frame.first() == Some(&0x88) {
            *over = true; // FIN 1, opcode 8: that was a Close
            let _ = self.socket.shutdown(Shutdown::Write);
        }
        sent
    }
}
// ANCHOR_END: connection

// ANCHOR: stream
/// tungstenite takes this for a socket. What it writes by itself leaves by `send` as well.
impl Write for &Connection {
    fn write(&mut self, frame: &[u8]) -> io::Result<usize> {
        self.send(frame).map(|()| frame.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(()) // nothing is kept back
    }
}

impl Read for &Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&self.socket).read(buffer)
    }
}
// ANCHOR_END: stream

impl Connection {
    /// A connection that has just been accepted.
    pub fn new(socket: TcpStream) -> io::Result<Connection> {
        socket.set_read_timeout(Some(HANDSHAKE_PATIENCE))?;
        socket.set_write_timeout(Some(WRITE_PATIENCE))?;
        Ok(Connection { socket, over: Mutex::new(false) })
    }

    /// The opening handshake. `callback` sees the request, and may change the answer. Whoever
    /// asks for something else is answered, and `None` is returned.
    pub fn shake_hands(
        &self,
        page: &str,
        callback: impl Callback,
    ) -> Result<Option<WebSocket<&Connection>>, Error> {
        let error = match accept_hdr(self, callback) {
            Ok(websocket) => {
                self.socket.set_read_timeout(Some(PATIENCE))?;
                return Ok(Some(websocket));
            }
            Err(HandshakeError::Failure(error)) => error,
            Err(HandshakeError::Interrupted(_)) => Error::Io(ErrorKind::TimedOut.into()),
        };
        let (status, body) = match &error {
            Error::Protocol(MissingConnectionUpgradeHeader | MissingUpgradeWebSocketHeader) => {
                ("200 OK", page)
            }
            Error::Protocol(WrongHttpMethod) => ("405 Method Not Allowed\r\nAllow: GET", ""),
            Error::Protocol(MissingSecWebSocketVersionHeader) => {
                ("426 Upgrade Required\r\nSec-WebSocket-Version: 13", "")
            }
            Error::Protocol(HandshakeIncomplete) | Error::Io(_) => return Err(error),
            Error::Http(_) => return Ok(None), // `callback` has refused it
            _ => ("400 Bad Request", ""),
        };
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        self.send(answer.as_bytes())?;
        self.socket.shutdown(Shutdown::Write)?;
        self.hang_up()?;
        Ok(None)
    }

    /// The end of a WebSocket: a client that has broken a rule is told so.
    pub fn end(&self, mut websocket: WebSocket<&Connection>, error: Error) -> Result<(), Error> {
        let code = match error {
            _ if is_goodbye(&error) => return Ok(()),
            Error::Protocol(_) => CloseCode::Protocol,
            Error::Utf8(_) => CloseCode::Invalid,
            Error::Capacity(_) => CloseCode::Size,
            error => return Err(error),
        };
        websocket.close(Some(CloseFrame { code, reason: error.to_string().into() }))?;
        self.hang_up()?;
        Err(error)
    }

    /// Waits a second for the peer to hang up, so that our last bytes arrive (chapter 12).
    fn hang_up(&self) -> io::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(1);
        while let Some(left) = deadline.checked_duration_since(Instant::now()) {
            self.socket.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
            if !matches!((&self.socket).read(&mut [0; 4096]), Ok(1..)) {
                break;
            }
        }
        Ok(())
    }
}
