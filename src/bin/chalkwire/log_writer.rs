//! The log: any thread may write a line and never waits for it, because one thread of its own writes the lines
//! to stderr.
//!
//! A terminal that was stopped with Ctrl-S, or a pipe that nobody reads, takes no more bytes. If the server's
//! threads wrote to it themselves, each would stop at its next line. So a line that finds no room is left out, and
//! the log says later how many are missing.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, Write};
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use chalkwire::text::count;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use env_logger::{Builder, Env, Target, WriteStyle};

/// Lines that may wait for stderr. A server under load writes a few thousand in a second.
const LINES_WAITING: usize = 4096;

/// Bytes of all lines that may wait for stderr.
const BYTES_WAITING: usize = 1024 * 1024;

/// Bytes of one line. A longer one is cut, because a peer can make a line as long as its request head.
const LINE_BYTES: usize = 2 * 1024;

/// Lines that go to the log in one second. Nobody can read more, and a flood of requests must not fill a disk.
const LINES_A_SECOND: u32 = 1000;

/// How often the log says how many lines are missing, when no other line does.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// How long the end of the program waits until stderr has taken the last lines.
const END_PATIENCE: Duration = Duration::from_millis(250);

/// The log, before its thread runs. Lines wait until then.
pub struct Log {
    lines: Sender<Message>,
    to_write: Receiver<Message>,
    shared: Arc<Shared>,
}

/// The log while its thread runs. When this is dropped, the last lines have [`END_PATIENCE`] to leave.
pub struct RunningLog {
    lines: Sender<Message>,
    ended: Receiver<()>,
}

/// A message to the thread that writes.
enum Message {
    Line(Vec<u8>),
    End,
}

/// What the threads that log share with the thread that writes.
#[derive(Default)]
struct Shared {
    bytes_waiting: AtomicUsize,
    /// Lines that found no room, because stderr was not read fast enough.
    not_taken: AtomicU64,
    /// Lines beyond [`LINES_A_SECOND`].
    too_many: AtomicU64,
}

impl Log {
    /// Installs the logger, with `level` as the default of `RUST_LOG`, and a panic hook that uses it.
    pub fn install(level: &str) -> Log {
        let (log, lines_in) = Log::new();
        Builder::from_env(Env::default().default_filter_or(level))
            .write_style(write_style())
            .target(Target::Pipe(Box::new(lines_in)))
            .init();
        panic::set_hook(Box::new(log_panic));
        log
    }

    fn new() -> (Log, LinesIn) {
        let (lines, to_write) = bounded(LINES_WAITING);
        let shared = Arc::new(Shared::default());
        let lines_in = LinesIn {
            lines: lines.clone(),
            shared: Arc::clone(&shared),
            second: Instant::now(),
            lines_this_second: 0,
        };
        (Log { lines, to_write, shared }, lines_in)
    }

    /// Starts the thread that writes to stderr.
    ///
    /// # Errors
    /// When the system has no thread for it.
    pub fn start(self) -> io::Result<RunningLog> {
        let Log { lines, to_write, shared } = self;
        let (has_ended, ended) = bounded(0);
        thread::Builder::new().name("log".to_owned()).spawn(move || {
            write_lines(&to_write, &shared, &mut io::stderr());
            drop(has_ended);
        })?;
        Ok(RunningLog { lines, ended })
    }
}

impl Drop for RunningLog {
    fn drop(&mut self) {
        let deadline = Instant::now() + END_PATIENCE;
        if self.lines.send_deadline(Message::End, deadline).is_ok() {
            let _ = self.ended.recv_deadline(deadline);
        }
    }
}

/// Whether the lines have colours. For a pipe of ours, `env_logger` cannot know that stderr is at its end.
fn write_style() -> WriteStyle {
    match std::env::var("RUST_LOG_STYLE").as_deref() {
        Ok("always") => WriteStyle::Always,
        Ok("never") => WriteStyle::Never,
        _ => anstream::AutoStream::choice(&io::stderr()).into(),
    }
}

/// Logs a panic. Rust's own hook would write to stderr itself, and wait there.
fn log_panic(panic: &panic::PanicHookInfo<'_>) {
    log::error!("thread {:?} {panic}", thread::current().name().unwrap_or_default());
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        for line in backtrace.to_string().lines() {
            log::error!("{line}");
        }
    }
}

/// The end at which `env_logger` writes each line, as one piece and under a lock.
struct LinesIn {
    lines: Sender<Message>,
    shared: Arc<Shared>,
    /// When the second began in which `lines_this_second` are counted.
    second: Instant,
    lines_this_second: u32,
}

impl LinesIn {
    /// Takes a line, or counts it as missing. Never waits.
    fn take(&mut self, line: &[u8], now: Instant) {
        if now.saturating_duration_since(self.second) >= Duration::from_secs(1) {
            self.second = now;
            self.lines_this_second = 0;
        }
        if self.lines_this_second == LINES_A_SECOND {
            self.shared.too_many.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.lines_this_second += 1;
        // The thread that writes only makes this smaller, and no other thread makes it larger.
        let has_room = self.shared.bytes_waiting.load(Ordering::Relaxed) < BYTES_WAITING;
        if !has_room || self.lines.is_full() {
            self.shared.not_taken.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let mut bytes = self.shared.missing().into_bytes();
        bytes.extend_from_slice(&cut(line));
        self.shared.bytes_waiting.fetch_add(bytes.len(), Ordering::Relaxed);
        let _ = self.lines.try_send(Message::Line(bytes));
    }
}

impl Write for LinesIn {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.take(line, Instant::now());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    /// A line for each reason why lines are missing, if any are, and counts from zero again.
    fn missing(&self) -> String {
        let mut text = String::new();
        let mut tell = |missing: &AtomicU64, why: &str| match missing.swap(0, Ordering::Relaxed) {
            0 => {}
            number => text.push_str(&format!("[{} missing: {why}]\n", count(number, "log line"))),
        };
        tell(&self.not_taken, "stderr was not read in time");
        tell(&self.too_many, &format!("the log takes {LINES_A_SECOND} a second"));
        text
    }
}

/// The line, cut to [`LINE_BYTES`] between two characters. It still ends with a line feed.
fn cut(line: &[u8]) -> Vec<u8> {
    if line.len() <= LINE_BYTES {
        return line.to_vec();
    }
    let text = String::from_utf8_lossy(line);
    format!("{}...\n", &text[..text.floor_char_boundary(LINE_BYTES)]).into_bytes()
}

/// The body of the thread that writes: passes lines on, and says how many are missing when no line does.
fn write_lines(to_write: &Receiver<Message>, shared: &Shared, out: &mut impl Write) {
    // An error in writing is ignored, because the reader may have gone.
    let mut write = |bytes: &[u8]| drop(out.write_all(bytes).and_then(|()| out.flush()));
    loop {
        match to_write.recv_timeout(TELL_EVERY) {
            Ok(Message::Line(bytes)) => {
                write(&bytes);
                shared.bytes_waiting.fetch_sub(bytes.len(), Ordering::Relaxed);
            }
            Err(RecvTimeoutError::Timeout) => write(shared.missing().as_bytes()),
            Ok(Message::End) | Err(RecvTimeoutError::Disconnected) => {
                return write(shared.missing().as_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use log::LevelFilter;

    use super::*;

    /// What the log writes when stderr is read at last.
    fn written(log: &Log) -> Vec<String> {
        let mut out = Vec::new();
        log.lines.try_send(Message::End).expect("room for the end");
        write_lines(&log.to_write, &log.shared, &mut out);
        String::from_utf8(out).expect("UTF-8").lines().map(str::to_owned).collect()
    }

    #[test]
    fn the_log_takes_a_thousand_lines_a_second_and_counts_the_others() {
        let (log, mut lines_in) = Log::new();
        let now = Instant::now();
        for _ in 0..1500 {
            lines_in.take(b"a\n", now);
        }
        lines_in.take(b"b\n", now + Duration::from_secs(1));
        let lines = written(&log);
        assert_eq!(lines.len(), 1002);
        assert!(lines[..1000].iter().all(|line| line == "a"));
        assert_eq!(lines[1000..], ["[500 log lines missing: the log takes 1000 a second]", "b"]);
    }

    #[test]
    fn lines_that_find_no_room_are_counted_and_the_next_line_says_how_many() {
        for length in [2, LINE_BYTES] {
            let (log, mut lines_in) = Log::new();
            let line = [&*vec![b'a'; length - 1], b"\n"].concat();
            let mut now = Instant::now();
            for _ in 0..5000 {
                lines_in.take(&line, now);
                now += Duration::from_millis(1);
            }
            // One line is read, so that there is room for one.
            let Ok(Message::Line(first)) = log.to_write.try_recv() else { panic!("a line") };
            log.shared.bytes_waiting.fetch_sub(first.len(), Ordering::Relaxed);
            lines_in.take(b"b\n", now);
            let Ok(Message::Line(_)) = log.to_write.try_recv() else { panic!("a line") };
            let lines = written(&log);
            let room = if length == 2 { LINES_WAITING } else { BYTES_WAITING / LINE_BYTES };
            assert_eq!(lines.len(), room);
            let missing = 5000 - room;
            let note = format!("[{missing} log lines missing: stderr was not read in time]");
            assert_eq!(lines[room - 2..], [&*note, "b"]);
        }
    }

    #[test]
    fn the_end_of_the_log_says_how_many_lines_are_missing() {
        let (log, mut lines_in) = Log::new();
        let now = Instant::now();
        for _ in 0..1001 {
            lines_in.take(b"a\n", now);
        }
        let last = written(&log).pop();
        assert_eq!(last.as_deref(), Some("[1 log line missing: the log takes 1000 a second]"));
    }

    #[test]
    fn a_long_line_is_cut_between_two_characters() {
        assert_eq!(cut(b"short\n"), b"short\n");
        let long = "ü".repeat(LINE_BYTES);
        assert_eq!(cut(format!("a{long}\n").as_bytes()), {
            let kept = (LINE_BYTES - 1) / 2;
            format!("a{}...\n", "ü".repeat(kept)).into_bytes()
        });
    }

    #[test]
    fn a_panic_becomes_a_line_of_the_log() {
        let (log, lines_in) = Log::new();
        Builder::new()
            .filter_level(LevelFilter::Error)
            .target(Target::Pipe(Box::new(lines_in)))
            .init();
        panic::set_hook(Box::new(log_panic));
        let thread = thread::Builder::new().name("conn 7".to_owned());
        let panicked = thread.spawn(|| panic!("on purpose")).expect("a thread").join();
        let _ = panic::take_hook();
        assert!(panicked.is_err());
        let text = written(&log).join("\n");
        assert!(text.contains("thread \"conn 7\" panicked at src"), "{text}");
        assert!(text.contains("on purpose"), "{text}");
    }
}
