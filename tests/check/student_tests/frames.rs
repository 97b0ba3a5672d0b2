//! The student's servers when frames come.

use Opcode::*;
use chalkwire::protocol::{Frame, Opcode};

use super::exchange::*;
use crate::common::student::Mistake::{self, *};
use crate::common::student::Student;
use crate::common::{KEY, fragment};

/// The mistake, what a client sends, the answer of the correct server, and the answer of the broken one.
pub type Row = (Mistake, Vec<u8>, Vec<u8>, Vec<u8>);

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

/// All rows.
pub fn rows() -> Vec<Row> {
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
