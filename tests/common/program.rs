//! The program and the examples, each in a process of its own.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{DEADLINE, wait_until};

/// Path of the program. Cargo passes it to tests; an example finds it in the target directory.
pub fn program() -> PathBuf {
    match option_env!("CARGO_BIN_EXE_chalkwire") {
        Some(path) => path.into(),
        None => {
            let example = std::env::current_exe().expect("this program's own path");
            let target = example.parent().and_then(Path::parent).expect("a target directory");
            target.join(format!("chalkwire{}", std::env::consts::EXE_SUFFIX))
        }
    }
}

/// An example, which `cargo test` has built beside the program.
pub fn example(name: &str) -> PathBuf {
    let directory = program().parent().expect("a target directory").join("examples");
    let path = directory.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(path.exists(), "there is no {}: cargo build --examples", path.display());
    path
}

/// A server in a child process, on a free port. The process is killed when this is dropped.
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
        let mut command = Command::new(program());
        command.args(["--listen", "127.0.0.1:0"]).args(flags).env("RUST_LOG", "off");
        Serving::start(command)
    }

    #[cfg(unix)]
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Lowers the number of descriptors that the server may have open. The server looks at this limit when it
    /// starts, and refuses the clients that it has no room for; so a test lowers it later.
    #[cfg(target_os = "linux")]
    pub fn limit_descriptors(&self, count: u64) {
        use rustix::process::{Pid, Resource, Rlimit, prlimit};
        let limit = Rlimit { current: Some(count), maximum: Some(count) };
        prlimit(Some(Pid::from_child(&self.child)), Resource::Nofile, limit)
            .expect("a child of ours");
    }

    /// The statistics at /stats.
    pub fn stats(&self) -> serde_json::Value {
        super::stats(self.address)
    }

    /// Waits until the process has ended, and returns its exit code.
    pub fn wait(&mut self) -> Option<i32> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child of ours") {
                return status.code();
            }
            assert!(Instant::now() < deadline, "the program does not end");
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

/// What a process uses. All zero on systems without /proc.
#[derive(Debug, Default, Clone, Copy)]
pub struct Usage {
    pub threads: u64,
    pub descriptors: usize,
    /// Resident memory, in KiB.
    pub memory: u64,
}

impl Usage {
    /// Waits for the threads that the server always has: main, log, dispatcher, drain, watch, refuser and
    /// signals.
    pub fn at_rest(server: &Serving) -> Usage {
        // When it has answered, all of them have started, and the one that prints the address has ended or soon will.
        server.stats();
        wait_until("the server's own threads", || matches!(Usage::of(server).threads, 0 | 7));
        Usage::of(server)
    }

    pub fn of(server: &Serving) -> Usage {
        let process = format!("/proc/{}", server.child.id());
        let Ok(status) = std::fs::read_to_string(format!("{process}/status")) else {
            return Usage::default();
        };
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line");
            line.trim().trim_end_matches(" kB").parse().expect("a number")
        };
        let descriptors = std::fs::read_dir(format!("{process}/fd")).expect("a list").count();
        Usage { threads: number("Threads:"), descriptors, memory: number("VmRSS:") }
    }
}
