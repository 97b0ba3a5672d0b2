//! What the tests share: a server on a free port, and a raw client that sends exactly the bytes it is
//! given. Every wait has a deadline.
#![allow(dead_code, missing_docs, clippy::unwrap_used)]

pub mod bad_link;
pub mod foreign;
#[cfg(target_os = "linux")]
pub mod namespace;
pub mod program;
pub mod storm;
pub mod student;
pub mod trouble;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use chalkwire::protocol::{Frame, Opcode};
use chalkwire::{Config, Server, Stopper};

/// No test waits longer than this for anything.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// The masking key of RFC 6455 section 5.7.
pub const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A server in this process. When it is dropped, it stops and all its threads end.
pub struct Running {
    pub address: SocketAddr,
    pub teacher_link: Option<String>,
    stopper: Stopper,
    thread: Option<JoinHandle<io::Result<()>>>,
}

pub fn serve(config: Config) -> Running {
    serve_at("127.0.0.1:0", config)
}

pub fn serve_at(listen: &str, config: Config) -> Running {
    let _ = env_logger::Builder::from_default_env().is_test(true).try_init();
    let server = Server::bind(listen, config).expect("a free port");
    let (address, stopper) = (server.local_addr(), server.stopper());
    let teacher_link = server.teacher_link();
    let thread = std::thread::spawn(move || server.run());
    Running { address, teacher_link, stopper, thread: Some(thread) }
}

impl Running {
    pub fn connect(&self, path: &str) -> Raw {
        Raw::open(self.address, path, "")
    }

    /// Sends bytes on a fresh connection and reads all that comes back.
    pub fn exchange(&self, request: &[u8]) -> String {
        let mut socket = dial(self.address);
        socket.write_all(request).expect("the request leaves");
        read_to_end(&mut socket)
    }

    /// The status of the answer to a request.
    pub fn status(&self, request: &str) -> u16 {
        let mut socket = dial(self.address);
        socket.write_all(request.as_bytes()).expect("the request leaves");
        let mut start = [0; 12];
        socket.read_exact(&mut start).expect("an answer");
        let start = std::str::from_utf8(&start).expect("text");
        start.strip_prefix("HTTP/1.1 ").and_then(|code| code.parse().ok()).expect("a status")
    }

    pub fn get(&self, path: &str, headers: &str) -> String {
        let host = self.address;
        self.exchange(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n").as_bytes())
    }

    pub fn stats(&self) -> serde_json::Value {
        stats(self.address)
    }

    /// Requests the statistics until `ready` accepts them.
    pub fn wait_for_stats(&self, what: &str, ready: impl Fn(&serde_json::Value) -> bool) {
        wait_until(what, || ready(&self.stats()));
    }

    pub fn stop(&self) {
        self.stopper.stop();
    }

    /// Stops the server and waits until it has ended.
    pub fn end(mut self) {
        self.end_by(DEADLINE);
    }

    fn end_by(&mut self, deadline: Duration) {
        self.stop();
        let Some(thread) = self.thread.take() else { return };
        let until = Instant::now() + deadline;
        while !thread.is_finished() {
            assert!(Instant::now() < until, "the server did not end");
            std::thread::sleep(Duration::from_millis(1));
        }
        thread.join().expect("no panic").expect("no error");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.stop();
        } else {
            self.end_by(DEADLINE);
        }
    }
}

/// The statistics at /stats.
pub fn stats(address: SocketAddr) -> serde_json::Value {
    let mut socket = dial(address);
    let request = format!("GET /stats HTTP/1.1\r\nHost: {address}\r\n\r\n");
    socket.write_all(request.as_bytes()).expect("the request leaves");
    let answer = read_to_end(&mut socket);
    let (_, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    serde_json::from_str(body).expect("JSON")
}

pub fn wait_until(what: &str, mut ready: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !ready() {
        assert!(Instant::now() < deadline, "the deadline passed before {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub fn dial(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).expect("the server listens");
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket.set_write_timeout(Some(DEADLINE)).unwrap();
    socket.set_nodelay(true).unwrap();
    socket
}

/// Reads until the end of the connection. A reset counts as an end.
pub fn read_to_end(socket: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    match socket.read_to_end(&mut bytes) {
        Err(error) if error.kind() != io::ErrorKind::ConnectionReset => panic!("{error}"),
        _ => String::from_utf8_lossy(&bytes).into_owned(),
    }
}

/// The request of an opening handshake, with the RFC's sample key.
pub fn handshake(address: SocketAddr, path: &str, headers: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{headers}\r\n"
    )
}

/// A raw WebSocket client. It answers neither a Ping nor a Close by itself.
pub struct Raw {
    pub socket: TcpStream,
    pub head: String,
    received: Vec<u8>,
    /// Where the next frame begins in `received`. Bytes before it are removed when more are read, so
    /// that thousands of small frames in one read are not moved thousands of times.
    next: usize,
}

impl Raw {
    /// Connects and does the opening handshake. `headers` are more lines of the request, each with its
    /// line end.
    pub fn open(address: SocketAddr, path: &str, headers: &str) -> Raw {
        Raw::open_with(address, path, headers, &[])
    }

    /// The same, with `leftover` in one write behind the request.
    pub fn open_with(address: SocketAddr, path: &str, headers: &str, leftover: &[u8]) -> Raw {
        let mut socket = dial(address);
        let request = [handshake(address, path, headers).as_bytes(), leftover].concat();
        socket.write_all(&request).unwrap();
        Raw::read_head(socket)
    }

    /// Takes over a socket on which a request has been sent, and reads the answer.
    pub fn read_head(socket: TcpStream) -> Raw {
        let mut raw = Raw { socket, head: String::new(), received: Vec::new(), next: 0 };
        let end = loop {
            if let Some(at) = raw.received.windows(4).position(|w| w == b"\r\n\r\n") {
                break at + 4;
            }
            assert!(raw.more(), "the connection ended in the head: {:?}", raw.received);
        };
        raw.head = String::from_utf8(raw.received[..end].to_vec()).expect("text");
        raw.next = end;
        assert!(raw.head.starts_with("HTTP/1.1 101 "), "{}", raw.head);
        raw
    }

    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).expect("the bytes leave");
    }

    pub fn send(&mut self, opcode: Opcode, payload: &[u8]) {
        self.send_bytes(&Frame::new(opcode, Some(KEY), payload).encode());
    }

    pub fn send_text(&mut self, text: &str) {
        self.send(Opcode::Text, text.as_bytes());
    }

    pub fn send_close(&mut self, code: u16, reason: &str) {
        self.send(Opcode::Close, &[&code.to_be_bytes(), reason.as_bytes()].concat());
    }

    /// Keeps the system from buffering megabytes for a client that does not read, so that the server
    /// notices sooner. On systems other than Unix it takes more messages.
    pub fn shrink_receive_buffer(&self) {
        #[cfg(unix)]
        rustix::net::sockopt::set_socket_recv_buffer_size(&self.socket, 64 * 1024)
            .expect("an open socket");
    }

    /// Reads more bytes; false at the end of the connection.
    fn more(&mut self) -> bool {
        self.received.drain(..std::mem::take(&mut self.next));
        let mut chunk = [0; 64 * 1024];
        match self.socket.read(&mut chunk) {
            Ok(0) => false,
            Ok(count) => {
                self.received.extend_from_slice(&chunk[..count]);
                true
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => false,
            Err(error) => panic!("waited in vain for bytes: {error}"),
        }
    }

    /// The next frame, or `None` at the end of the connection.
    pub fn next_frame(&mut self) -> Option<Frame> {
        loop {
            if let Some((frame, length)) = Frame::decode(&self.received[self.next..]) {
                assert_eq!(frame.header.masking_key, None, "a server must not mask");
                assert_eq!(frame.header.rsv, 0);
                self.next += length;
                return Some(frame);
            }
            if !self.more() {
                let start = &self.received[..self.received.len().min(20)];
                assert!(start.is_empty(), "the connection ended inside a frame: {start:02x?} ...");
                return None;
            }
        }
    }

    pub fn frame(&mut self) -> Frame {
        self.next_frame().expect("a frame, not the end of the connection")
    }

    pub fn text(&mut self) -> String {
        let frame = self.frame();
        assert_eq!(frame.header.opcode, Opcode::Text, "{frame:?}");
        String::from_utf8(frame.payload).expect("UTF-8")
    }

    /// The Close frame that comes next: code and reason.
    pub fn close(&mut self) -> (u16, String) {
        let frame = self.frame();
        assert_eq!(frame.header.opcode, Opcode::Close, "{frame:?}");
        let (code, reason) = frame.payload.split_first_chunk().expect("a code");
        (u16::from_be_bytes(*code), String::from_utf8(reason.to_vec()).expect("UTF-8"))
    }

    pub fn expect_end(&mut self) {
        let frame = self.next_frame();
        assert_eq!(frame, None, "expected the end of the connection");
    }
}

/// Texts as frames from a client, in a row.
pub fn frames<'a>(texts: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    texts.flat_map(|text| Frame::new(Opcode::Text, Some(KEY), text).encode()).collect()
}

/// Reports that something is not tested on this machine. In CI that is a failure.
pub fn skip(why: &str) {
    assert!(std::env::var_os("CHALKWIRE_SKIP_NOTHING").is_none(), "{why}");
    println!("SKIPPED: {why}");
    // Writes to stderr directly, because the test harness hides the output of a test that passes.
    let _ = writeln!(io::stderr(), "SKIPPED: {why}");
}

/// Reports that this machine's kernel cannot run a test. Unlike [`skip`], this is not a failure in CI, because
/// no package brings what is missing.
pub fn cannot_run(why: &str) {
    println!("CANNOT RUN: {why}");
    let _ = writeln!(io::stderr(), "CANNOT RUN: {why}");
}

/// A frame from a client. With `fin` it is the last of its message.
pub fn fragment(opcode: Opcode, fin: bool, payload: &[u8]) -> Vec<u8> {
    let mut frame = Frame::new(opcode, Some(KEY), payload);
    frame.header.fin = fin;
    frame.encode()
}
