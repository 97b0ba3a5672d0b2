//! `chalkwire check`, run against correct servers, broken ones, unfinished ones, and those that other people
//! use.

mod broken_servers;
mod browser;
mod command_line;
#[path = "../common/mod.rs"]
mod common;
mod foreign_servers;
#[path = "../common/page.rs"]
mod page;
mod right_servers;
mod strange_servers;
mod student_tests;

use std::net::SocketAddr;
use std::process::Command;

/// Runs the check. Returns its exit code, and what it wrote to stdout and stderr.
fn check(arguments: &[&str]) -> (Option<i32>, String, String) {
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
