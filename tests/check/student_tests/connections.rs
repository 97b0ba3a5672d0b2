//! The student's servers as a whole: how their connections begin and end, and who is served.

use std::io::{Error, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use chalkwire::protocol::Opcode::Binary;
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Bytes, Message};

use super::exchange::*;
use crate::common::student::Mistake::*;
use crate::common::student::Student;
use crate::common::student::stages::Stage;
use crate::common::*;

#[test]
fn the_correct_server_satisfies_tungstenite() {
    let student = Student::start(None);
    let socket = TcpStream::connect(student.address).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let (mut client, _) = tungstenite::client("ws://127.0.0.1/", socket).unwrap();
    for length in [0, 1, 125, 126, 127, 128, 255, 256, 65535, 65536, 65537, 1 << 20, 16 << 20] {
        for message in [Message::text("x".repeat(length)), Message::binary(vec![0xfe; length])] {
            client.send(message.clone()).unwrap();
            assert!(client.read().unwrap() == message, "{length} bytes");
        }
    }
    client.send(Message::Ping(Bytes::from_static(b"there?"))).unwrap();
    assert_eq!(client.read().unwrap(), Message::Pong(Bytes::from_static(b"there?")));
    let frame = CloseFrame { code: CloseCode::Library(4321), reason: "".into() };
    client.close(Some(frame.clone())).unwrap();
    assert_eq!(client.read().unwrap(), Message::Close(Some(frame)));
    assert!(matches!(client.read(), Err(tungstenite::Error::ConnectionClosed)));
}

/// How long a test waits before it takes silence as the answer.
const SILENCE: Duration = Duration::from_millis(300);

fn expect_silence(socket: &mut TcpStream) {
    socket.set_read_timeout(Some(SILENCE)).expect("a time");
    let kind = socket.read(&mut [0]).expect_err("silence").kind();
    assert!(matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut), "{kind}");
    socket.set_read_timeout(Some(DEADLINE)).expect("a time");
}

#[test]
fn tcp_stays_open_after_the_closing_handshake() {
    let (correct, wrong) = (Student::start(None), Student::start(Some(TcpLeftOpenAfterClose)));
    for student in [&correct, &wrong] {
        let mut raw = Raw::open(student.address, "/", "");
        raw.send_close(1000, "");
        assert_eq!(raw.close(), (1000, String::new()));
        if student.address == correct.address {
            raw.expect_end();
        } else {
            expect_silence(&mut raw.socket);
        }
    }
}

#[test]
fn frames_in_pieces() {
    let correct = Student::start(None);
    let mut raw = Raw::open(correct.address, "/", "");
    for byte in hex(HALVES) {
        raw.send_bytes(&[byte]);
    }
    assert_eq!(raw.text(), "€");

    // When the echo has come, the first byte of the next frame has come too, because both were sent together.
    for mistake in [None, Some(FramesInPiecesLost)] {
        let student = Student::start(mistake);
        let mut raw = Raw::open(student.address, "/", "");
        let (first, rest) = (&hex(HELLO)[..1], &hex(HELLO)[1..]);
        raw.send_bytes(&[&hex(HELLO), first].concat());
        assert_eq!(raw.text(), "Hello");
        if mistake.is_some() {
            raw.expect_end();
        } else {
            raw.send_bytes(rest);
            assert_eq!(raw.text(), "Hello");
        }
    }
}

#[test]
fn one_client_at_a_time() {
    let correct = Student::start(None);
    let crowd: Vec<Raw> = (0..20).map(|_| Raw::open(correct.address, "/", "")).collect();
    assert_eq!(answer_to_frames(&correct, &hex(HELLO)), hex(ECHO));
    drop(crowd);

    let student = Student::start(Some(OneClientAtATime));
    let first = Raw::open(student.address, "/", "");
    let mut second = dial(student.address);
    second.write_all(REQUEST.as_bytes()).unwrap();
    expect_silence(&mut second);
    drop(first);
    let mut second = Raw::read_head(second);
    second.send_text("Hello");
    assert_eq!(second.text(), "Hello");
}

#[test]
fn a_client_lost_inside_a_frame() {
    let lose_one = |student: &Student| {
        let mut raw = Raw::open(student.address, "/", "");
        raw.send_bytes(&hex(HELLO)[..8]);
    };
    let correct = Student::start(None);
    let mut other = Raw::open(correct.address, "/", "");
    lose_one(&correct);
    other.send_text("Hello");
    assert_eq!(other.text(), "Hello");
    assert_eq!(answer_to_frames(&correct, &hex(HELLO)), hex(ECHO));

    let student = Student::start(Some(LostClientEndsServer));
    let mut other = Raw::open(student.address, "/", "");
    lose_one(&student);
    other.expect_end();
    wait_until("the end of the server", || TcpStream::connect(student.address).is_err());
}

#[test]
fn a_server_that_never_answers() {
    assert_eq!(answer_to(&Student::start(Some(NeverAnswers)), REQUEST), "");
}

#[test]
fn half_finished_servers() {
    let ping = hex("89 80 37 fa 21 3d");
    let close = hex("88 82 37 fa 21 3d 34 12");
    let long = from_client(Binary, &[0; 65536]);
    let sent = [hex(HELLO), ping, long, hex(FRAGMENTS), close].concat();
    let long = from_server(Binary, &[0; 65536]);
    let frames = [hex(ECHO), long.clone(), hex(ECHO)].concat();
    let control_frames = [hex(ECHO), hex("8a 00"), long, hex(ECHO), hex("88 02 03 e8")].concat();
    let said = |stage| answer_to_frames(&Student::start_at(stage), &sent);
    assert_eq!(said(Stage::Handshake), b"");
    assert!(said(Stage::Frames) == frames);
    assert!(said(Stage::ControlFrames) == control_frames);
}

#[test]
fn drop_ends_everything() {
    for mistake in [None, Some(OneClientAtATime), Some(NeverAnswers)] {
        let student = Student::start(mistake);
        let address = student.address;
        let mut clients: Vec<TcpStream> = (0..4).map(|_| dial(address)).collect();
        clients[1].write_all(&REQUEST.as_bytes()[..20]).unwrap();
        clients[2].write_all(&[REQUEST.as_bytes(), &hex(HELLO)[..8]].concat()).unwrap();
        if mistake.is_none() {
            // This client sends, and reads nothing.
            clients.push(Raw::open(address, "/", "").socket);
            let sender = clients[4].try_clone().unwrap();
            sender.set_write_timeout(Some(SILENCE)).unwrap();
            let echoes = from_client(Binary, &[0; 65536]);
            while (&sender).write_all(&echoes).is_ok() {}
        }
        let threads = format!("student {}", address.port());
        let is_linux = cfg!(target_os = "linux");
        wait_until("its threads", || !is_linux || threads_named(&threads) > 0);
        drop(student);
        assert!(!is_linux || threads_named(&threads) == 0);
        for mut client in clients {
            // The connection ends, or is reset. It does not stay open.
            let end = client.read_to_end(&mut Vec::new());
            let is_end = |error: &Error| error.kind() == ErrorKind::ConnectionReset;
            assert!(end.as_ref().err().is_none_or(is_end), "{end:?}");
        }
        TcpStream::connect(address).expect_err("nothing listens");
    }
}

fn threads_named(name: &str) -> usize {
    let threads = std::fs::read_dir("/proc/self/task").expect("this process");
    let names = threads.flatten().map(|thread| std::fs::read_to_string(thread.path().join("comm")));
    names.flatten().filter(|other| other.trim_end() == name).count()
}
