//! `chalkwire explain`, compared with the examples of RFC 6455.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

fn run(arguments: &[&str], input: &[u8]) -> (Option<i32>, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_chalkwire"))
        .arg("explain")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    // Writing may fail, because the program does not read its input when an argument is wrong.
    let _ = child.stdin.take().expect("a pipe").write_all(input);
    let output = child.wait_with_output().expect("its output");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn explain(arguments: &[&str]) -> String {
    let (code, stdout, stderr) = run(arguments, b"");
    assert_eq!((code, &*stderr), (Some(0), ""), "{arguments:?}");
    stdout
}

/// The first line of each block. Each frame has a block.
fn summaries(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with('#')).collect()
}

#[test]
fn the_masked_hello_of_section_5_7_is_explained() {
    let expected = "\
#1  CLIENT -> SERVER  TEXT \"Hello\", 11 bytes
  81              1... ....  FIN 1        last frame of this message
                  .000 ....  RSV 000      no extension in use
                  .... 0001  opcode 1     text
  85              1... ....  MASK 1       a client must mask every frame
                  .000 0101  length 5     5 bytes of payload
  37 fa 21 3d     masking key  random, new for every frame
  7f 9f 4d 51 58  payload as it crossed the wire
= 48 65 6c 6c 6f  payload XOR key  \"Hello\"
";
    let spaced = ["81", "85", "37", "fa", "21", "3d", "7f", "9f", "4d", "51", "58"];
    assert_eq!(explain(&spaced), expected);
    for same in [
        "818537fa213d7f9f4d5158",
        r"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
        "0x81,0x85,0x37,0xFA,0x21,0x3D,0x7F,0x9F,0x4D,0x51,0x58",
    ] {
        assert_eq!(explain(&[same]), expected);
    }
    assert_eq!(run(&[], b"81 85 37 fa 21 3d\n7f 9f 4d 51 58\n").1, expected);
    assert_eq!(explain(&["--text", "Hello", "--mask", "37 fa 21 3d"]), expected);
}

#[test]
fn each_frame_has_its_summary() {
    let zeros = |count: usize| "00 ".repeat(count);
    for (hex, lines) in [
        ("81 05 48 65 6c 6c 6f".to_owned(), vec!["#1  SERVER -> CLIENT  TEXT \"Hello\", 7 bytes"]),
        (
            "01 03 48 65 6c 80 02 6c 6f".to_owned(),
            vec![
                "#1  SERVER -> CLIENT  TEXT part 1 \"Hel\", 5 bytes",
                "#2  SERVER -> CLIENT  CONTINUATION part 2 and last \"lo\", 4 bytes of #1 = \"Hello\"",
            ],
        ),
        (
            "89 05 48 65 6c 6c 6f 8a 85 37 fa 21 3d 7f 9f 4d 51 58".to_owned(),
            vec![
                "#1  SERVER -> CLIENT  PING \"Hello\", 7 bytes",
                "#2  CLIENT -> SERVER  PONG \"Hello\", answers #1 after ",
            ],
        ),
        (format!("82 7e 01 00 {}", zeros(256)), vec!["#1  SERVER -> CLIENT  BINARY, 260 bytes"]),
        (
            "01 83 37 fa 21 3d 7f 9f 4d 80 82 37 fa 21 3d 5b 95".to_owned(),
            vec![
                "#1  CLIENT -> SERVER  TEXT part 1 \"Hel\", 9 bytes",
                "#2  CLIENT -> SERVER  CONTINUATION part 2 and last \"lo\", 8 bytes of #1 = \"Hello\"",
            ],
        ),
        (
            "01 81 37 fa 21 3d d5 80 82 37 fa 21 3d b5 56".to_owned(),
            vec![
                "#1  CLIENT -> SERVER  TEXT part 1 \"\u{fffd}\", 7 bytes",
                "#2  CLIENT -> SERVER  CONTINUATION part 2 and last \"\u{fffd}\u{fffd}\", 8 bytes of #1 = \"€\"",
            ],
        ),
        ("89 80 37 fa 21 3d 8a 00".to_owned(), vec!["#1  CLIENT -> SERVER  PING, 6 bytes", "#2"]),
        ("88 02 03 e8".to_owned(), vec!["#1  SERVER -> CLIENT  CLOSE 1000 normal closure"]),
        ("88 82 37 fa 21 3d 34 12".to_owned(), vec!["#1  CLIENT -> SERVER  CLOSE 1000"]),
        (
            "88 80 37 fa 21 3d".to_owned(),
            vec!["#1  CLIENT -> SERVER  CLOSE 1005 no status received"],
        ),
        (
            "88 85 37 fa 21 3d 34 13 43 44 52".to_owned(),
            vec!["#1  CLIENT -> SERVER  CLOSE 1001 going away \"bye\""],
        ),
        ("88 02 03 ea".to_owned(), vec!["#1  SERVER -> CLIENT  CLOSE 1002 protocol error"]),
        ("88 02 03 eb".to_owned(), vec!["#1  SERVER -> CLIENT  CLOSE 1003 unsupported data"]),
        ("88 02 03 ef".to_owned(), vec!["#1  SERVER -> CLIENT  CLOSE 1007 invalid frame"]),
        ("88 02 03 f1".to_owned(), vec!["#1  SERVER -> CLIENT  CLOSE 1009 message too big"]),
        ("88 02 03 f3".to_owned(), vec!["#1  SERVER -> CLIENT  CLOSE 1011 internal error"]),
        ("82 7d".to_owned(), vec!["#1  SERVER -> CLIENT  BINARY, 125 bytes never came"]),
        ("82 fe 00 7e 37 fa 21 3d".to_owned(), vec!["#1  CLIENT -> SERVER  BINARY, 126 bytes"]),
        ("48 54 54 50".to_owned(), vec!["#1  SERVER -> CLIENT  CLOSE! RSV bits are 100"]),
    ] {
        let text = explain(&[&hex]);
        let found = summaries(&text);
        assert_eq!(found.len(), lines.len(), "{text}");
        for (found, expected) in found.iter().zip(lines) {
            assert!(found.starts_with(expected), "{found}\nshould start with\n{expected}");
        }
    }
    // 64 KiB do not fit a command line, so they come on standard input.
    let large = format!("82 7f 00 00 00 00 00 01 00 00 {}", zeros(65536));
    let (code, text, _) = run(&[], large.as_bytes());
    assert_eq!(
        (code, summaries(&text)),
        (Some(0), vec!["#1  SERVER -> CLIENT  BINARY, 65546 bytes"])
    );
    assert!(text.contains("00 00 00 00 00 01 00 00\n"), "{text}");
}

#[test]
fn every_form_of_a_length_is_explained() {
    for (header, length) in [
        ("82 00", 0_u64),
        ("82 7d", 125),
        ("82 7e 00 7e", 126),
        ("82 7e 00 7f", 127),
        ("82 7e 00 80", 128),
        ("82 7e 00 ff", 255),
        ("82 7e ff ff", 65_535),
        ("82 7f 00 00 00 00 00 01 00 00", 65_536),
        ("82 7f 00 00 00 00 00 01 00 01", 65_537),
    ] {
        let masked = header.replacen("82 7", "82 f", 1).replacen("82 0", "82 8", 1);
        for header in [header.to_owned(), format!("{masked} 37 fa 21 3d")] {
            let text = explain(&[&header]);
            assert!(text.contains(&format!(" {length} bytes of payload")), "{header}:\n{text}");
            let missing = text.contains(&format!("  {length} bytes of payload never came\n"));
            assert_eq!(missing, length > 0, "{header}:\n{text}");
            assert!(!text.contains('!'), "{header} breaks no rule:\n{text}");
        }
    }
}

/// Faults that only the payload of a frame or the frames around it show.
#[test]
fn a_fault_is_marked_at_its_frame() {
    for (hex, faulty, why) in [
        ("81 03 ed a0 80", "#1", "text that is not UTF-8 (RFC 6455 8.1) -> close 1007"),
        ("81 02 e2 82", "#1", "text that is not UTF-8"),
        ("01 02 e2 82 00 01 78 80 01 79", "#2", "text that is not UTF-8"),
        ("88 01 03", "#1", "a Close has no body, or a code of two bytes first"),
        ("88 02 03 ed", "#1", "close code 1005 must not be sent"),
        ("88 02 07 d0", "#1", "close code 2000 must not be sent"),
        ("88 03 03 e8 ff", "#1", "text that is not UTF-8"),
        ("80 00", "#1", "a continuation frame, but no message is open"),
        ("01 01 61 81 01 62", "#2", "a new message before the last was finished"),
        ("82 7e 00 05 48 65 6c 6c 6f", "#1", "length 5 needs fewer than 16 bits"),
        ("82 7f 80 00 00 00 00 00 00 00", "#1", "the highest bit of a 64-bit length must be 0"),
        ("89 7e 00 7e", "#1", "a Ping has at most 125 bytes, not 126"),
    ] {
        let text = explain(&[hex]);
        let wrong: Vec<&str> =
            summaries(&text).into_iter().filter(|line| line.contains("! ")).collect();
        assert!(wrong.len() == 1 && wrong[0].starts_with(faulty), "{hex}:\n{text}");
        let joined = text.lines().map(str::trim).collect::<Vec<_>>().join(" ");
        assert!(joined.contains(why), "{hex}:\n{text}");
    }
    // A character is split between two fragments, and the message as a whole is good.
    assert!(!explain(&["01 02 e2 82 80 01 ac 88 02 03 e8"]).contains('!'));
}

#[test]
fn the_key_of_section_1_3_is_explained() {
    let text = explain(&["--key", "dGhlIHNhbXBsZSBub25jZQ=="]);
    for step in [
        "= key + GUID  dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11",
        "= SHA-1       b3 7a 4f 2c c0 62 4f 16 90 f6 46 06 cf 38 59 45 b2 be c4 ea",
        "= base64      s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
    ] {
        assert!(text.contains(step), "{text}");
    }
    assert!(
        explain(&["--key", "AQIDBAUGBwgJCgsMDQ4PEA=="]).contains("C/0nmHhBztSRGR1CwL6Tf4ZjwpY=")
    );
}

#[test]
fn a_request_is_explained() {
    let request = "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Origin: http://example.com\r\nSec-WebSocket-Version: 13\r\n\r\n";
    let (code, text, _) = run(&[], request.as_bytes());
    assert_eq!(code, Some(0));
    assert!(text.contains("* Upgrade: websocket"), "{text}");
    assert!(text.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{text}");
    let hex = chalkwire::text::hex(request.as_bytes());
    assert_eq!(explain(&[&hex]), text);
}

#[test]
fn input_that_cannot_be_explained_is_reported_with_its_position() {
    for (arguments, why) in [
        (&["81 0g"][..], "expected a second hex digit at position 5, found 'g'"),
        (&["81 05 zz"], "expected a hex digit at position 7, found 'z'"),
        (&["81 0"], "expected a second hex digit at position 5, found the end"),
        (&["82 7e 01"], "the header of a frame is not complete: 82 7e 01 and no more"),
        (&["  "], "there are no bytes to explain"),
        (&["--text", "a", "--mask", "37fa"], "a masking key has 4 bytes, not 2"),
        (&["--text", "ab", "--fragments", "3"], "--fragments is 1 to 2 for this text"),
        (&["--text", "ab", "--fragments", "0"], "--fragments is 1 to 2 for this text"),
        (
            &["--text", "ab", "--opcode", "ping", "--fragments", "2"],
            "a Ping must not be fragmented (RFC 6455 5.5)",
        ),
    ] {
        let (code, stdout, stderr) = run(arguments, b"");
        assert_eq!((code, &*stdout), (Some(1), ""), "{arguments:?}");
        assert_eq!(stderr, format!("chalkwire: {why}\n"));
    }
    for (arguments, why) in [
        (&["--key", "a", "--text", "b"][..], "one thing at a time: hex, --key or --text"),
        (&["--mask", "01020304", "81", "00"], "--mask needs --text"),
        (&["--opcode", "ping", "81", "00"], "--opcode needs --text"),
        (&["--fragments", "2"], "--fragments needs --text"),
        (&["--no-such-thing"], "Usage: chalkwire explain [--key <key>]"),
    ] {
        let (code, stdout, stderr) = run(arguments, b"");
        assert_eq!((code, &*stdout), (Some(1), ""), "{arguments:?}");
        assert!(stderr.contains(why), "{arguments:?}: {stderr}");
    }
    let (code, _, stderr) = run(&[], b"81 05 \xff");
    assert_eq!(code, Some(1));
    assert!(stderr.contains("at position 7, found a byte that is not text"), "{stderr}");
}

/// Two MiB of hex are half a million frames.
#[cfg(target_os = "linux")]
#[test]
fn a_million_bytes_are_explained_in_a_bounded_amount_of_memory() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_chalkwire"))
        .arg("explain")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    child.stdin.take().expect("a pipe").write_all(&b"8100".repeat(512 * 1024)).expect("it reads");
    // The first byte comes when the program has explained what it keeps in memory. Nobody reads on.
    let mut first = [0];
    child.stdout.as_mut().expect("a pipe").read_exact(&mut first).expect("output");
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).expect("a file");
    child.kill().expect("a child of ours");
    child.wait().expect("its end");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line");
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().expect("a number");
    assert!(peak < 64 * 1024, "{peak} KiB");
}
