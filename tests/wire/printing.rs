//! The program, and what it prints.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};

/// The program on a free port. It is killed when this is dropped.
pub struct Printing {
    pub child: Child,
    pub address: SocketAddr,
    /// The lines of its stdout that have been read.
    pub text: String,
    stdout: BufReader<ChildStdout>,
}

impl Printing {
    /// Starts the program, and reads the line with its address. `log` is its `RUST_LOG`.
    pub fn start(flags: &[&str], log: &str) -> Printing {
        let mut child = Command::new(env!("CARGO_BIN_EXE_chalkwire"))
            .args(["--listen", "127.0.0.1:0"])
            .args(flags)
            .env("RUST_LOG", log)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut text = String::new();
        stdout.read_line(&mut text).expect("a line");
        let url = text.trim().rsplit("http://").next().expect("an address");
        let address = url.trim_end_matches('/').parse().expect("an address");
        Printing { child, address, text, stdout }
    }

    /// Reads lines until `is_enough` accepts the text so far.
    pub fn read_until(&mut self, is_enough: impl Fn(&str) -> bool) {
        while !is_enough(&self.text) {
            let count = self.stdout.read_line(&mut self.text).expect("a line");
            assert!(count > 0, "the program has ended: {}", self.text);
        }
    }

    /// Ends the program, and returns the rest of what it has printed.
    pub fn end(mut self) -> String {
        self.child.kill().expect("it runs");
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).expect("text");
        rest
    }
}

impl Drop for Printing {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
