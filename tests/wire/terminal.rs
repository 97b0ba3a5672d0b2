//! The output of `--wire` on the terminal.

use chalkwire::protocol::Opcode;
use unicode_width::UnicodeWidthStr;

use crate::common::*;
use crate::printing::Printing;

/// The output of the program with `--wire` while a client sends hostile texts.
fn terminal(view: &str) -> String {
    let mut program = Printing::start(&["--wire", view], "off");
    program.text.clear();
    let mut raw = Raw::open(program.address, "/echo", "X-Evil: \t\u{202e}\r\n");
    for text in
        ["Hello", "\x1b[2J\x1b]0;pwned\x07", "a\nb\rc\u{202e}d", "ping", "你好".repeat(40).as_str()]
    {
        raw.send_text(text);
        raw.text();
    }
    raw.send(Opcode::Binary, &[0xff; 70_000]);
    raw.frame();
    raw.send(Opcode::Ping, b"\x1b[31m");
    raw.frame();
    raw.send_close(1000, "\x1b[31mbye");
    raw.close();
    drop(raw);
    program.read_until(|text| text.contains("  END  "));
    std::mem::take(&mut program.text)
}

#[test]
fn the_terminal_view_fits_80_columns_and_escapes_control_codes() {
    let summary = terminal("summary");
    let full = terminal("full");
    for text in [&summary, &full] {
        for line in text.lines() {
            assert!(line.width() <= 80, "{}: {line}", line.width());
            assert!(!line.contains(|c: char| c.is_control() || c == '\u{202e}'), "{line:?}");
        }
    }
    assert_eq!(summary.lines().count(), 19, "one line for each event:\n{summary}");
    assert!(summary.contains("CLIENT -> SERVER  TEXT \"Hello\", 11 bytes"), "{summary}");
    assert!(summary.contains("TEXT \"ping\"; not a PING frame"), "{summary}");
    assert!(full.contains("= 48 65 6c 6c 6f  payload XOR key  \"Hello\""), "{full}");
    assert!(full.contains("= base64      s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{full}");
    assert!(full.contains("bytes not shown"), "{full}");
}
