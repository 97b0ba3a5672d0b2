//! What `chalkwire check` says that Chrome says, a real Chromium says.

mod common;
#[path = "common/page.rs"]
mod page;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::sync::Arc;

use chalkwire::protocol::AcceptKey;
use common::program::Serving;
use common::student::{Mistake, Student};
use page::{Browser, Page, browser};

/// What is said of a server, in one line.
fn report(address: SocketAddr, step: &str) -> String {
    let url = format!("ws://{address}/");
    let output = Command::new(env!("CARGO_BIN_EXE_chalkwire"))
        .args(["check", &url, "--only", step])
        .output()
        .expect("the program runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.split_whitespace().collect::<Vec<&str>>().join(" ")
}

/// A server that shakes hands well, and then sends these bytes to whoever has connected, and again for
/// what it hears.
fn sends(bytes: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        // Each until its client is gone; all until the test program ends.
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
                let answer = format!(
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                     Connection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
                );
                let mut sent = socket.write_all(answer.as_bytes());
                while let (Ok(()), Ok(1..)) = (&sent, socket.read(&mut more)) {
                    sent = socket.write_all(bytes);
                }
            });
        }
    });
    address
}

/// What Chromium writes to its console when a page connects to a server, and sends a text.
fn console(browser: &Arc<Browser>, here: &Serving, address: SocketAddr) -> String {
    // The page is from this machine too, because Chromium does not let pages from elsewhere connect to it.
    let page = Page::open(browser, &format!("http://{}/lab/base.css", here.address));
    page.console_line_after(&format!(
        "window.socket = new WebSocket('ws://{address}/'); socket.onopen = () => socket.send('Hello'); 0"
    ))
}

#[test]
fn chrome_says_so() {
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
    for (address, step, what) in cases {
        let console = console(&browser, &here, address);
        let report = report(address, step);
        let says =
            report.split_once("Chrome says \"").and_then(|(_, rest)| rest.split_once("\" rule"));
        let Some((says, _)) = says else { panic!("{what}: nothing of Chrome in {report}") };
        let console = console.split_whitespace().collect::<Vec<&str>>().join(" ");
        assert!(console.ends_with(says), "{what}: Chromium says {console:?}, check {says:?}");
    }
    // What comes back from a server that looks at no text.
    let console = console(&browser, &here, sends(b"\x81\x01\xff"));
    assert!(console.ends_with("Could not decode a text frame as UTF-8."), "{console}");
}
