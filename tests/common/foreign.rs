//! Echo servers made with other people's libraries. Each runs in a process of its own.
//! `tests/foreign/install` installs them.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Instant;

use super::{DEADLINE, skip};

/// A library to make a server with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Library {
    /// npm's ws.
    Ws,
    /// PyPI's websockets, its API with threads.
    Websockets,
    /// Go's gorilla/websocket.
    Gorilla,
}

impl Library {
    pub const ALL: &[Library] = &[Library::Ws, Library::Websockets, Library::Gorilla];

    pub fn name(self) -> &'static str {
        match self {
            Library::Ws => "ws",
            Library::Websockets => "websockets",
            Library::Gorilla => "gorilla",
        }
    }
}

/// A server that ends when this is dropped.
pub struct ForeignServer {
    pub address: SocketAddr,
    child: Child,
}

impl ForeignServer {
    /// Starts a server on a free port. Reports a skip and returns `None` if the library is not installed.
    pub fn start(library: Library) -> Option<ForeignServer> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let servers = root.join("tests/foreign/servers");
        let installed = root.join("target/foreign");
        let (program, script, needs) = match library {
            Library::Ws => ("node".into(), Some("echo.cjs"), "node_modules/ws/package.json"),
            Library::Websockets => {
                (installed.join("python/bin/python"), Some("echo.py"), "python/bin/python")
            }
            Library::Gorilla => (installed.join("gorilla"), None, "gorilla"),
        };
        if !installed.join(needs).exists() {
            let name = library.name();
            skip(&format!("the server made with {name} is not tested: run tests/foreign/install"));
            return None;
        }
        let mut child = Command::new(program)
            .args(script.map(|script| servers.join(script)))
            .env("NODE_PATH", installed.join("node_modules"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        let port = first_line(&mut child).and_then(|line| line.trim().parse().ok());
        let Some(port) = port else {
            let _ = child.kill();
            panic!("the server made with {} did not print its port", library.name());
        };
        Some(ForeignServer { address: (Ipv4Addr::LOCALHOST, port).into(), child })
    }
}

fn first_line(child: &mut Child) -> Option<String> {
    let stdout = child.stdout.take()?;
    let (said, line) = channel();
    // This thread ends when it has read the line, or when the process ends.
    std::thread::spawn(move || {
        let mut line = String::new();
        if BufReader::new(stdout).read_line(&mut line).is_ok() {
            // Sending fails if the deadline has passed.
            let _ = said.send(line);
        }
    });
    line.recv_timeout(DEADLINE).ok()
}

impl Drop for ForeignServer {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let until = Instant::now() + DEADLINE;
        while !matches!(self.child.try_wait(), Ok(Some(_))) {
            if Instant::now() > until {
                let _ = self.child.kill();
                let _ = self.child.wait();
                assert!(std::thread::panicking(), "the server did not end when its stdin ended");
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    }
}
