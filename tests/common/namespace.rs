//! A network of its own for a test, in which it can disturb the link without disturbing anybody else.

use std::process::Command;

/// Is set in a process that runs a test inside a namespace.
const INSIDE: &str = "CHALKWIRE_INSIDE_NAMESPACE";

/// Runs the test called `name` in a network namespace, which has only a loopback link. The `commands` set the
/// link up; each is a program and its arguments. Where the system allows no namespace, or one of the commands
/// fails, the test is left out.
///
/// `body` runs in another process than the caller: in this test's program, started again for this test alone.
pub fn in_namespace(name: &str, commands: &[&str], body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    let mut script = String::from("set -e; ip link set lo up");
    for command in commands {
        script.push_str("; ");
        script.push_str(command);
    }
    // As root, or as root of a user namespace.
    let ways: [&[&str]; 2] = [&["--net"], &["--net", "--map-root-user"]];
    let mut reason = String::new();
    for way in ways {
        match Command::new("unshare").args(way).args(["sh", "-c", &script]).output() {
            Ok(output) if output.status.success() => return run(way, &script, name),
            Ok(output) => reason = String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            Err(error) => reason = format!("unshare: {error}"),
        }
    }
    super::cannot_run(&format!("{name}: {reason}"));
}

fn run(way: &[&str], script: &str, name: &str) {
    let test = std::env::current_exe().expect("this program's own path");
    let status = Command::new("unshare")
        .args(way)
        .args(["sh", "-c", &format!("{script}; exec \"$@\""), "sh"])
        .arg(test)
        .args(["--exact", name, "--nocapture"])
        .env(INSIDE, "1")
        .status();
    assert!(status.expect("unshare has run before").success(), "{name} fails in the namespace");
}

/// Runs a command that changes the link.
pub fn change_link(command: &str) {
    let status = Command::new("sh").args(["-c", command]).status().expect("a shell");
    assert!(status.success(), "{command}");
}
