//! A client's socket with one way out. Chapter 07 builds it, chapters 08 and 09 use it as it is. The
//! rest is chapter 05's: a thread for each client, and a Close for a client that breaks a rule.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tungstenite::handshake::server::Callback;
use tungstenite::protocol::{CloseFrame, Role, frame::coding::CloseCode};
use tungstenite::{Error, WebSocket};

#[path = "accept_or_page.rs"]
mod accept_or_page;
#[path = "goodbye.rs"]
mod goodbye;
#[path = "linger.rs"]
mod linger;
use goodbye::is_goodbye;
use linger::linger;

/// How long a write may wait for a client that does not read.
const WRITE_DEADLINE: Duration = Duration::from_secs(1);
/// How long a client may be silent. Chapter 11 asks a silent client whether it is still there.
const SILENCE: Duration = Duration::from_secs(600);

/// Gives each client a thread of its own, which runs `serve`.
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
            // There are too many sockets or threads. Some of them will end; until then, do not
            // spin.
            thread::sleep(Duration::from_millis(100));
        }
    }
}

// ANCHOR: connection
/// A client's socket. The client's own thread reads from it; that thread and the dispatcher write.
pub struct Connection {
    socket: TcpStream,
    /// Locked while a frame is written. `true` after a Close, because nothing may follow a Close.
    over: Mutex<bool>,
}

impl Connection {
    /// Writes one whole frame.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        let mut over = self.over.lock().unwrap_or_else(PoisonError::into_inner);
        if *over {
            return Err(io::ErrorKind::BrokenPipe.into());
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
/// tungstenite uses the connection as its socket, so what tungstenite writes also leaves by `send`.
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
    /// Wraps a socket that has just been accepted.
    pub fn new(socket: TcpStream) -> io::Result<Connection> {
        socket.set_write_timeout(Some(WRITE_DEADLINE))?;
        Ok(Connection { socket, over: Mutex::new(false) })
    }

    /// Makes the opening handshake, or answers with the page or a refusal and returns `None`.
    /// `callback` sees the request and may change the answer.
    pub fn accept_or_page(
        &self,
        page: &str,
        callback: impl Callback,
    ) -> Result<Option<WebSocket<&Connection>>, Error> {
        if accept_or_page::accept_or_page(&self.socket, page, callback)?.is_none() {
            linger(&self.socket);
            return Ok(None);
        }
        self.socket.set_read_timeout(Some(SILENCE))?;
        Ok(Some(WebSocket::from_raw_socket(self, Role::Server, None)))
    }

    /// Ends a WebSocket. A client that has broken a rule is told so in a Close.
    pub fn end(&self, mut websocket: WebSocket<&Connection>, error: Error) -> Result<(), Error> {
        let code = match error {
            _ if is_goodbye(&error) => return Ok(()),
            Error::Protocol(_) => CloseCode::Protocol,
            Error::Utf8(_) => CloseCode::Invalid,
            Error::Capacity(_) => CloseCode::Size,
            error => return Err(error),
        };
        websocket.close(Some(CloseFrame { code, reason: error.to_string().into() }))?;
        linger(&self.socket);
        Err(error)
    }
}
