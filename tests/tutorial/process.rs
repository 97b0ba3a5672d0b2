//! Runs a program with a deadline, and always ends it.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// A program and its arguments.
#[derive(Debug)]
pub struct Program {
    pub path: PathBuf,
    pub arguments: Vec<String>,
}

/// The output of a program, and whether it succeeded.
pub struct Output {
    pub success: bool,
    pub stdout: String,
    pub stderr: String,
}

/// A program that runs. It ends when this value is dropped.
pub struct Running {
    child: Child,
    /// Bytes of standard output (`false`) and standard error (`true`). It ends when both have
    /// ended.
    pieces: Receiver<(bool, Vec<u8>)>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Program {
    pub fn start(&self, root: &Path) -> Result<Running, String> {
        let mut child = Command::new(&self.path)
            .args(&self.arguments)
            .current_dir(root)
            .env_remove("RUST_LOG")
            .env_remove("RUST_BACKTRACE")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{} does not start: {error}", self.path.display()))?;
        let (sender, pieces) = channel();
        let stdout = child.stdout.take().expect("a pipe");
        let stderr = child.stderr.take().expect("a pipe");
        let streams: [(bool, Box<dyn Read + Send>); 2] =
            [(false, Box::new(stdout)), (true, Box::new(stderr))];
        for (is_error, mut stream) in streams {
            let sender = sender.clone();
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(count @ 1..) = stream.read(&mut buffer) {
                    // Read on even if no test wants the bytes: a full pipe would stop the program.
                    let _ = sender.send((is_error, buffer[..count].to_vec()));
                }
            });
        }
        Ok(Running { child, pieces, stdout: Vec::new(), stderr: Vec::new() })
    }

    /// Runs it to its end.
    pub fn run(&self, root: &Path, deadline: Duration) -> Result<Output, String> {
        let mut running = self.start(root)?;
        let until = Instant::now() + deadline;
        while running.take_piece(until) {}
        loop {
            if let Ok(Some(status)) = running.child.try_wait() {
                let (stdout, stderr) = running.said();
                return Ok(Output { success: status.success(), stdout, stderr });
            }
            if Instant::now() >= until {
                let (stdout, stderr) = running.said();
                return Err(format!("does not end within {deadline:?}; it said\n{stdout}{stderr}"));
            }
            // Its output has ended, so the program ends soon.
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Running {
    /// Waits for more output. Returns false when none comes in time, or when the output has ended.
    fn take_piece(&mut self, until: Instant) -> bool {
        let left = until.saturating_duration_since(Instant::now());
        match self.pieces.recv_timeout(left) {
            Ok((is_error, bytes)) => {
                if is_error { &mut self.stderr } else { &mut self.stdout }.extend(bytes);
                true
            }
            Err(_) => false,
        }
    }

    fn said(&self) -> (String, String) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&self.stdout), text(&self.stderr))
    }

    /// Waits until standard output contains `word`.
    pub fn wait_for(&mut self, word: &str, deadline: Duration) -> Result<(), String> {
        let until = Instant::now() + deadline;
        while !self.said().0.contains(word) {
            if !self.take_piece(until) {
                let (stdout, stderr) = self.said();
                return Err(format!("has not said {word} in {deadline:?}, but\n{stdout}{stderr}"));
            }
        }
        Ok(())
    }
}
