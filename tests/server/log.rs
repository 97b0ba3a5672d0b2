//! The log and the terminal: output that nobody reads holds nobody up.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc;

use crate::common::program::{Serving, program};
use crate::common::*;

/// Refused requests, each with a line of about 1,700 bytes in the log: together more than a pipe takes (64 KiB on
/// Linux) and more than waits for it (1 MiB).
const REFUSED: usize = 900;

/// A server whose log goes to a pipe.
fn serve_with_log_in_a_pipe() -> Serving {
    let mut command = Command::new(program());
    command
        .args(["--listen", "127.0.0.1:0", "--close-timeout", "1"])
        .env("RUST_LOG", "info")
        .env_remove("RUST_LOG_STYLE")
        .stderr(Stdio::piped());
    Serving::start(command)
}

fn send_refused_requests(serving: &Serving) {
    // The log escapes these characters, so that each takes eight bytes.
    let path = "\u{e000}".repeat(200);
    for _ in 0..REFUSED {
        let mut socket = dial(serving.address);
        let request = format!("GET /{path} HTTP/1.1\r\nHost: a\r\n\r\n");
        socket.write_all(request.as_bytes()).expect("the request leaves");
        assert!(read_to_end(&mut socket).starts_with("HTTP/1.1 404 "));
    }
}

#[cfg(unix)]
#[test]
fn a_log_that_nobody_reads_holds_nobody_up() {
    let mut serving = serve_with_log_in_a_pipe();
    send_refused_requests(&serving);
    for _ in 0..10 {
        let mut newcomer = Raw::open(serving.address, "/echo", "");
        newcomer.send_text("hello");
        assert_eq!(newcomer.text(), "hello");
    }
    serving.signal("TERM");
    assert_eq!(serving.wait(), Some(0));
}

#[test]
fn the_log_says_how_many_lines_were_lost_while_nobody_read_it() {
    let mut serving = serve_with_log_in_a_pipe();
    send_refused_requests(&serving);
    // Now somebody reads the log. Each request either has its line, or is counted as missing.
    let stderr = BufReader::new(serving.child.stderr.take().expect("a pipe"));
    let (sender, lines) = mpsc::channel();
    let reading = std::thread::spawn(move || {
        for line in stderr.lines() {
            if sender.send(line.expect("UTF-8")).is_err() {
                return;
            }
        }
    });
    let (mut shown, mut missing) = (0, 0);
    while shown + missing < REFUSED {
        let line = lines.recv_timeout(DEADLINE).expect("a line");
        match line.strip_prefix('[').and_then(|rest| rest.split_once(" log lines missing: ")) {
            Some((count, _)) => missing += count.parse::<usize>().expect("a number"),
            None => {
                assert!(line.contains("-> 404 Not Found"), "{line}");
                shown += 1;
            }
        }
    }
    assert_eq!(shown + missing, REFUSED);
    assert!(missing > 0, "the pipe took all lines");
    drop(serving);
    reading.join().unwrap();
}

/// A pipe that takes no more bytes.
#[cfg(target_os = "linux")]
fn full_pipe() -> (std::io::PipeReader, std::io::PipeWriter) {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    rustix::io::ioctl_fionbio(&writer, true).expect("a pipe that does not wait");
    for chunk in [4096, 1] {
        while writer.write(&vec![b'x'; chunk]).is_ok() {}
    }
    rustix::io::ioctl_fionbio(&writer, false).expect("a pipe that waits");
    (reader, writer)
}

#[cfg(target_os = "linux")]
#[test]
fn a_stdout_that_nobody_reads_holds_nobody_up() {
    // No other test uses this address, so the port stays free. The test cannot read which port the server picks.
    let free = std::net::TcpListener::bind("127.44.55.66:0").unwrap().local_addr().unwrap();
    let (_reader, stdout) = full_pipe();
    let child = Command::new(program())
        .args(["--listen", &free.to_string(), "--close-timeout", "1", "--wire", "full"])
        .env("RUST_LOG", "off")
        .stdout(stdout)
        .spawn()
        .expect("the program starts");
    let mut serving = Serving { child, address: free, first_line: String::new() };
    wait_until("the server listens", || std::net::TcpStream::connect(free).is_ok());
    let mut client = Raw::open(free, "/echo", "");
    client.send_text("hello");
    assert_eq!(client.text(), "hello");
    serving.signal("TERM");
    assert_eq!(client.close().0, 1001);
    assert_eq!(serving.wait(), Some(0));
}
