//! `chalkwire check`, held against servers with one mistake each, half-finished ones, and those that
//! others use. What it says of each stands in `tests/check`: `UPDATE=1 cargo test --test check` writes it.

mod browser;
#[path = "../common/mod.rs"]
mod common;
mod foreign_servers;
#[path = "../common/page.rs"]
mod page;
mod student;

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use chalkwire::frame::{Frame, Opcode};
use common::foreign::{ForeignServer, Library};
use common::program::Serving;
use common::student::stages::Stage;
use common::student::{Mistake, Student};
use serde_json::Value;

/// Runs the check: its exit code, and what it says on stdout and stderr.
fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_chalkwire"))
        .arg("check")
        .args(arguments)
        .output()
        .expect("the program runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn url(address: SocketAddr) -> String {
    format!("ws://{address}/")
}

/// What is said of a server, without what is well, and with a port that does not change.
fn report(address: SocketAddr) -> String {
    let (code, stdout, stderr) = run(&[&url(address)]);
    let kept = stdout.lines().filter(|line| !line.starts_with("  PASS"));
    let mut lines: Vec<&str> = Vec::new();
    for line in kept {
        // A chapter of which nothing is left.
        if line.is_empty() && lines.last().is_some_and(|last| last.starts_with(char::is_numeric)) {
            lines.pop();
            continue;
        }
        lines.push(line);
    }
    let code = code.map_or("none".to_owned(), |code| code.to_string());
    let text = format!("{}\n{stderr}exit code {code}\n", lines.join("\n"));
    text.replace(&address.port().to_string(), "9000")
}

/// Compares with the file, or writes it.
fn compare(name: &str, found: &str) -> Result<(), String> {
    let wide =
        found.lines().find(|line| line.chars().count() > 80 && !line.starts_with("chalkwire"));
    if let Some(wide) = wide {
        return Err(format!("{name}: wider than 80 columns: {wide}"));
    }
    let path = folder().join(format!("{name}.txt"));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, found).expect("the file is written");
        return Ok(());
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    if found == expected {
        return Ok(());
    }
    let differs =
        found.lines().zip(expected.lines()).position(|(found, expected)| found != expected);
    let line = differs.map_or(found.lines().count().min(expected.lines().count()), |line| line) + 1;
    Err(format!("{}:{line}: it says now:\n{found}", path.display()))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check/reports")
}

/// Each mistake is named, and what is said of it stands in a file. Most of the time is spent waiting
/// for servers that say nothing: so several are tested at once.
#[test]
fn each_mistake_has_its_report() {
    let waiting: Mutex<VecDeque<Mistake>> = Mutex::new(Mistake::ALL.iter().copied().collect());
    let wrong: Mutex<Vec<String>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().expect("no panic").pop_front();
                    let Some(mistake) = next else { return };
                    let server = Student::start(Some(mistake));
                    let found = report(server.address);
                    if let Err(why) = compare(mistake.name(), &found) {
                        wrong.lock().expect("no panic").push(why);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("no panic");
    assert!(wrong.is_empty(), "UPDATE=1 cargo test --test check writes them\n{}", wrong.join("\n"));
}

/// At each stage of a server that is not finished, the first thing to fix is the next thing to write.
#[test]
fn half_finished_servers_are_told_what_to_write_next() {
    for stage in Stage::ALL {
        let server = Student::start_at(*stage);
        let found = report(server.address);
        let next = match stage {
            Stage::Handshake => "First to fix: 2.1, a text message comes back.",
            Stage::Frames => "First to fix: 5.1, a Ping is answered.",
            Stage::ControlFrames => "First to fix: 6.1, a frame without a mask is refused.",
        };
        assert!(found.contains(next), "{}: {found}", stage.name());
        let name = format!("stage_{}", stage.name());
        compare(&name, &found).unwrap_or_else(|why| panic!("{why}"));
    }
}

/// Of all files there is a test.
#[test]
fn no_report_is_left_over() {
    let mut expected: Vec<String> = Mistake::ALL.iter().map(|m| m.name().to_owned()).collect();
    expected.extend(Stage::ALL.iter().map(|stage| format!("stage_{}", stage.name())));
    expected.sort();
    let mut found: Vec<String> = std::fs::read_dir(folder())
        .expect("the reports")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| Some(name.strip_suffix(".txt")?.to_owned()))
        .collect();
    found.sort();
    assert_eq!(found, expected);
}

/// A mistake of a server shows in the step that is about it, whatever else it leads to.
#[test]
fn the_right_server_has_none() {
    let server = Student::start(None);
    let (code, stdout, stderr) = run(&[&url(server.address), "--strict"]);
    assert_eq!((code, &*stderr), (Some(0), ""), "{stdout}");
    assert!(!stdout.contains("FAIL") && !stdout.contains("SKIP"), "{stdout}");
}

#[test]
fn our_own_server_passes_every_step() {
    for flags in [&[][..], &["--greeting", "Welcome"]] {
        let server = Serving::with(flags);
        let (code, stdout, _) = run(&[&url(server.address), "--strict"]);
        assert_eq!(code, Some(0), "{stdout}");
        assert!(!stdout.contains("SKIP"), "{stdout}");
    }
}

#[test]
fn servers_that_others_use_have_warnings_at_most() {
    for library in [Library::Ws, Library::Websockets, Library::Gorilla] {
        let Some(server) = ForeignServer::start(library) else { continue };
        let (code, stdout, _) = run(&[&url(server.address)]);
        assert_eq!(code, Some(0), "{library:?}: {stdout}");
        assert!(!stdout.contains("SKIP"), "{library:?}: {stdout}");
        assert!(stdout.contains("WARN"), "{library:?} is stricter than it was: {stdout}");
    }
}

/// The right server, behind somebody who does what a server may do too: a Ping and a Pong before each frame,
/// and messages in fragments with a Ping between them.
fn with_other_habits(server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        // Each until one side is gone; all until the test program ends.
        for client in listener.incoming() {
            let (Ok(client), Ok(server)) = (client, TcpStream::connect(server)) else { return };
            let (from, to) =
                (client.try_clone().expect("a copy"), server.try_clone().expect("a copy"));
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut &from, &mut &to);
                let _ = to.shutdown(Shutdown::Write);
            });
            std::thread::spawn(move || {
                let _ = pass_on_frames(&server, &client);
                let _ = client.shutdown(Shutdown::Both);
            });
        }
    });
    address
}

fn pass_on_frames(mut server: &TcpStream, mut client: &TcpStream) -> std::io::Result<()> {
    let (mut bytes, mut more) = (Vec::new(), [0; 4096]);
    let mut head_has_passed = false;
    loop {
        let length = server.read(&mut more)?;
        bytes.extend_from_slice(&more[..length]);
        if let (false, Some(end)) =
            (head_has_passed, bytes.windows(4).position(|w| w == b"\r\n\r\n"))
        {
            client.write_all(&bytes.drain(..end + 4).collect::<Vec<u8>>())?;
            head_has_passed = true;
        }
        while let (true, Some((frame, length))) = (head_has_passed, Frame::decode(&bytes)) {
            bytes.drain(..length);
            let ping = Frame::new(Opcode::Ping, None, b"hb").encode();
            client.write_all(&ping)?;
            client.write_all(&Frame::new(Opcode::Pong, None, b"alive").encode())?;
            let (header, half) = (frame.header, frame.payload.len() / 2);
            if header.opcode.is_control() || half == 0 || header.payload_length > 125 {
                client.write_all(&frame.encode())?;
                continue;
            }
            let mut first = Frame::new(header.opcode, None, &frame.payload[..half]);
            first.header.fin = false;
            let rest = Frame::new(Opcode::Continuation, None, &frame.payload[half..]);
            client.write_all(&[first.encode(), ping, rest.encode()].concat())?;
        }
        if length == 0 {
            // A refusal is no frame.
            return if head_has_passed { Ok(()) } else { client.write_all(&bytes) };
        }
    }
}

#[test]
fn what_a_server_may_do_is_no_mistake() {
    let server = Student::start(None);
    let (code, stdout, stderr) = run(&[&url(with_other_habits(server.address)), "--strict"]);
    assert_eq!((code, &*stderr), (Some(0), ""), "{stdout}");
    assert!(!stdout.contains("SKIP"), "{stdout}");
}

/// A server that does not echo: everyone hears what one says.
#[test]
fn a_server_without_an_echo() {
    let server = Serving::with(&[]);
    let room = format!("ws://{}/room/blue", server.address);
    let (code, stdout, _) = run(&[&room, "--no-echo", "--strict"]);
    assert_eq!(code, Some(0), "{stdout}");
    assert!(stdout.contains("--no-echo says they do not"), "{stdout}");
    let (code, stdout, _) = run(&[&url(server.address), "--no-echo", "--only", "2"]);
    assert_eq!(code, Some(0));
    assert!(stdout.contains("10 steps: 0 pass, 10 skipped."), "{stdout}");
}

#[test]
fn one_step_or_one_chapter() {
    let server = Student::start(Some(Mistake::PongWithoutPayload));
    let url = url(server.address);
    let (code, stdout, _) = run(&[&url, "--only", "5.3"]);
    assert_eq!(code, Some(0), "{stdout}");
    assert!(stdout.contains("1 step: 1 pass."), "{stdout}");
    let (code, stdout, _) = run(&[&url, "--only", "5.2"]);
    assert_eq!(code, Some(1), "{stdout}");
    assert!(stdout.contains("First to fix: 5.2"), "{stdout}");
    let (code, stdout, _) = run(&[&url, "--only", "3"]);
    assert_eq!(code, Some(0), "{stdout}");
    assert!(stdout.contains("10 steps: 10 pass."), "{stdout}");
}

#[test]
fn a_warning_is_a_failure_if_one_wants_it() {
    let server = Student::start(Some(Mistake::CloseAnsweredEmpty));
    let url = url(server.address);
    let (code, stdout, _) = run(&[&url, "--only", "8"]);
    assert!(code == Some(0) && !stdout.contains("First to fix"), "{stdout}");
    let (code, stdout, _) = run(&[&url, "--only", "8", "--strict"]);
    assert!(code == Some(1) && stdout.contains("First to fix: 8.2"), "{stdout}");
}

#[test]
fn the_same_as_json() {
    let server = Student::start(Some(Mistake::PingEchoedAsPing));
    let url = url(server.address);
    let (code, stdout, stderr) = run(&[&url, "--json", "--only", "5"]);
    assert_eq!((code, &*stderr), (Some(1), ""));
    let json: Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!(json["url"], *url);
    let steps = json["steps"].as_array().expect("steps");
    assert_eq!(steps.len(), 9);
    assert_eq!(steps[0]["id"], "5.1");
    assert_eq!(steps[0]["verdict"], "pass");
    let failed = &steps[1];
    assert_eq!(failed["verdict"], "fail");
    assert_eq!(failed["rfc"], "5.5.3");
    assert_eq!(failed["title"], "the answer is a Pong with the Ping's payload");
    assert_eq!(failed["sent"], "89 85 37 fa 21 3d 7f 9f 4d 51 58  PING \"Hello\", masked");
    assert_eq!(failed["received"], "89 05 48 65 6c 6c 6f  PING \"Hello\"");
    assert_eq!(failed["expected"], "8a 05 48 65 6c 6c 6f  PONG \"Hello\"");
    assert!(failed["why"].as_str().expect("why").starts_with("You answered the Ping with a Ping."));
    let summary = &json["summary"];
    assert_eq!(summary["first_to_fix"], "5.2");
    let count = |name: &str| summary[name].as_u64().expect("a number");
    assert_eq!(count("pass") + count("fail") + count("warn") + count("skip"), 9);
    assert_eq!(count("fail"), 5);
}

#[test]
fn what_cannot_be_tested_is_explained() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let nobody = free.local_addr().expect("an address");
    drop(free);
    for (arguments, why) in [
        (vec![], "which server?"),
        (vec!["wss://127.0.0.1:1/".to_owned()], "TLS"),
        (vec!["http://127.0.0.1:1/".to_owned()], "begins with http"),
        (vec!["nonsense".to_owned()], "ws://"),
        (vec![url(nobody)], "nothing answers at"),
        (vec![url(nobody), "--only".to_owned(), "77".to_owned()], "no step \"77\""),
        (vec![url(nobody), "--timeout".to_owned(), "0".to_owned()], "0.1 to 60"),
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (code, stdout, stderr) = run(&arguments);
        assert_eq!((code, &*stdout), (Some(2), ""), "{arguments:?}: {stderr}");
        assert!(stderr.contains(why) && stderr.lines().count() == 1, "{arguments:?}: {stderr}");
    }
}

/// Whoever takes connections and says this.
fn listens(says: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        // Until the test program ends.
        for socket in listener.incoming() {
            let Ok(mut socket) = socket else { return };
            let mut request = [0; 1024];
            let _ = socket.read(&mut request).and_then(|_| socket.write(says));
        }
    });
    address
}

/// Whoever answers 101 and no more, and ends when somebody leaves without a word.
fn easily_hurt() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        // Until that happens, or the test program ends.
        for socket in listener.incoming() {
            let Ok(mut socket) = socket else { return };
            let mut request = [0; 1024];
            match socket.read(&mut request) {
                Ok(1..) => {
                    let _ = socket.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n");
                }
                _ => return,
            }
        }
    });
    address
}

/// The check itself leaves nobody without a word, but in the step that is about it.
#[test]
fn a_server_is_not_hurt_between_the_steps() {
    let (code, stdout, _) = run(&[&url(easily_hurt()), "--only", "1"]);
    assert_eq!(code, Some(1), "{stdout}");
    assert!(stdout.contains("FAIL  1.6") && stdout.contains("FAIL  1.15"), "{stdout}");
    assert!(!stdout.contains("gone"), "{stdout}");
}

/// Whoever shakes hands, and then sends Pings without end instead of what it is asked for.
fn pings_for_ever() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        // Each until its client is gone; all until the test program ends.
        for socket in listener.incoming() {
            let Ok(mut socket) = socket else { return };
            std::thread::spawn(move || {
                let mut request = [0; 1024];
                let answer = b"HTTP/1.1 101 Switching Protocols\r\n\r\n";
                let mut sent = socket.read(&mut request).and_then(|_| socket.write(answer));
                while sent.is_ok() {
                    std::thread::sleep(Duration::from_millis(5));
                    sent = socket.write(b"\x89\x00");
                }
            });
        }
    });
    address
}

/// A step ends, whatever the server goes on to send, and the next one runs.
#[test]
fn a_server_that_never_stops_ends_no_step_late() {
    let url = url(pings_for_ever());
    let (code, stdout, _) = run(&[&url, "--timeout", "0.1", "--only", "2"]);
    assert_eq!(code, Some(1), "{stdout}");
    assert!(stdout.contains("FAIL  2.1") && stdout.contains("2.2 to 2.10"), "{stdout}");
    let (code, stdout, _) = run(&[&url, "--timeout", "0.1", "--only", "8"]);
    assert_eq!(code, Some(1), "{stdout}");
    assert!(stdout.contains("FAIL  8.1"), "{stdout}");
}

#[test]
fn tls_is_recognised() {
    // An alert: handshake failure.
    let address = listens(b"\x15\x03\x03\x00\x02\x02\x28");
    let (code, _, stderr) = run(&[&url(address)]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("TLS"), "{stderr}");
}

#[test]
fn what_is_no_websocket_server_fails() {
    for (says, why) in [
        (&b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nHi"[..], "ordinary request"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "nothing at this path"),
        (b"220 mail.example ESMTP\r\n", "no HTTP answer"),
        (b"", "without an answer"),
    ] {
        let (code, stdout, _) = run(&[&url(listens(says))]);
        assert_eq!(code, Some(1), "{stdout}");
        assert!(stdout.contains(why), "{why}: {stdout}");
        assert!(stdout.contains("First to fix: 1.1"), "{stdout}");
        assert!(stdout.contains("1.2 to 1.25  needs 1.1 to pass first"), "{stdout}");
    }
}

/// A server cannot write to the terminal of who tests it.
#[test]
fn what_a_server_says_is_escaped() {
    let address = listens(b"HTTP/1.1 400 \x1b[2J\x07bad\r\n\r\n");
    let (_, stdout, _) = run(&[&url(address)]);
    assert!(stdout.contains("bad") && !stdout.contains(['\x1b', '\x07']), "{stdout:?}");
}

#[test]
fn the_steps_can_be_listed() {
    let (code, stdout, _) = run(&["--list"]);
    assert_eq!(code, Some(0));
    let steps = stdout.lines().filter(|line| line.starts_with("  ")).count();
    let chapters = stdout.lines().filter(|line| !line.starts_with(' ')).count();
    assert!(steps >= 60 && chapters == 9, "{stdout}");
    assert!(stdout.lines().all(|line| line.len() <= 80), "{stdout}");
    let (_, stdout, _) = run(&["--list", "--only", "3.4,5.1"]);
    let lines: Vec<&str> = stdout
        .lines()
        .map(|line| line.trim_start().split(' ').next())
        .map(Option::unwrap_or_default)
        .collect();
    assert_eq!(lines, ["3", "3.4", "5", "5.1"], "{stdout}");
}
