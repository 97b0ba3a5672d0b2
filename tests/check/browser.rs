//! The check quotes Chrome's messages. Here a real Chromium must write the same messages.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use chalkwire::protocol::AcceptKey;

use crate::common::program::Serving;
use crate::common::student::{Mistake, Student};
use crate::page::{Browser, Page, browser};
use crate::{check, url};

/// The report on one step, in one line.
fn report(address: SocketAddr, step: &str) -> String {
    let (_, stdout, _) = check(&[&url(address), "--only", step]);
    stdout.split_whitespace().collect::<Vec<&str>>().join(" ")
}

/// A server that answers the handshake correctly. It sends `bytes` whenever the client has sent something.
fn sends(bytes: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        // Each connection ends when its client has gone. The acceptor ends with the test program.
        for socket in listener.incoming() {
            let Ok(mut socket) = socket else { return };
            std::thread::spawn(move || {
                let (mut request, mut more) = (Vec::new(), [0; 1024]);
                while !request.ends_with(b"\r\n\r\n") {
                    let Ok(length @ 1..) = socket.read(&mut more) else { return };
                    request.extend_from_slice(&more[..length]);
                }
                let text = String::from_utf8_lossy(&request).into_owned();
                let key = text.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
                let accept = AcceptKey::of(key.unwrap_or_default()).accept;
                let response = format!(
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                     Connection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
                );
                let mut sent = socket.write_all(response.as_bytes());
                while let (Ok(()), Ok(1..)) = (&sent, socket.read(&mut more)) {
                    sent = socket.write_all(bytes);
                }
            });
        }
    });
    address
}

/// What Chromium writes to its console when a page connects and sends a message.
fn console(browser: &Arc<Browser>, here: &Serving, address: SocketAddr) -> String {
    // The page comes from this computer too, because Chromium does not let pages from elsewhere connect to it.
    let page = Page::open(browser, &format!("http://{}/lab/base.css", here.address));
    page.console_line_after(&format!(
        "window.socket = new WebSocket('ws://{address}/'); socket.onopen = () => socket.send('Hello'); 0"
    ))
}

#[test]
fn the_check_quotes_chrome_correctly() {
    let Some(browser) = browser() else { return };
    let here = Serving::with(&[]);
    let mut servers = Vec::new();
    let mut cases = Vec::new();
    for (mistake, step) in [
        (Mistake::StatusIs200, "1.1"),
        (Mistake::UpgradeMissingInAnswer, "1.4"),
        (Mistake::ConnectionMissingInAnswer, "1.5"),
        (Mistake::AcceptIsHex, "1.6"),
        (Mistake::AcceptMissing, "1.6"),
        (Mistake::FramesMasked, "2.2"),
    ] {
        let server = Student::start(Some(mistake));
        cases.push((server.address, step, format!("{mistake:?}")));
        servers.push(server);
    }
    cases.push((sends(b"\xc1\x05Hello"), "2.10", "RSV1 is set".to_owned()));
    std::thread::scope(|scope| {
        for (address, step, what) in cases {
            let (browser, here) = (&browser, &here);
            scope.spawn(move || {
                let report = report(address, step);
                let says = report
                    .split_once("Chrome says \"")
                    .and_then(|(_, rest)| rest.split_once("\" rule"));
                let Some((says, _)) = says else {
                    panic!("{what}: the report does not quote Chrome: {report}")
                };
                let console = console(browser, here, address);
                let console = console.split_whitespace().collect::<Vec<&str>>().join(" ");
                assert!(
                    console.ends_with(says),
                    "{what}: Chromium says {console:?}, the check says {says:?}"
                );
            });
        }
    });
    // This server does not check UTF-8.
    let console = console(&browser, &here, sends(b"\x81\x01\xff"));
    assert!(console.ends_with("Could not decode a text frame as UTF-8."), "{console}");
}
