//! A server in a process of its own, so that we measure what the server uses, and not its clients.

use std::error::Error;
use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use chalkwire::{Config, Server};

/// A running server. It ends when this value is dropped, or when our own process ends.
pub struct ChildServer {
    pub address: SocketAddr,
    child: Child,
}

impl ChildServer {
    /// Runs this same program with `--serve`, which calls [`serve`].
    pub fn start(listen: &str) -> Result<ChildServer, Box<dyn Error>> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--serve", "--listen", listen])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let output = child.stdout.take().ok_or("no pipe to the server")?;
        BufReader::new(output).read_line(&mut line)?;
        match line.trim().parse() {
            Ok(address) => Ok(ChildServer { address, child }),
            Err(_) => Err("the server did not start".into()),
        }
    }

    // ANCHOR: usage
    /// The CPU time since its start, and the memory that it uses. `None` on systems without /proc.
    pub fn usage(&self) -> Option<(Duration, String)> {
        let process = format!("/proc/{}", self.child.id());
        let stat = fs::read_to_string(format!("{process}/stat")).ok()?;
        // The program's name is in parentheses, and it may contain spaces.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks: u64 =
            fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
        let status = fs::read_to_string(format!("{process}/status")).ok()?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kib: u64 = resident.trim().trim_end_matches(" kB").parse().ok()?;
        // Linux reports CPU time in steps of 10 ms.
        Some((Duration::from_millis(10 * ticks), format!("{:>4} MB", kib * 1024 / 1_000_000)))
    }
    // ANCHOR_END: usage

    /// Waits until the server ends.
    pub fn wait(mut self) -> io::Result<()> {
        // Held, because `wait` would close it, and the server ends when its input ends.
        let _input = self.child.stdin.take();
        self.child.wait().map(drop)
    }
}

impl Drop for ChildServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs in the other process: serves until its standard input ends, which is when our process ends.
pub fn serve(listen: &str, config: Config) -> Result<(), Box<dyn Error>> {
    let server = Server::bind(listen, config)
        .map_err(|error| format!("cannot listen at {listen}: {error}"))?;
    println!("{}", server.local_addr());
    let stopper = server.stopper();
    thread::spawn(move || {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        stopper.stop();
    });
    Ok(server.run()?)
}

/// How many files a program may have open; each connection is one. `None` on systems without /proc.
pub fn most_open_files() -> Option<usize> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}
