//! A server under test: a process that is started, looked at through /proc, and killed.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use chalkwire_bench::Result;

use crate::load::connect;

const START_TIMEOUT: Duration = Duration::from_secs(20);
/// A server that has used no CPU time for this long has done what it was asked to do.
const QUIET: Duration = Duration::from_millis(200);
/// One that is never quiet is not waited for any longer.
const QUIET_TIMEOUT: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// What the kernel sets aside for each thread, on x86-64 and arm64. VmRSS does not have it.
const KERNEL_STACK: u64 = 16 << 10;

/// How to start a server. The port comes where `{port}` is in the arguments.
pub struct Recipe {
    /// How `--peers` and the tables name it.
    pub name: String,
    /// The program itself, not something that starts it: its process is measured.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// What is set in its environment.
    pub env: Vec<(&'static str, OsString)>,
    /// Where its output goes.
    pub log: PathBuf,
}

/// A running server. It is killed when this is dropped.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

/// What a process occupies.
#[derive(Clone, Copy)]
pub struct Memory {
    /// VmRSS, in bytes.
    pub rss: u64,
    /// How many threads it has.
    pub threads: u64,
}

impl Memory {
    /// With what the kernel has set aside for the threads, in bytes.
    pub fn with_kernel_stacks(self) -> u64 {
        self.rss + KERNEL_STACK * self.threads
    }
}

impl Server {
    /// Starts it, and waits until it has answered a handshake.
    pub fn start(recipe: &Recipe) -> Result<Server> {
        // Free now; somebody may take it before the server does, who then fails to start.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let mut log = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&recipe.log)
            .map_err(|error| format!("{}: {error}", recipe.log.display()))?;
        let port = address.port().to_string();
        let args = recipe.args.iter().map(|arg| match arg.to_str() {
            Some(text) => text.replace("{port}", &port).into(),
            None => arg.clone(),
        });
        let child = Command::new(&recipe.program)
            .args(args)
            .envs(recipe.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log.try_clone()?)
            .spawn()
            .map_err(|error| format!("{}: {error}", recipe.program.display()))?;
        let mut server = Server { child, address };

        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            let Err(error) = connect(address, "/echo", 16) else { break };
            if let Some(status) = server.child.try_wait()? {
                let mut output = String::new();
                log.seek(SeekFrom::Start(0))?;
                log.read_to_string(&mut output)?;
                return Err(format!("it ended with {status}: {}", output.trim()).into());
            }
            if Instant::now() > deadline {
                return Err(format!("it does not get ready: {error}").into());
            }
            thread::sleep(LOOK_AGAIN);
        }
        server.wait_until_quiet()?;
        Ok(server)
    }

    /// CPU time it has used so far, in user mode and in the kernel, all threads together.
    pub fn cpu_time(&self) -> Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let ticks = ticks_of(&stat).ok_or("/proc/PID/stat is not as expected")?;
        let per_second = rustix::param::clock_ticks_per_second();
        Ok(Duration::from_secs_f64(ticks as f64 / per_second as f64))
    }

    /// What it occupies now.
    pub fn memory(&self) -> Result<Memory> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let number = |name: &str| -> Option<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse().ok()
        };
        let (rss, threads) = number("VmRSS:")
            .zip(number("Threads:"))
            .ok_or("/proc/PID/status is not as expected")?;
        Ok(Memory { rss: rss << 10, threads })
    }

    /// Waits until it has no more to do: all clients are in its lists, or are gone from them.
    pub fn wait_until_quiet(&self) -> Result<()> {
        let deadline = Instant::now() + QUIET_TIMEOUT;
        let mut before = self.cpu_time()?;
        let mut since = Instant::now();
        while since.elapsed() < QUIET && Instant::now() < deadline {
            thread::sleep(LOOK_AGAIN);
            let now = self.cpu_time()?;
            if now != before {
                (before, since) = (now, Instant::now());
            }
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// utime and stime of /proc/PID/stat. The name before them may have blanks and parentheses.
fn ticks_of(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let utime: u64 = fields.next()?.parse().ok()?;
    let stime: u64 = fields.next()?.parse().ok()?;
    Some(utime + stime)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_found_behind_any_name() {
        let stat = "77 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 300 45 0 0 20 0 3 0 12345";
        assert_eq!(ticks_of(stat), Some(345));
        assert_eq!(ticks_of("77 (a) S 1"), None);
    }
}
