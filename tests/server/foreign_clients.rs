//! Clients in other languages, made with other people's libraries: npm's ws and PyPI's websockets.
//! `tests/foreign/install` installs them.

use std::path::Path;
use std::process::Command;

use chalkwire::Config;

use crate::common::*;

/// Runs a client script against our server, if its library is installed.
fn run(interpreter: &str, script: &str, needs: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let installed = root.join("target/foreign");
    if !installed.join(needs).exists() {
        skip(&format!("{script} is not tried: tests/foreign/install has not been run"));
        return;
    }
    let server = serve(Config::default());
    let output = Command::new(if interpreter.contains('/') {
        installed.join(interpreter)
    } else {
        interpreter.into()
    })
    .arg(root.join("tests/foreign").join(script))
    .arg(server.address.to_string())
    .env("NODE_PATH", installed.join("node_modules"))
    .output()
    .expect("the interpreter starts");
    assert!(
        output.status.success(),
        "{script}:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn npm_ws() {
    run("node", "client.cjs", "node_modules/ws/package.json");
}

#[test]
fn pypi_websockets() {
    run("python/bin/python", "client.py", "python/bin/python");
}
