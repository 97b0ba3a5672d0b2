//! The flags of `chalkwire check`, its exit code, and its JSON.

use std::net::TcpListener;

use serde_json::Value;

use crate::common::student::{Mistake, Student};
use crate::{check, url};

#[test]
fn one_step_or_one_group_can_be_run() {
    let server = Student::start(Some(Mistake::PongWithoutPayload));
    let url = url(server.address);
    let (code, stdout, _) = check(&[&url, "--only", "5.3"]);
    assert_eq!(code, Some(0), "{stdout}");
    assert!(stdout.contains("1 step: 1 pass."), "{stdout}");
    let (code, stdout, _) = check(&[&url, "--only", "5.2"]);
    assert_eq!(code, Some(1), "{stdout}");
    assert!(stdout.contains("First to fix: 5.2"), "{stdout}");
    let (code, stdout, _) = check(&[&url, "--only", "3"]);
    assert_eq!(code, Some(0), "{stdout}");
    assert!(stdout.contains("10 steps: 10 pass."), "{stdout}");
}

#[test]
fn strict_treats_warnings_as_failures() {
    let server = Student::start(Some(Mistake::CloseAnsweredEmpty));
    let url = url(server.address);
    let (code, stdout, _) = check(&[&url, "--only", "8"]);
    assert!(code == Some(0) && !stdout.contains("First to fix"), "{stdout}");
    let (code, stdout, _) = check(&[&url, "--only", "8", "--strict"]);
    assert!(code == Some(1) && stdout.contains("First to fix: 8.2"), "{stdout}");
}

#[test]
fn the_report_is_available_as_json() {
    let server = Student::start(Some(Mistake::PingEchoedAsPing));
    let url = url(server.address);
    let (code, stdout, stderr) = check(&[&url, "--json", "--only", "5"]);
    assert_eq!((code, &*stderr), (Some(1), ""));
    let json: Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!(json["url"], *url);
    let steps = json["steps"].as_array().expect("steps");
    assert_eq!(steps.len(), 9);
    assert_eq!(steps[0]["id"], "5.1");
    assert_eq!(steps[0]["verdict"], "pass");
    let failed = &steps[1];
    assert_eq!(failed["verdict"], "fail");
    assert_eq!(failed["rfc"], "5.5.3");
    assert_eq!(failed["title"], "the answer is a Pong with the Ping's payload");
    let requirement = failed["requirement"].as_str().expect("a requirement");
    assert!(requirement.contains("must have identical \"Application data\""), "{requirement}");
    assert_eq!(failed["sent"], "89 85 37 fa 21 3d 7f 9f 4d 51 58  PING \"Hello\", masked");
    assert_eq!(failed["received"], "89 05 48 65 6c 6c 6f  PING \"Hello\"");
    assert_eq!(failed["expected"], "8a 05 48 65 6c 6c 6f  PONG \"Hello\"");
    assert!(failed["why"].as_str().expect("why").starts_with("You answered the Ping with a Ping."));
    let summary = &json["summary"];
    assert_eq!(summary["first_to_fix"], "5.2");
    let count = |name: &str| summary[name].as_u64().expect("a number");
    assert_eq!(count("pass") + count("fail") + count("warn") + count("skip"), 9);
    assert_eq!(count("fail"), 5);
}

#[test]
fn a_server_that_cannot_be_tested_is_explained() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let nobody = listener.local_addr().expect("an address");
    drop(listener);
    for (arguments, why) in [
        (vec![], "which server?"),
        (vec!["wss://127.0.0.1:1/".to_owned()], "TLS"),
        (vec!["http://127.0.0.1:1/".to_owned()], "begins with http"),
        (vec!["nonsense".to_owned()], "ws://"),
        (vec![url(nobody)], "nothing answers at"),
        (vec![url(nobody), "--only".to_owned(), "77".to_owned()], "no step \"77\""),
        (vec![url(nobody), "--timeout".to_owned(), "0".to_owned()], "0.1 to 60"),
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (code, stdout, stderr) = check(&arguments);
        assert_eq!((code, &*stdout), (Some(2), ""), "{arguments:?}: {stderr}");
        assert!(stderr.contains(why) && stderr.lines().count() == 1, "{arguments:?}: {stderr}");
    }
}

#[test]
fn the_steps_can_be_listed() {
    let (code, stdout, _) = check(&["--list"]);
    assert_eq!(code, Some(0));
    let steps = stdout.lines().filter(|line| line.starts_with("  ")).count();
    let groups = stdout.lines().filter(|line| !line.starts_with(' ')).count();
    assert_eq!((steps, groups), (108, 9), "{stdout}");
    assert!(stdout.lines().all(|line| line.len() <= 80), "{stdout}");
    let (_, stdout, _) = check(&["--list", "--only", "3.4,5.1"]);
    let lines: Vec<&str> = stdout
        .lines()
        .map(|line| line.trim_start().split(' ').next())
        .map(Option::unwrap_or_default)
        .collect();
    assert_eq!(lines, ["3", "3.4", "5", "5.1"], "{stdout}");
}
