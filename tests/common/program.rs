//! The program in a process of its own.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::DEADLINE;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_chalkwire");

/// The program, serving on a free port. Killed if the test fails before it ends.
pub struct Serving {
    pub child: Child,
    pub address: SocketAddr,
    pub first_line: String,
}

impl Serving {
    pub fn start(mut command: Command) -> Serving {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the program starts");
        let mut first_line = String::new();
        let stdout = child.stdout.as_mut().expect("a pipe");
        BufReader::new(stdout).read_line(&mut first_line).expect("a line");
        let url = first_line.split_whitespace().find(|word| word.starts_with("http://"));
        let address = url.and_then(|url| url[7..].trim_end_matches('/').parse().ok());
        let Some(address) = address else { panic!("no URL in {first_line:?}") };
        Serving { child, address, first_line }
    }

    pub fn with(flags: &[&str]) -> Serving {
        let mut command = Command::new(PROGRAM);
        command.args(["--listen", "127.0.0.1:0"]).args(flags).env("RUST_LOG", "off");
        Serving::start(command)
    }

    #[cfg(unix)]
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Waits until it has ended; gives its exit code.
    pub fn wait(&mut self) -> Option<i32> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child of ours") {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it does not end");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
