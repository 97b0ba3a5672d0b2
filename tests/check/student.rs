//! The student's servers, which the check is tested against: the correct one is correct, and each broken one has
//! the mistake that its name says, and no other. A row of a table has the mistake, what a client sends, the answer
//! of the correct server, and the answer of the broken one.

use std::io::{Error, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use Mistake::*;
use Opcode::*;
use chalkwire::frame::{Frame, Opcode, mask};

use crate::common::student::stages::Stage;
use crate::common::student::{Mistake, Student};
use crate::common::*;
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Bytes, Message};

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

const ANSWER: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Sends the bytes, closes the sending side, and reads everything that comes back.
fn exchange(student: &Student, bytes: &[u8]) -> Vec<u8> {
    let mut socket = dial(student.address);
    socket.write_all(bytes).expect("the bytes leave");
    socket.shutdown(Shutdown::Write).expect("the connection is open");
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).expect("an end without a reset");
    answer
}

/// The response of a server to a request.
fn answer_to(student: &Student, request: &str) -> String {
    String::from_utf8(exchange(student, request.as_bytes())).expect("text")
}

/// The bytes that a server sends after its response, when frames come.
fn answer_to_frames(student: &Student, frames: &[u8]) -> Vec<u8> {
    let answer = exchange(student, &[REQUEST.as_bytes(), frames].concat());
    answer.strip_prefix(ANSWER.as_bytes()).expect("the right answer").to_vec()
}

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

/// Mistakes in the response to a correct request. The second column is an extra header line of the request.
fn wrong_responses() -> Vec<(Mistake, &'static str, String)> {
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
fn responses_to_a_correct_request() {
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
const REQUESTS: &[(Mistake, &str, &str, &str, &str)] = &[
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
fn responses_to_other_requests() {
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

/// Bytes from hex, as RFC 6455 section 5.7 writes them.
fn hex(digits: &str) -> Vec<u8> {
    let digits = digits.split_whitespace();
    digits.map(|byte| u8::from_str_radix(byte, 16).expect("a hex byte")).collect()
}

fn from_client(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    Frame::new(opcode, Some(KEY), payload).encode()
}

fn from_server(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    Frame::new(opcode, None, payload).encode()
}

fn closed(code: u16, reason: &str) -> Vec<u8> {
    from_server(Close, &[&code.to_be_bytes(), reason.as_bytes()].concat())
}

/// Masks or unmasks with any key, also a wrong one.
fn xor(payload: &[u8], key: [u8; 4]) -> Vec<u8> {
    let mut payload = payload.to_vec();
    mask(&mut payload, key);
    payload
}

type Row = (Mistake, Vec<u8>, Vec<u8>, Vec<u8>);

const HELLO: &str = "81 85 37 fa 21 3d 7f 9f 4d 51 58";
const ECHO: &str = "81 05 48 65 6c 6c 6f";
const FRAGMENTS: &str = "01 83 37 fa 21 3d 7f 9f 4d 80 82 37 fa 21 3d 5b 95";
const HALVES: &str = "01 81 37 fa 21 3d d5 80 82 37 fa 21 3d b5 56";

fn messages() -> Vec<Row> {
    let binary = from_client(Binary, b"Hello");
    let other_key = Frame::new(Binary, Some([0; 4]), b"Hello").encode();
    let echo = from_server(Binary, b"Hello");
    // The key, rotated by the 5 bytes of the frame before, and by 3.
    let turned = xor(&xor(b"Hello", KEY), [0xfa, 0x21, 0x3d, 0x37]);
    let turned_2 = [b"Hel", &xor(&xor(b"lo", KEY), [0x3d, 0x37, 0xfa, 0x21])[..]].concat();
    let halves = [fragment(Binary, false, b"Hel"), fragment(Continuation, true, b"lo")].concat();
    vec![
        (
            HttpAfter101,
            hex(HELLO),
            hex(ECHO),
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHello".into(),
        ),
        (GreetsFirst, vec![], vec![], from_server(Text, b"Welcome!")),
        (FramesMasked, hex(HELLO), hex(ECHO), hex(HELLO)),
        (PayloadNotUnmasked, hex(HELLO), hex(ECHO), hex("81 05 7f 9f 4d 51 58")),
        (
            MaskingKeyReadOnce,
            [&binary[..], &other_key].concat(),
            [&echo[..], &echo].concat(),
            [&echo[..], &from_server(Binary, &xor(b"Hello", KEY))].concat(),
        ),
        (
            MaskIndexRunsOn,
            [&binary[..], &binary].concat(),
            [&echo[..], &echo].concat(),
            [&echo[..], &from_server(Binary, &turned)].concat(),
        ),
        (
            MaskIndexRunsOnInMessage,
            [&binary[..], &halves].concat(),
            [&echo[..], &echo].concat(),
            [&echo[..], &from_server(Binary, &turned_2)].concat(),
        ),
        (BinaryEchoedAsText, binary.clone(), echo, hex(ECHO)),
        (TextEchoedAsBinary, hex(HELLO), hex(ECHO), from_server(Binary, b"Hello")),
        (EmptyMessagesDropped, hex("81 80 37 fa 21 3d"), hex("81 00"), vec![]),
        (NewlineAdded, hex(HELLO), hex(ECHO), hex("81 06 48 65 6c 6c 6f 0a")),
        (OneMessageOnly, hex(HELLO).repeat(2), hex(ECHO).repeat(2), hex(ECHO)),
    ]
}

fn lengths() -> Vec<Row> {
    let sent = |length| from_client(Binary, &vec![0; length]);
    let echoed = |head, length| [hex(head), vec![0; length]].concat();
    let right_126 = echoed("82 7e 00 7e", 126);
    let right_65536 = echoed("82 7f 00 00 00 00 00 01 00 00", 65536);
    let shifted = [hex("21 3d"), xor(&[0; 124], KEY)].concat();
    let shifted = from_server(Binary, &xor(&shifted, [0x00, 0x7e, 0x37, 0xfa]));
    let out_of_step = closed(1002, "a reserved bit is set");
    vec![
        (
            // Two bytes are left, and the server takes them as the beginning of a frame that never comes.
            LengthMarkerTakenAsLength,
            sent(126),
            right_126.clone(),
            shifted,
        ),
        (LengthWrittenIn7Bits, sent(126), right_126.clone(), echoed("82 7e", 126)),
        (
            LengthCountsCharacters,
            from_client(Text, "é".as_bytes()),
            hex("81 02 c3 a9"),
            hex("81 01 c3 a9"),
        ),
        (
            Length16ReadSwapped,
            sent(256),
            echoed("82 7e 01 00", 256),
            closed(1002, "a length in more bytes than it needs"),
        ),
        (Length16WrittenSwapped, sent(126), right_126.clone(), echoed("82 7e 7e 00", 126)),
        (Length16WrittenAs64, sent(126), right_126, echoed("82 7f 00 00 00 00 00 00 00 7e", 126)),
        (LengthCutTo16Bits, sent(65536), right_65536.clone(), echoed("82 7e 00 00", 65536)),
        (Length64ReadAs32, sent(65536), right_65536.clone(), [hex("82 00"), out_of_step].concat()),
        (Length64WrittenIn4Bytes, sent(65536), right_65536, echoed("82 7f 00 01 00 00", 65536)),
    ]
}

fn fragments_and_pings() -> Vec<Row> {
    let ping_inside = [
        fragment(Text, false, b"Hel"),
        from_client(Ping, b"?"),
        fragment(Continuation, true, b"lo"),
    ];
    let pong_and_echo = [from_server(Pong, b"?"), hex(ECHO)].concat();
    let one_by_one = [from_server(Text, b"Hel"), from_server(Text, b"lo")].concat();
    let ping = hex("89 85 37 fa 21 3d 7f 9f 4d 51 58");
    let pong = hex("8a 05 48 65 6c 6c 6f");
    vec![
        (FragmentsEchoedOneByOne, hex(FRAGMENTS), hex(ECHO), one_by_one),
        (ContinuationsIgnored, hex(FRAGMENTS), hex(ECHO), from_server(Text, b"Hel")),
        (
            PingInsideMessageRefused,
            ping_inside.concat(),
            pong_and_echo,
            closed(1002, "a Ping inside a message"),
        ),
        (PingNotAnswered, ping.clone(), pong.clone(), vec![]),
        (PongWithoutPayload, ping.clone(), pong.clone(), hex("8a 00")),
        (PingEchoedAsPing, ping, pong, hex("89 05 48 65 6c 6c 6f")),
        (PongEchoedAsText, hex("8a 85 37 fa 21 3d 7f 9f 4d 51 58"), vec![], hex(ECHO)),
    ]
}

fn rules() -> Vec<Row> {
    let broken = |reason| closed(1002, reason);
    let no_mask = broken("a frame without a mask");
    let long_ping = from_client(Ping, &[0; 126]);
    let long_pong = from_server(Pong, &[0; 126]);
    let reserved = [hex("83 80 37 fa 21 3d"), hex(HELLO)].concat();
    let stray = hex("80 85 37 fa 21 3d 7f 9f 4d 51 58");
    let huge = hex("82 ff 10 00 00 00 00 00 00 00 37 fa 21 3d");
    let new_inside = [fragment(Text, false, b"x"), hex(HELLO)].concat();
    let not_minimal = hex("81 fe 00 05 37 fa 21 3d 7f 9f 4d 51 58");
    vec![
        (UnmaskedAccepted, hex(ECHO), no_mask.clone(), hex(ECHO)),
        (
            RsvAccepted,
            hex("c1 85 37 fa 21 3d 7f 9f 4d 51 58"),
            broken("a reserved bit is set"),
            hex(ECHO),
        ),
        (ReservedOpcodesAccepted, reserved, broken("a reserved opcode"), hex(ECHO)),
        (
            FragmentedPingAccepted,
            hex("09 80 37 fa 21 3d"),
            broken("a fragmented control frame"),
            hex("8a 00"),
        ),
        (LongPingAccepted, long_ping, broken("a long control frame"), long_pong),
        (
            LengthNotMinimalAccepted,
            not_minimal,
            broken("a length in more bytes than it needs"),
            hex(ECHO),
        ),
        (LengthHasNoLimit, huge, closed(1009, "a message is too big"), vec![]),
        (StrayContinuationAccepted, stray, broken("a continuation of nothing"), hex(ECHO)),
        (
            NewMessageInsideMessageAccepted,
            new_inside,
            broken("a new message inside a message"),
            hex(ECHO),
        ),
        (ClosesWithoutCloseFrame, hex(ECHO), no_mask.clone(), vec![]),
        (BrokenRuleClosedWith1000, hex(ECHO), no_mask, closed(1000, "a frame without a mask")),
    ]
}

fn utf8() -> Vec<Row> {
    let bad = from_client(Text, b"a\xff");
    let refused = closed(1007, "a text is not UTF-8");
    let bad_fragment_and_ping =
        [fragment(Text, false, b"\xff"), from_client(Ping, b""), fragment(Continuation, true, b"")];
    vec![
        (InvalidUtf8Accepted, bad.clone(), refused.clone(), hex("81 02 61 ff")),
        (InvalidUtf8Replaced, bad.clone(), refused.clone(), hex("81 04 61 ef bf bd")),
        (InvalidUtf8ClosedWith1002, bad, refused.clone(), closed(1002, "a text is not UTF-8")),
        (Utf8CheckedPerFragment, hex(HALVES), from_server(Text, "€".as_bytes()), refused.clone()),
        (
            Utf8CheckedAtTheEnd,
            bad_fragment_and_ping.concat(),
            refused.clone(),
            [hex("8a 00"), refused].concat(),
        ),
    ]
}

fn closing() -> Vec<Row> {
    let close = |body: &[u8]| from_client(Close, body);
    let then_hello = [close(b"\x03\xe9bye"), hex(HELLO)].concat();
    let answer = hex("88 02 03 e9");
    let not_valid = closed(1002, "no such close code");
    vec![
        (CloseNotAnswered, then_hello.clone(), answer.clone(), vec![]),
        (CloseIgnored, then_hello.clone(), answer.clone(), hex(ECHO)),
        (CloseAnsweredWith1000, close(b"\x03\xe9"), answer.clone(), hex("88 02 03 e8")),
        (CloseAnsweredEmpty, close(b"\x03\xe9"), answer.clone(), hex("88 00")),
        (CloseCodeNotChecked, close(b"\x03\xe7"), not_valid, hex("88 02 03 e7")),
        (
            CloseReasonNotChecked,
            close(b"\x03\xe9\xff"),
            closed(1007, "the reason is not UTF-8"),
            answer.clone(),
        ),
        (OneByteCloseAccepted, close(b"\x03"), closed(1002, "half a close code"), hex("88 00")),
        (EchoesAfterClose, then_hello, answer.clone(), [answer, hex(ECHO)].concat()),
        (FrameGluedToRequestLost, hex(HELLO), hex(ECHO), vec![]),
        (GluedFramesLost, hex(HELLO).repeat(2), hex(ECHO).repeat(2), hex(ECHO)),
    ]
}

fn rows() -> Vec<Row> {
    [messages(), lengths(), fragments_and_pings(), rules(), utf8(), closing()].concat()
}

#[test]
fn answers_to_frames() {
    let correct = Student::start(None);
    for (mistake, sent, right, wrong) in rows() {
        assert_eq!(answer_to_frames(&correct, &sent), right, "{mistake:?}: the correct server");
        let said = answer_to_frames(&Student::start(Some(mistake)), &sent);
        assert_eq!(said, wrong, "{mistake:?}");
    }
}

/// How long a test waits before it takes silence as the answer.
const SILENCE: Duration = Duration::from_millis(300);

fn expect_silence(socket: &mut TcpStream) {
    socket.set_read_timeout(Some(SILENCE)).expect("a time");
    let kind = socket.read(&mut [0]).expect_err("silence").kind();
    assert!(matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut), "{kind}");
    socket.set_read_timeout(Some(DEADLINE)).expect("a time");
}

#[test]
fn tcp_stays_open_after_the_closing_handshake() {
    let (correct, wrong) = (Student::start(None), Student::start(Some(TcpLeftOpenAfterClose)));
    for student in [&correct, &wrong] {
        let mut raw = Raw::open(student.address, "/", "");
        raw.send_close(1000, "");
        assert_eq!(raw.close(), (1000, String::new()));
        if student.address == correct.address {
            raw.expect_end();
        } else {
            expect_silence(&mut raw.socket);
        }
    }
}

#[test]
fn frames_in_pieces() {
    let correct = Student::start(None);
    let mut raw = Raw::open(correct.address, "/", "");
    for byte in hex(HALVES) {
        raw.send_bytes(&[byte]);
    }
    assert_eq!(raw.text(), "€");

    // When the echo has come, the first byte of the next frame has come too, because both were sent together.
    for mistake in [None, Some(FramesInPiecesLost)] {
        let student = Student::start(mistake);
        let mut raw = Raw::open(student.address, "/", "");
        let (first, rest) = (&hex(HELLO)[..1], &hex(HELLO)[1..]);
        raw.send_bytes(&[&hex(HELLO), first].concat());
        assert_eq!(raw.text(), "Hello");
        if mistake.is_some() {
            raw.expect_end();
        } else {
            raw.send_bytes(rest);
            assert_eq!(raw.text(), "Hello");
        }
    }
}

#[test]
fn one_client_at_a_time() {
    let correct = Student::start(None);
    let crowd: Vec<Raw> = (0..20).map(|_| Raw::open(correct.address, "/", "")).collect();
    assert_eq!(answer_to_frames(&correct, &hex(HELLO)), hex(ECHO));
    drop(crowd);

    let student = Student::start(Some(OneClientAtATime));
    let first = Raw::open(student.address, "/", "");
    let mut second = dial(student.address);
    second.write_all(REQUEST.as_bytes()).unwrap();
    expect_silence(&mut second);
    drop(first);
    let mut second = Raw::read_head(second);
    second.send_text("Hello");
    assert_eq!(second.text(), "Hello");
}

#[test]
fn a_client_lost_inside_a_frame() {
    let lose_one = |student: &Student| {
        let mut raw = Raw::open(student.address, "/", "");
        raw.send_bytes(&hex(HELLO)[..8]);
    };
    let correct = Student::start(None);
    let mut other = Raw::open(correct.address, "/", "");
    lose_one(&correct);
    other.send_text("Hello");
    assert_eq!(other.text(), "Hello");
    assert_eq!(answer_to_frames(&correct, &hex(HELLO)), hex(ECHO));

    let student = Student::start(Some(LostClientEndsServer));
    let mut other = Raw::open(student.address, "/", "");
    lose_one(&student);
    other.expect_end();
    wait_until("the end of the server", || TcpStream::connect(student.address).is_err());
}

#[test]
fn a_server_that_never_answers() {
    assert_eq!(answer_to(&Student::start(Some(NeverAnswers)), REQUEST), "");
}

#[test]
fn half_finished_servers() {
    let ping = hex("89 80 37 fa 21 3d");
    let close = hex("88 82 37 fa 21 3d 34 12");
    let long = from_client(Binary, &[0; 65536]);
    let sent = [hex(HELLO), ping, long, hex(FRAGMENTS), close].concat();
    let long = from_server(Binary, &[0; 65536]);
    let frames = [hex(ECHO), long.clone(), hex(ECHO)].concat();
    let control_frames = [hex(ECHO), hex("8a 00"), long, hex(ECHO), hex("88 02 03 e8")].concat();
    let said = |stage| answer_to_frames(&Student::start_at(stage), &sent);
    assert_eq!(said(Stage::Handshake), b"");
    assert!(said(Stage::Frames) == frames);
    assert!(said(Stage::ControlFrames) == control_frames);
}

/// Each mistake is in one table above, or has a test of its own.
#[test]
fn every_mistake_is_proved() {
    let mut proved: Vec<Mistake> = wrong_responses().iter().map(|row| row.0).collect();
    proved.extend(REQUESTS.iter().map(|row| row.0));
    proved.extend(rows().iter().map(|row| row.0));
    proved.extend([VersionNotTold, TcpLeftOpenAfterClose, FramesInPiecesLost]);
    proved.extend([OneClientAtATime, LostClientEndsServer, NeverAnswers]);
    for mistake in Mistake::ALL {
        assert_eq!(proved.iter().filter(|other| *other == mistake).count(), 1, "{mistake:?}");
    }
    let mut names: Vec<&str> = Mistake::ALL.iter().map(|mistake| mistake.name()).collect();
    names.extend(Stage::ALL.iter().map(|stage| stage.name()));
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Mistake::ALL.len() + Stage::ALL.len());
}

#[test]
fn drop_ends_everything() {
    for mistake in [None, Some(OneClientAtATime), Some(NeverAnswers)] {
        let student = Student::start(mistake);
        let address = student.address;
        let mut clients: Vec<TcpStream> = (0..4).map(|_| dial(address)).collect();
        clients[1].write_all(&REQUEST.as_bytes()[..20]).unwrap();
        clients[2].write_all(&[REQUEST.as_bytes(), &hex(HELLO)[..8]].concat()).unwrap();
        if mistake.is_none() {
            // This client sends, and reads nothing.
            clients.push(Raw::open(address, "/", "").socket);
            let sender = clients[4].try_clone().unwrap();
            sender.set_write_timeout(Some(SILENCE)).unwrap();
            let echoes = from_client(Binary, &[0; 65536]);
            while (&sender).write_all(&echoes).is_ok() {}
        }
        let threads = format!("student {}", address.port());
        let is_linux = cfg!(target_os = "linux");
        wait_until("its threads", || !is_linux || threads_named(&threads) > 0);
        drop(student);
        assert!(!is_linux || threads_named(&threads) == 0);
        for mut client in clients {
            // The connection ends, or is reset. It does not stay open.
            let end = client.read_to_end(&mut Vec::new());
            let is_end = |error: &Error| error.kind() == ErrorKind::ConnectionReset;
            assert!(end.as_ref().err().is_none_or(is_end), "{end:?}");
        }
        TcpStream::connect(address).expect_err("nothing listens");
    }
}

fn threads_named(name: &str) -> usize {
    let threads = std::fs::read_dir("/proc/self/task").expect("this process");
    let names = threads.flatten().map(|thread| std::fs::read_to_string(thread.path().join("comm")));
    names.flatten().filter(|other| other.trim_end() == name).count()
}
