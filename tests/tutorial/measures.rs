//! The measurement of chapter 01 promises counts and ratios, but never times.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use crate::common::program::example;
use crate::tree::is_chosen;

/// Runs an example to its end, and returns what it prints.
fn output_of(name: &str) -> String {
    let program = example(name);
    let mut command = Command::new(&program);
    let output = command.args(["--once", "--listen", "127.0.0.1:0"]).output();
    let output = output.expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// A line of the table of chapter 01.
struct Cost {
    requests: u32,
    up: u32,
    down: u32,
}

/// Chapter 01: the same ten updates in four ways.
#[test]
fn polling_costs_more_than_pushing() {
    if !is_chosen(Path::new("examples/01_polling_and_push/main.rs")) {
        return;
    }
    let output = output_of("01_polling_and_push");
    let costs: HashMap<&str, Cost> = output
        .lines()
        .skip_while(|line| !line.starts_with("ten updates"))
        .skip(1)
        .map(|line| {
            let mut words = line.split_whitespace();
            let way = words.next().expect("a way");
            let mut figure = || words.next().and_then(|word| word.parse().ok()).expect("a figure");
            (way, Cost { requests: figure(), up: figure(), down: figure() })
        })
        .collect();
    assert_eq!(costs.len(), 4, "{output}");
    // Each answer brings at most one update, and a push needs only one request.
    assert!(costs["polling"].requests >= 10, "{output}");
    assert_eq!(costs["long-polling"].requests, 10, "{output}");
    assert_eq!(costs["sse"].requests, 1, "{output}");
    assert_eq!(costs["websocket"].requests, 1, "{output}");
    // These hold even if every polling request finds an update.
    let sum = |way: &str| costs[way].up + costs[way].down;
    assert!(sum("polling") >= sum("long-polling"), "{output}");
    assert!(sum("long-polling") > 2 * sum("websocket"), "{output}");
    assert!(sum("long-polling") > 3 * sum("sse"), "{output}");
    // The opening handshake costs its bytes once. Then an update is 9 letters of text in 11 bytes.
    assert!(costs["polling"].up >= 10 * costs["sse"].up, "{output}");
    let pushed = 10 * (2 + "update 1\n".len() as u32) + 1;
    let switching = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    assert_eq!(costs["websocket"].down, switching.len() as u32 + pushed, "{output}");
}
