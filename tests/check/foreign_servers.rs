//! The servers made with other people's libraries echo, and end when they are told to. The check is run
//! against them, so they must be correct.

use std::net::TcpStream;

use crate::common::DEADLINE;
use crate::common::foreign::{ForeignServer, Library};
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Error, Message};

fn echoes(library: Library) {
    let Some(server) = ForeignServer::start(library) else { return };
    let socket = TcpStream::connect(server.address).expect("it listens");
    socket.set_read_timeout(Some(DEADLINE)).expect("a time");
    let (mut client, _) = tungstenite::client("ws://127.0.0.1/", socket).expect("a WebSocket");
    for length in [0, 125, 126, 65535, 65536, 1 << 20] {
        for message in [Message::text("x".repeat(length)), Message::binary(vec![0xfe; length])] {
            client.send(message.clone()).expect("the server reads");
            assert!(client.read().expect("an echo") == message, "{length} bytes");
        }
    }
    let close = CloseFrame { code: CloseCode::Library(4321), reason: "".into() };
    client.close(Some(close.clone())).expect("the server reads");
    assert_eq!(client.read().expect("an answer"), Message::Close(Some(close)));
    assert!(matches!(client.read(), Err(Error::ConnectionClosed)));
    let address = server.address;
    drop(server);
    TcpStream::connect(address).expect_err("nothing listens");
}

#[test]
fn npm_ws() {
    echoes(Library::Ws);
}

#[test]
fn pypi_websockets() {
    echoes(Library::Websockets);
}

#[test]
fn go_gorilla() {
    echoes(Library::Gorilla);
}
