//! The servers that `chalkwire check` is tested against: the correct one is correct, and each wrong
//! one is wrong where it says so.

mod common;

use std::net::TcpStream;

use common::student::Student;
use common::*;
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Bytes, Message};

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
