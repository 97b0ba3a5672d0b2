//! The student's servers in the opening handshake.

use super::exchange::{ANSWER, REQUEST, answer_to};
use crate::common::student::Mistake::{self, *};
use crate::common::student::Student;

/// Mistakes in the response to a correct request. The second column is an extra header line of the request.
pub fn wrong_responses() -> Vec<(Mistake, &'static str, String)> {
    let accept = |value: &str| ANSWER.replace("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", value);
    let with = |line: &str| ANSWER.replace("\r\n\r\n", &format!("\r\n{line}\r\n\r\n"));
    let without = |line: &str| ANSWER.replace(&format!("{line}\r\n"), "");
    let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits";
    vec![
        (
            AcceptIsBase64OfHex,
            "",
            accept("YjM3YTRmMmNjMDYyNGYxNjkwZjY0NjA2Y2YzODU5NDViMmJlYzRlYQ=="),
        ),
        (AcceptIsHex, "", accept("b37a4f2cc0624f1690f64606cf385945b2bec4ea")),
        (AcceptIsUrlSafe, "", accept("s3pPLMBiTxaQ9kYGzzhZRbK-xOo=")),
        (AcceptWithoutPadding, "", accept("s3pPLMBiTxaQ9kYGzzhZRbK+xOo")),
        (AcceptMissing, "", without("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")),
        (KeyDecodedFirst, "", accept("BXhwxM0SZasKmCD9S4BfpPmCnEw=")),
        (KeyNotTrimmed, "", accept("kex8Ji4w0ek1Mc3Dwcf4mOpf5b4=")),
        (KeyEchoed, "", accept("dGhlIHNhbXBsZSBub25jZQ==")),
        (GuidForgotten, "", accept("hHLtf2V1k8aDQZfNjw3Ia1hCwt0=")),
        (GuidInLowerCase, "", accept("WJfwerbIozKsJXHxxI0JTO1SQgU=")),
        (GuidBeforeKey, "", accept("2OZf2Seed9yzIpkj+zvC9KS9Mjw=")),
        (StatusIs200, "", ANSWER.replace("101 Switching Protocols", "200 OK")),
        (UpgradeMissingInAnswer, "", without("Upgrade: websocket")),
        (ConnectionMissingInAnswer, "", without("Connection: Upgrade")),
        (LinesEndWithLf, "", ANSWER.replace("\r\n", "\n")),
        (BlankLineMissing, "", ANSWER.replace("\r\n\r\n", "\r\n")),
        (ExtensionEchoed, offer, with(offer)),
        (SubprotocolNotOffered, "", with("Sec-WebSocket-Protocol: chat")),
    ]
}

#[test]
pub fn responses_to_a_correct_request() {
    let correct = Student::start(None);
    for (mistake, extra, wrong) in wrong_responses() {
        let request = REQUEST.replace("\r\n\r\n", &format!("\r\n{extra}\r\n\r\n"));
        let request = request.replace("\r\n\r\n\r\n", "\r\n\r\n");
        assert_eq!(answer_to(&correct, &request), ANSWER);
        assert_eq!(answer_to(&Student::start(Some(mistake)), &request), wrong, "{mistake:?}");
    }
    let other_key = REQUEST.replace("dGhlIHNhbXBsZSBub25jZQ==", "AQIDBAUGBwgJCgsMDQ4PEC==");
    assert!(answer_to(&correct, &other_key).contains("Sec-WebSocket-Accept: "));
}

/// Requests, each as a part of the usual request and its replacement. Then the status code of the correct server,
/// and of the broken one.
#[rustfmt::skip]
pub const REQUESTS: &[(Mistake, &str, &str, &str, &str)] = &[
    (HeaderNamesComparedCaseSensitively, "Sec-WebSocket-Key", "sec-websocket-key", "101", "400"),
    (UpgradeComparedCaseSensitively, "Upgrade: websocket", "Upgrade: WebSocket", "101", "426"),
    (ConnectionListRefused, "on: Upgrade", "on: keep-alive, Upgrade", "101", "400"),
    (ConnectionNotRequired, "on: Upgrade", "on: keep-alive", "400", "101"),
    (UpgradeNotRequired, "Upgrade: websocket\r\n", "", "426", "101"),
    (HostNotRequired, "Host: a\r\n", "", "400", "101"),
    (KeyNotRequired, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", "400", "101"),
    (KeyNotChecked, "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25j", "400", "101"),
    (AnyVersionAccepted, "Version: 13", "Version: 8", "426", "101"),
    (PostAccepted, "GET", "POST", "405", "101"),
    (Http10Accepted, "HTTP/1.1", "HTTP/1.0", "400", "101"),
];

#[test]
pub fn responses_to_other_requests() {
    let correct = Student::start(None);
    for &(mistake, line, instead, right, wrong) in REQUESTS {
        let request = REQUEST.replace(line, instead);
        let answer = answer_to(&correct, &request);
        assert_eq!(answer[..12], format!("HTTP/1.1 {right}"), "{mistake:?}: {answer}");
        let answer = answer_to(&Student::start(Some(mistake)), &request);
        assert_eq!(answer[..12], format!("HTTP/1.1 {wrong}"), "{mistake:?}: {answer}");
    }
    let version_8 = REQUEST.replace("Version: 13", "Version: 8");
    let names_13 = "\r\nSec-WebSocket-Version: 13\r\n";
    assert!(answer_to(&correct, &version_8).contains(names_13));
    let silent = answer_to(&Student::start(Some(VersionNotTold)), &version_8);
    assert!(silent.starts_with("HTTP/1.1 426 ") && !silent.contains(names_13));

    assert!(answer_to(&correct, &REQUEST.replace("GET", "POST")).contains("\r\nAllow: GET\r\n"));
    let two_keys =
        REQUEST.replace("Host: a", "Host: a\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==");
    let with_a_space = REQUEST.replace("Upgrade: w", "Upgrade : w");
    let in_another_order = "GET /x?y HTTP/1.1\r\nSEC-WEBSOCKET-VERSION:13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==  \r\nConnection: Upgrade\r\nX: y\r\n\
        Upgrade: h2c\r\nupgrade: WEBSOCKET\r\nhost:a\r\n\r\n";
    assert!(answer_to(&correct, &two_keys).starts_with("HTTP/1.1 400 "));
    assert!(answer_to(&correct, &with_a_space).starts_with("HTTP/1.1 400 "));
    assert!(answer_to(&correct, "PRI * HTTP/2.0\r\n\r\n").starts_with("HTTP/1.1 400 "));
    assert!(answer_to(&correct, &"x".repeat(65536)).starts_with("HTTP/1.1 431 "));
    assert_eq!(answer_to(&correct, in_another_order), ANSWER);
}
