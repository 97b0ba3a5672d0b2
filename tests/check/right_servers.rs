//! Servers without a mistake: the correct student's server, our own, those that other people use, and a server
//! with habits that RFC 6455 allows.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};

use chalkwire::protocol::{Frame, Opcode};

use crate::common::foreign::{ForeignServer, Library};
use crate::common::program::Serving;
use crate::common::student::Student;
use crate::{check, url};

#[test]
fn the_correct_student_server_passes_every_step() {
    let server = Student::start(None);
    let (code, stdout, stderr) = check(&[&url(server.address), "--strict"]);
    assert_eq!((code, &*stderr), (Some(0), ""), "{stdout}");
    assert!(stdout.contains("108 steps: 108 pass."), "{stdout}");
}

#[test]
fn our_own_server_passes_every_step() {
    std::thread::scope(|scope| {
        for flags in [&[][..], &["--greeting", "Welcome"]] {
            scope.spawn(move || {
                let server = Serving::with(flags);
                let (code, stdout, _) = check(&[&url(server.address), "--strict"]);
                assert_eq!(code, Some(0), "{stdout}");
                assert!(stdout.contains("108 steps: 108 pass."), "{stdout}");
            });
        }
    });
}

#[test]
fn servers_that_other_people_use_get_warnings_at_most() {
    std::thread::scope(|scope| {
        for library in Library::ALL {
            scope.spawn(move || {
                let Some(server) = ForeignServer::start(*library) else { return };
                let (code, stdout, _) = check(&[&url(server.address)]);
                assert_eq!(code, Some(0), "{library:?}: {stdout}");
                assert!(!stdout.contains("SKIP"), "{library:?}: {stdout}");
                assert!(stdout.contains("WARN"), "{library:?} is stricter than it was: {stdout}");
            });
        }
    });
}

#[test]
fn a_server_without_an_echo_can_be_tested() {
    let server = Serving::with(&[]);
    let room = format!("ws://{}/room/blue", server.address);
    let (code, stdout, _) = check(&[&room, "--no-echo", "--strict"]);
    assert_eq!(code, Some(0), "{stdout}");
    assert!(stdout.contains("--no-echo says that there is none"), "{stdout}");
    let (code, stdout, _) = check(&[&url(server.address), "--no-echo", "--only", "2"]);
    assert_eq!(code, Some(0));
    assert!(stdout.contains("10 steps: 0 pass, 10 skipped."), "{stdout}");
}

#[test]
fn unsolicited_pings_and_fragmented_answers_are_not_mistakes() {
    let server = Student::start(None);
    let (code, stdout, stderr) = check(&[&url(with_other_habits(server.address)), "--strict"]);
    assert_eq!((code, &*stderr), (Some(0), ""), "{stdout}");
    assert!(!stdout.contains("SKIP"), "{stdout}");
}

/// A relay in front of the correct server. It does what a server may do too: it sends a Ping and a Pong before
/// each frame, and messages in fragments with a Ping between them.
fn with_other_habits(server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        // Each connection ends when one side has closed it. The acceptor ends with the test program.
        for client in listener.incoming() {
            let (Ok(client), Ok(server)) = (client, TcpStream::connect(server)) else { return };
            let (from, to) =
                (client.try_clone().expect("a copy"), server.try_clone().expect("a copy"));
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut &from, &mut &to);
                let _ = to.shutdown(Shutdown::Write);
            });
            std::thread::spawn(move || {
                let _ = relay_frames(&server, &client);
                let _ = client.shutdown(Shutdown::Both);
            });
        }
    });
    address
}

fn relay_frames(mut server: &TcpStream, mut client: &TcpStream) -> std::io::Result<()> {
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
            // The rest of a refusal is not a frame.
            return if head_has_passed { Ok(()) } else { client.write_all(&bytes) };
        }
    }
}
