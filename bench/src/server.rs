//! A server under test: a process that the bench starts, observes through `/proc`, and kills.

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

/// How long a server may take until it answers its first handshake.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// When a server has used no CPU time for this long, it has finished its work.
const QUIET: Duration = Duration::from_millis(200);
/// How long the bench waits at most until a server is quiet. Some servers never are.
const QUIET_TIMEOUT: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// Bytes of the stack that each thread has in the kernel, on x86-64 and arm64. `VmRSS` does not
/// count them.
const KERNEL_STACK: u64 = 16 << 10;

/// How to start a server. The port takes the place of `{port}` in the arguments.
pub struct Recipe {
    /// The name of the server for `--peers` and in the tables.
    pub name: String,
    /// The program itself and not a script that starts it, because its process is measured.
    pub program: PathBuf,
    /// The arguments of the program.
    pub args: Vec<OsString>,
    /// Variables of its environment.
    pub env: Vec<(&'static str, OsString)>,
    /// The file for its output.
    pub log: PathBuf,
}

/// A running server. It is killed when this is dropped.
pub struct Server {
    child: Child,
    /// The address at which the server listens.
    pub address: SocketAddr,
}

/// The memory of a process.
#[derive(Clone, Copy)]
pub struct Memory {
    /// Resident user memory, in bytes: `VmRSS` of `/proc/PID/status`.
    pub user: u64,
    /// How many threads the process has.
    pub threads: u64,
}

impl Memory {
    /// User memory and the kernel's stacks of the threads, in bytes.
    pub fn with_kernel_stacks(self) -> u64 {
        self.user + KERNEL_STACK * self.threads
    }
}

impl Server {
    /// Starts a server, and waits until it has answered a handshake.
    ///
    /// # Errors
    /// When the program cannot be started, ends, or does not answer in time.
    pub fn start(recipe: &Recipe) -> Result<Server> {
        // The port is free now. If another program takes it before the server does, the server
        // fails to start.
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
                return Err(format!("the server ended with {status}: {}", output.trim()).into());
            }
            if Instant::now() > deadline {
                return Err(format!("the server does not become ready: {error}").into());
            }
            thread::sleep(LOOK_AGAIN);
        }
        server.wait_until_quiet()?;
        Ok(server)
    }

    /// CPU time that the server has used so far, in user mode and in the kernel, all threads
    /// together.
    ///
    /// # Errors
    /// When the server has ended.
    pub fn cpu_time(&self) -> Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let ticks = ticks_of(&stat).ok_or("/proc/PID/stat does not have the expected fields")?;
        let per_second = rustix::param::clock_ticks_per_second();
        Ok(Duration::from_secs_f64(ticks as f64 / per_second as f64))
    }

    /// The memory that the server uses now.
    ///
    /// # Errors
    /// When the server has ended.
    pub fn memory(&self) -> Result<Memory> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let number = |name: &str| -> Option<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse().ok()
        };
        let (user, threads) = number("VmRSS:")
            .zip(number("Threads:"))
            .ok_or("/proc/PID/status does not have the expected lines")?;
        Ok(Memory { user: user << 10, threads })
    }

    /// Waits until the server has finished its work: it has noted all clients that have come or
    /// gone.
    ///
    /// # Errors
    /// When the server has ended.
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
        // An error means that the server has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The sum of utime and stime of `/proc/PID/stat`. The name of the program, which comes before
/// them, may have blanks and parentheses.
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
    fn cpu_time_is_found_after_any_program_name() {
        let stat = "77 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 300 45 0 0 20 0 3 0 12345";
        assert_eq!(ticks_of(stat), Some(345));
        assert_eq!(ticks_of("77 (a) S 1"), None);
    }
}
