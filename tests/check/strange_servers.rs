//! Any program may listen on the port. The check explains what it found there, and always ends.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use crate::{check, url};

/// A server that sends `answer` to each request.
fn answers_with(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        // Until the test program ends.
        for socket in listener.incoming() {
            let Ok(mut socket) = socket else { return };
            let mut request = [0; 1024];
            let _ = socket.read(&mut request).and_then(|_| socket.write(answer));
        }
    });
    address
}

#[test]
fn tls_is_recognized() {
    // An alert: handshake failure.
    let address = answers_with(b"\x15\x03\x03\x00\x02\x02\x28");
    let (code, _, stderr) = check(&[&url(address)]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("TLS"), "{stderr}");
}

#[test]
fn a_server_of_another_kind_fails_in_the_first_step() {
    for (answer, why) in [
        (&b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nHi"[..], "ordinary request"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "nothing at this path"),
        (b"220 mail.example ESMTP\r\n", "not an HTTP response"),
        (b"", "without a response"),
    ] {
        let (code, stdout, _) = check(&[&url(answers_with(answer))]);
        assert_eq!(code, Some(1), "{stdout}");
        assert!(stdout.contains(why), "{why}: {stdout}");
        assert!(stdout.contains("First to fix: 1.1"), "{stdout}");
        assert!(stdout.contains("1.2 to 1.25  needs step 1.1 to pass first"), "{stdout}");
    }
}

#[test]
fn a_server_cannot_send_control_codes_to_the_terminal() {
    let address = answers_with(b"HTTP/1.1 400 \x1b[2J\x07bad\r\n\r\n");
    let (_, stdout, _) = check(&[&url(address)]);
    assert!(stdout.contains("bad") && !stdout.contains(['\x1b', '\x07']), "{stdout:?}");
}

/// A server that answers 101 and nothing else, and ends when a client leaves without sending anything.
fn easily_hurt() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
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

/// One step tests what a server does when a client leaves without sending anything. No other step may do
/// that to a server.
#[test]
fn the_check_does_not_hurt_a_server_between_the_steps() {
    let (code, stdout, _) = check(&[&url(easily_hurt()), "--only", "1"]);
    assert_eq!(code, Some(1), "{stdout}");
    assert!(stdout.contains("FAIL  1.6") && stdout.contains("FAIL  1.15"), "{stdout}");
    assert!(!stdout.contains("gone"), "{stdout}");
}

/// A server that answers the handshake, and then sends Pings for ever and nothing else.
fn pings_for_ever() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        // Each connection ends when its client has gone. The acceptor ends with the test program.
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

#[test]
fn a_step_ends_even_if_the_server_never_stops_sending() {
    let url = url(pings_for_ever());
    let (code, stdout, _) = check(&[&url, "--timeout", "0.1", "--only", "2"]);
    assert_eq!(code, Some(1), "{stdout}");
    assert!(stdout.contains("FAIL  2.1") && stdout.contains("2.2 to 2.10"), "{stdout}");
    let (code, stdout, _) = check(&[&url, "--timeout", "0.1", "--only", "8"]);
    assert_eq!(code, Some(1), "{stdout}");
    assert!(stdout.contains("FAIL  8.1"), "{stdout}");
}
