//! A server in a process of its own, so that what it uses can be told from what its clients use.

use std::error::Error;
use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use chalkwire::{Config, Server};

/// A running server. It ends when this is dropped, or when our own process ends.
pub struct OwnProcess {
    pub address: SocketAddr,
    child: Child,
}

impl OwnProcess {
    /// Runs this same program with `--serve`, which calls [`serve`].
    pub fn start(listen: &str) -> Result<OwnProcess, Box<dyn Error>> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--serve", "--listen", listen])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let output = child.stdout.take().ok_or("no pipe to the server")?;
        BufReader::new(output).read_line(&mut line)?;
        match line.trim().parse() {
            Ok(address) => Ok(OwnProcess { address, child }),
            Err(_) => Err("the server did not start".into()),
        }
    }

    // ANCHOR: usage
    /// CPU time since its start, and the memory it has in use. `None` where there is no /proc.
    pub fn usage(&self) -> Option<(Duration, String)> {
        let process = format!("/proc/{}", self.child.id());
        let stat = fs::read_to_string(format!("{process}/stat")).ok()?;
        // The name of the program stands in parentheses and may contain spaces.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks: u64 =
            fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
        let status = fs::read_to_string(format!("{process}/status")).ok()?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kib: u64 = resident.trim().trim_end_matches(" kB").parse().ok()?;
        // Linux counts CPU time for programs in steps of 10 ms.
        Some((Duration::from_millis(10 * ticks), format!("{:>4} MB", kib * 1024 / 1_000_000)))
    }
    // ANCHOR_END: usage

    /// Waits until it ends.
    pub fn wait(mut self) -> io::Result<()> {
        // Held: to wait would close it, and the server ends with it.
        let _input = self.child.stdin.take();
        self.child.wait().map(drop)
    }
}

impl Drop for OwnProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The other process: serves until its standard input ends, that is, until we are gone.
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

/// How many files, and so connections, a program may have open. `None` where there is no /proc.
pub fn most_open_files() -> Option<usize> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}
