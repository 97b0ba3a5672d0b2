//! The program as a shell starts it: flags, exit codes, signals.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use chalkwire::{Config, Server};

use crate::common::program::{Serving, program};
use crate::common::*;

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } =
        Command::new(program()).args(arguments).output().expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn a_port_in_use_is_reported_in_one_sentence() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, stdout, stderr) = run(&["--listen", &address]);
    assert_eq!((code, &*stdout), (Some(1), ""));
    let start = format!("chalkwire: cannot listen at {address}: ");
    assert!(stderr.starts_with(&start) && stderr.contains("in use"), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

#[test]
fn a_bad_address_is_reported_in_one_sentence() {
    for bad in ["nonsense", "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", "1.2.3.4.5:80", ""] {
        let (code, stdout, stderr) = run(&["--listen", bad]);
        assert_eq!((code, &*stdout), (Some(1), ""), "{bad}");
        assert!(stderr.starts_with(&format!("chalkwire: cannot listen at {bad}")), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
}

#[test]
fn a_bad_flag_is_named_and_the_usage_follows() {
    for (arguments, named) in [
        (&["--nope"][..], "--nope"),
        (&["--max-clients", "many"], "--max-clients"),
        (&["--max-clients", "-1"], "--max-clients"),
        (&["--max-clients"], "--max-clients"),
        (&["--mode", "shout"], "echo or broadcast"),
        (&["--ping-interval", "NaN"], "--ping-interval"),
        (&["--ping-interval", "1e300"], "--ping-interval"),
        (&["--pong-timeout", "0"], "--pong-timeout"),
        (&["--ping-interval", "1e-9"], "0.01 to 86400 seconds, or 0"),
        (&["--ping-interval", "-1"], "--ping-interval"),
        (&["--max-clients", "0"], "--max-clients must be at least 1, not 0"),
        (&["--max-clients", "1000001"], "--max-clients must be at most 1000000"),
        (&["--max-handshakes", "0"], "--max-handshakes must be at least 1"),
        (&["--max-head", "255"], "--max-head must be at least 256"),
        (&["--max-head", "1048577"], "--max-head must be at most 1048576"),
        (&["--max-message", "0"], "--max-message must be at least 125"),
        (&["--max-message", "68719476736"], "--max-message must be at most 1073741824"),
        (&["--max-fragments", "0"], "--max-fragments must be at least 1"),
        (&["--max-memory", "0"], "--max-memory must be at least 1048576"),
        (&["--max-per-address", "-1"], "--max-per-address"),
        (&["--max-rate-per-address", "0.5"], "--max-rate-per-address"),
        (&["--allow-origin", "*"], "\"*\" is not an origin: it looks like https://"),
        (&["--allow-origin", ""], "\"\" is not an origin"),
        (&["surplus"], "surplus"),
    ] {
        let (code, stdout, stderr) = run(arguments);
        assert_eq!((code, &*stdout), (Some(1), ""), "{arguments:?}");
        let first = stderr.lines().next().unwrap_or_default();
        assert!(first.starts_with("chalkwire: ") && stderr.contains(named), "{stderr}");
        assert!(stderr.contains("\nUsage: chalkwire "), "{stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
    }
}

#[test]
fn a_limit_of_zero_is_accepted_where_it_has_a_meaning() {
    let flags = ["--max-backlog", "0", "--max-per-address", "0", "--max-rate-per-address", "0"];
    let serving = Serving::with(&[&flags[..], &["--ping-interval", "0"]].concat());
    let mut client = Raw::open(serving.address, "/echo", "");
    client.send_text("hello");
    assert_eq!(client.text(), "hello");
}

#[test]
fn a_server_with_useless_settings_is_refused_to_the_library_too() {
    let config = Config { max_clients: 0, ..Config::default() };
    let error = Server::bind("127.0.0.1:0", config).err().expect("a mistake");
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    assert_eq!(error.to_string(), "--max-clients must be at least 1, not 0");
}

#[cfg(unix)]
#[test]
fn an_argument_that_is_not_utf8_is_refused_without_a_panic() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let output = Command::new(program()).arg(OsStr::from_bytes(b"--listen=\xff")).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stderr.starts_with(b"chalkwire: \"--listen=\\xFF\" is not UTF-8"));
}

#[test]
fn help_names_every_flag_with_its_default() {
    let (code, stdout, stderr) = run(&["--help"]);
    assert_eq!((code, &*stderr), (Some(0), ""));
    let words = stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    for (flag, default) in [
        ("--listen", "127.0.0.1:8080"),
        ("--mode", "echo"),
        ("--greeting", ""),
        ("--max-clients", "10000"),
        ("--max-handshakes", "1000"),
        ("--max-per-address", "default 256"),
        ("--max-rate-per-address", "default 100"),
        ("--max-head", "16384"),
        ("--max-message", "16777216"),
        ("--max-fragments", "131072"),
        ("--max-backlog", "1048576"),
        ("--handshake-timeout", "10"),
        ("--ping-interval", "20"),
        ("--pong-timeout", "20"),
        ("--close-timeout", "5"),
        ("--allow-origin", "default: all"),
        ("--version", ""),
    ] {
        let (_, after) = words.split_once(&format!(" {flag} ")).unwrap_or_else(|| panic!("{flag}"));
        let described = after.split(" --").next().unwrap_or_default();
        assert!(described.contains(default), "{flag}: {described}");
    }
    // The help gives the defaults that the program uses.
    let config = chalkwire::Config::default();
    assert_eq!(config.max_clients, 10_000);
    assert_eq!(config.max_handshakes, 1_000);
    assert_eq!(config.max_head, 16_384);
    assert_eq!(config.max_message, 16_777_216);
    assert_eq!(config.max_fragments, 131_072);
    assert_eq!(config.max_backlog, 1_048_576);
    assert_eq!(config.handshake_timeout, Duration::from_secs(10));
    assert_eq!(config.ping_interval, Some(Duration::from_secs(20)));
    assert_eq!(config.pong_timeout, Duration::from_secs(20));
    assert_eq!(config.close_timeout, Duration::from_secs(5));
}

#[test]
fn version_prints_the_name_and_the_version_of_the_package() {
    // With this address no server can start, so the program ends in any case.
    let (code, stdout, stderr) = run(&["--version", "--listen", "nonsense"]);
    assert_eq!((code, &*stderr), (Some(0), ""));
    assert_eq!(stdout, format!("chalkwire {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn flags_do_what_they_say() {
    let serving = Serving::with(&["--mode", "broadcast", "--greeting", "message"]);
    assert_eq!(serving.first_line, format!("Chalkwire listens at http://{}/\n", serving.address));
    let mut ana = Raw::open(serving.address, "/", "");
    let mut ben = Raw::open(serving.address, "/", "");
    assert_eq!((ana.text(), ben.text()), ("message".to_owned(), "message".to_owned()));
    ana.send_text("hello");
    assert_eq!((ana.text(), ben.text()), ("hello".to_owned(), "hello".to_owned()));
}

#[cfg(unix)]
#[test]
fn a_signal_closes_every_connection_and_the_program_exits_with_0() {
    let expect_close = |signal: &str| {
        let mut serving = Serving::with(&["--close-timeout", "1"]);
        let mut raw = Raw::open(serving.address, "/echo", "");
        let mut mute = Raw::open(serving.address, "/echo", "");
        // Messages are on their way in both directions when the signal arrives.
        let mut writer = raw.socket.try_clone().unwrap();
        let flood = frames([b"Hello".as_slice(); 1000].into_iter());
        let writing = std::thread::spawn(move || while writer.write_all(&flood).is_ok() {});
        for _ in 0..5000 {
            raw.text();
        }
        serving.signal(signal);
        let code = loop {
            let frame = raw.frame();
            if frame.header.opcode.is_control() {
                break u16::from_be_bytes([frame.payload[0], frame.payload[1]]);
            }
        };
        assert_eq!(code, 1001);
        raw.expect_end();
        assert_eq!(mute.close().0, 1001);
        // Neither client answers the Close; the server still ends within its close timeout.
        assert_eq!(serving.wait(), Some(0), "{signal}");
        writing.join().unwrap();
    };
    std::thread::scope(|scope| {
        for signal in ["INT", "TERM"] {
            scope.spawn(move || expect_close(signal));
        }
    });
}

#[cfg(unix)]
#[test]
fn refused_connections_do_not_delay_the_end() {
    let mut serving = Serving::with(&["--max-handshakes", "1", "--close-timeout", "1"]);
    let idle: Vec<_> = (0..70).map(|_| dial(serving.address)).collect();
    let began = Instant::now();
    serving.signal("TERM");
    assert_eq!(serving.wait(), Some(0));
    // Ten times the close timeout, because the machine may be busy. To wait for each refused connection
    // in turn would take sixteen times the close timeout.
    assert!(began.elapsed() < Duration::from_secs(10));
    drop(idle);
}

#[cfg(target_os = "linux")]
#[test]
fn without_descriptors_the_server_waits_and_goes_on() {
    let mut command = Command::new(program());
    command
        .args(["--listen", "127.0.0.1:0", "--close-timeout", "0.5"])
        .env("RUST_LOG", "warn")
        .stderr(Stdio::piped());
    let mut serving = Serving::start(command);
    // The clients below use up all 40 descriptors.
    serving.limit_descriptors(40);
    let mut inside = Vec::new();
    let mut outside = Vec::new();
    for _ in 0..60 {
        let mut socket = dial(serving.address);
        socket.write_all(handshake(serving.address, "/echo", "").as_bytes()).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let mut start = [0; 1];
        // A connection waits in the system's queue while the server has no descriptor left for it.
        match socket.peek(&mut start) {
            Ok(_) => {
                socket.set_read_timeout(Some(DEADLINE)).unwrap();
                inside.push(Raw::read_head(socket));
            }
            Err(_) => outside.push(socket),
        }
        if outside.len() == 3 {
            break;
        }
    }
    assert!(outside.len() == 3 && inside.len() > 10, "the server has accepted {}", inside.len());
    let last = inside.last_mut().expect("some are accepted");
    last.send_text("still served");
    assert_eq!(last.text(), "still served");
    // When clients leave, waiting connections are accepted.
    for mut raw in inside.drain(..5) {
        raw.send_close(1000, "");
        raw.close();
    }
    for socket in outside {
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut raw = Raw::read_head(socket);
        raw.send_text("now me");
        assert_eq!(raw.text(), "now me");
        inside.push(raw);
    }
    // A signal stops the server even when it has no descriptor left.
    let _full: Vec<_> = (0..5).map(|_| dial(serving.address)).collect();
    serving.signal("TERM");
    assert_eq!(serving.wait(), Some(0));
    let mut log = String::new();
    serving.child.stderr.take().expect("a pipe").read_to_string(&mut log).unwrap();
    assert!(log.contains("cannot accept connections for now"), "{log}");
    assert!(!log.contains("panicked"), "{log}");
}
