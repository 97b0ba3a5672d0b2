//! The lab page: its log and its buttons, its classroom, its wire view, and its tools.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;

use chalkwire::Config;
use chalkwire::protocol::Opcode;

use crate::common::*;
use crate::page::{Browser, Page, browser};
use crate::relay::Relay;

#[test]
fn a_newcomer_presses_enter_and_sees_an_echo() {
    let Some(browser) = browser() else { return };
    let server = serve(Config::default());
    let page = Page::open(&browser, &format!("http://{}/", server.address));
    page.wait_for_text("#states [aria-current]", "1 open");
    // A newcomer only has to press Enter.
    page.press_key("Enter");
    page.wait_for_text("#log", "▼ message");
    let log = page.text("#log");
    let sent = log.find("▲ send()").expect("it was sent");
    assert!(sent < log.find("▼ message").expect("it came back"), "{log}");
    assert_eq!(log.matches("Hello").count(), 2, "{log}");
    page.screenshot("lab.png");

    // The text is selected, so that typing replaces it.
    page.write("<b>again</b>");
    page.press_key("Enter");
    page.wait_for_text("#log", "<b>again</b>");
    assert_eq!(page.value("document.querySelectorAll('#log b').length"), 0, "text, not markup");

    // A file, as an ArrayBuffer.
    page.value(
        "const files = new DataTransfer();
         files.items.add(new File([new Uint8Array(70000).fill(255)], 'x.bin'));
         document.querySelector('#file').files = files.files; 0",
    );
    page.fill("#file-as", "arraybuffer");
    page.click("#send-file");
    page.wait_for_text("#log", "ArrayBuffer, 70,000 bytes");
    page.wait_for_text("#log", "Blob, 70,000 bytes");
    page.wait_for_text("#log", "ff ff ff");

    // Closing, with a code and a reason.
    page.fill("#close-code", "4000");
    page.fill("#close-reason", "enough");
    page.click("#close");
    page.wait_for_text("#log", "code 4000 \"enough\", wasClean true");
    page.wait_for_text("#states [aria-current]", "3 closed");
    page.fill("#close-code", "1002");
    page.click("#connect");
    page.wait_for_text("#states [aria-current]", "1 open");
    page.click("#close");
    page.wait_for_text("#log", "× InvalidAccessError");
}

#[test]
fn the_lab_is_a_classroom() {
    let Some(browser) = browser() else { return };
    let server = serve(Config::default());
    let url = format!("http://{}/#/room/%E8%93%9D?classroom.v1", server.address);
    let (ana, ben) = (Page::open(&browser, &url), Page::open(&browser, &url));
    for (page, name) in [(&ana, "Ana"), (&ben, "Ben")] {
        page.wait_for("!document.querySelector('#room').hidden");
        assert_eq!(page.text("#room-name"), "蓝");
        page.fill("#my-name", name);
        page.click("#join-form button");
        page.wait_for_text("#members", &format!("{name} you"));
    }
    ana.wait_for_text("#members", "Ben");
    ana.fill("#words", "hello, all");
    ana.click("#say-form button");
    ben.wait_for_text("#log", r#"{"type":"said","from":"Ana","text":"hello, all"}"#);
    ben.wait_for_text("#heard", "Ana: hello, all");
    ben.fill("#whom", "Ana");
    ben.fill("#words", "psst");
    ben.click("#say-form button");
    ana.wait_for_text("#log", r#"{"type":"whispered","from":"Ben","to":"Ana","text":"psst"}"#);
    // A whisper has a look of its own, because a name may read like one.
    ana.wait_for_text("#heard .whisper", "Ben whispers to Ana: psst");
    ben.wait_for_text("#heard li:not(.whisper)", "Ana: hello, all");
    ben.screenshot("room.png");
    // The page says why a name is refused.
    let third = Page::open(&browser, &url);
    third.wait_for("!document.querySelector('#room').hidden");
    third.fill("#my-name", "Ana");
    third.click("#join-form button");
    third.wait_for_text("#refusal", "Ana is here already");
    drop(ben);
    ana.wait_for_text("#log", r#"{"type":"left","name":"Ben"}"#);
    ana.wait_for("!document.querySelector('#members').innerText.includes('Ben')");
}

#[test]
fn the_lab_reconnects_when_the_server_is_back() {
    let Some(browser) = browser() else { return };
    let server = serve(Config::default());
    let address = server.address;
    let page = Page::open(&browser, &format!("http://{address}/"));
    page.wait_for_text("#states [aria-current]", "1 open");
    server.end();
    page.wait_for_text("#log", "code 1001 \"the server is shutting down\", wasClean true");
    page.wait_for_text("#notice", "Trying again");
    let again = serve_at(&address.to_string(), Config::default());
    page.wait_for_text("#states [aria-current]", "1 open");
    page.wait_for("document.querySelector('#notice').hidden");
    page.click("#send");
    page.wait_for_text("#log", "▼ message");
    drop(again);
}

#[test]
fn the_lab_shows_what_it_does() {
    let Some(browser) = browser() else { return };
    let server = serve(Config::default());
    let page = Page::open(&browser, &format!("http://{}/", server.address));
    page.wait_for_text("#states [aria-current]", "1 open");
    let choose = |path: &str| {
        page.fill("#path", path);
        page.value(
            "for (const name of ['input', 'change'])
                 document.querySelector('#path').dispatchEvent(new Event(name, { bubbles: true })); 0",
        );
    };
    let at = server.address;
    choose("room");
    let code = page.text("#code");
    assert!(code.starts_with(&format!("new WebSocket(\"ws://{at}/room/blue?tab=")), "{code}");
    assert!(code.ends_with("\", [\"classroom.v1\"])"), "{code}");
    choose("/echo");
    let code = page.text("#code");
    assert!(code.starts_with(&format!("new WebSocket(\"ws://{at}/echo?tab=")), "{code}");
    assert!(code.ends_with("\")"), "{code}");

    // When a connection cannot be opened, the open one stays.
    page.fill("#subprotocols", "bad proto");
    page.click("#connect");
    page.wait_for_text("#log", "× SyntaxError");
    assert_eq!(page.text("#states [aria-current]"), "1 open");
    page.fill("#text", "still here");
    page.click("#send");
    page.wait_for_text("#log", "▼ message\nstill here");

    // The page follows a link in the same tab, and reports the end of the previous connection.
    page.value("location.hash = '#/broadcast'; 0");
    page.wait_for_text("#log", "this was the previous connection");
    page.wait_for_text("#url", "/broadcast");

    // The page shows why the server refused it, and does not try again.
    page.fill("#path", "other");
    page.value(
        "document.querySelector('#path').dispatchEvent(new Event('input', { bubbles: true })); 0",
    );
    page.fill("#other-url", &format!("ws://{at}/nope"));
    page.click("#connect");
    page.wait_for_text("#log", "404 Not Found: there is nothing at this path");
    assert_eq!(page.value("document.querySelector('#retry-now').hidden"), true);
}

#[test]
fn the_log_scrolls_along_until_the_reader_scrolls_up() {
    let Some(browser) = browser() else { return };
    let server = serve(Config::default());
    let page = Page::open(&browser, &format!("http://{}/", server.address));
    page.wait_for_text("#states [aria-current]", "1 open");
    let send = |text: &str| {
        page.fill("#text", text);
        page.click("#send");
        page.wait_for(&format!(
            "[...document.querySelectorAll('#log .received .data')].some((e) => e.innerText.startsWith({text:?}))"
        ));
    };
    let at_end = "(() => { const l = document.querySelector('#log');
        return l.scrollTop + l.clientHeight >= l.scrollHeight - 8; })()";
    for n in 0..40 {
        send(&format!("text {n}"));
    }
    page.wait_for(at_end);
    // Larger type is not scrolling.
    page.click("#larger");
    page.wait_for(at_end);
    send("after larger type");
    page.wait_for(at_end);
    assert_eq!(page.value("document.querySelector('#newer').hidden"), true);
    page.click("#smaller");
    // The reader scrolls up, and stays there.
    page.value("document.querySelector('#log').scrollTop = 100; 0");
    page.wait_for("document.querySelector('#log').scrollTop === 100");
    send("while reading");
    page.wait_for_text("#newer", "2 new");
    assert_eq!(page.value("document.querySelector('#log').scrollTop"), 100);
    page.click("#newer");
    page.wait_for(at_end);
}

#[test]
fn page_and_terminal_show_the_bytes_that_were_sent() {
    let Some(browser) = browser() else { return };
    let mut child = Command::new(env!("CARGO_BIN_EXE_chalkwire"))
        .args(["--listen", "127.0.0.1:0", "--wire", "full"])
        .env("RUST_LOG", "off")
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut terminal = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut text = String::new();
    terminal.read_line(&mut text).expect("the URL");
    let server = text.trim().rsplit("http://").next().expect("a URL").trim_end_matches('/');
    let relay = Relay::to(server.parse().expect("an address"));

    let page = Page::open(&browser, &format!("http://{}/", relay.address));
    page.wait_for_text("#states [aria-current]", "1 open");
    page.click("#tab-wire");
    // The page shows its own handshake, although it began to watch only afterwards.
    page.wait_for_text("#ladder", "101 Switching Protocols");
    page.click("#ladder li");
    page.wait_for_text("#frame .accept", "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    page.value("document.querySelector('#text').focus(); 0");
    page.press_key("Enter");
    page.wait_for_text("#ladder", "TEXT \"Hello\"");
    wait_until("the frame", || relay.first_frame().is_some());
    let sent = relay.first_frame().expect("a frame");
    let (header, payload) = sent.split_at(6);
    let hex = chalkwire::text::hex;

    page.value("[...document.querySelectorAll('#ladder .frame')][0].click(); 0");
    page.wait_for_text("#frame h3", "client → server TEXT \"Hello\"");
    assert_eq!(
        page.text("#frame .bytes").split_whitespace().collect::<Vec<_>>().join(" "),
        hex(&sent)
    );
    let xor = page.text("#frame .xor");
    let row = |name: &str| {
        let line = xor.lines().find(|line| line.starts_with(name)).expect(name);
        line.split('\t').skip(1).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(row("wire"), hex(payload));
    assert_eq!(row("XOR key"), format!("{} {}", hex(&header[2..]), hex(&header[2..3])));
    assert_eq!(row("="), "48 65 6c 6c 6f");
    page.screenshot("wire.png");

    // The arrow keys lead to the next field, whose bytes are then marked, and to the next frame.
    page.value("document.querySelector('#ladder').focus(); 0");
    for _ in 0..5 {
        page.press_key("ArrowRight");
    }
    page.wait_for_text("#frame .fields [aria-pressed='true']", "masking key");
    assert_eq!(page.text("#frame .bytes .marked"), hex(&header[2..]));
    page.press_key("ArrowDown");
    page.wait_for_text("#frame h3", "server → client TEXT \"Hello\"");
    // A link to the frame leads to it.
    page.value("location.hash = `!${document.querySelector('#ladder .frame').id}`; 0");
    page.wait_for_text("#frame h3", "client → server TEXT \"Hello\"");
    // A click in the frame does not take the keyboard away.
    page.click_with_mouse("#frame .bytes .group");
    page.press_key("ArrowDown");
    page.wait_for_text("#frame h3", "server → client TEXT \"Hello\"");
    page.click_with_mouse("#frame .fields button");
    page.press_key("ArrowUp");
    page.wait_for_text("#frame h3", "client → server TEXT \"Hello\"");

    while !text.contains("payload XOR key") {
        assert!(terminal.read_line(&mut text).expect("a line") > 0, "{text}");
    }
    assert!(text.contains(&format!("  {}     masking key", hex(&header[2..]))), "{text}");
    assert!(
        text.contains(&format!("  {}  payload as it crossed the wire", hex(payload))),
        "{text}"
    );
    assert!(text.contains("= 48 65 6c 6c 6f  payload XOR key  \"Hello\""), "{text}");
    child.kill().expect("it runs");
    child.wait().expect("it ends");
}

#[test]
fn a_link_leads_back_to_its_event_and_its_room() {
    let Some(browser) = browser() else { return };
    let server = serve(Config::default());
    let room = format!("http://{}/#/room/blue!?classroom.v1", server.address);
    let page = Page::open(&browser, &room);
    page.wait_for_text("#states [aria-current]", "1 open");
    page.click("#tab-wire");
    page.wait_for_text("#ladder", "101 Switching Protocols");
    page.click("#ladder .response");
    page.click("#frame .permalink");
    let hash = page.value("location.hash");
    let hash = hash.as_str().expect("a text");
    assert!(hash.starts_with("#/room/blue%21?classroom.v1!c"), "{hash}");
    let heading = page.text("#frame h3");
    // A new tab is in the same room and shows the same event, because the server keeps it.
    page.value("sessionStorage.clear(); 0");
    page.reload();
    page.wait_for_text("#frame h3", "server → client HTTP/1.1 101 Switching Protocols");
    assert_eq!(page.text("#frame h3"), heading);
    page.wait_for_text("#states [aria-current]", "1 open");
    assert_eq!(page.value("document.querySelector('#room-path').value"), "blue!");
    assert_eq!(page.value("document.querySelector('#protocol').innerText"), "classroom.v1");
    // The page says so when a link leads to an event that it does not have.
    page.value("location.hash = location.hash.replace('f2.', 'f9.'); 0");
    page.wait_for_text("#wire-say", ":9 is not in the list of this page.");
}

#[test]
fn a_restarted_server_is_told_apart_from_the_one_before() {
    let Some(browser) = browser() else { return };
    let server = serve(Config::default());
    let address = server.address;
    let page = Page::open(&browser, &format!("http://{address}/"));
    page.wait_for_text("#states [aria-current]", "1 open");
    page.click("#tab-wire");
    page.wait_for_text("#ladder", "101 Switching Protocols");
    page.click("#send");
    page.wait_for_text("#ladder", "TEXT \"Hello\"");
    server.end();
    let again = serve_at(&address.to_string(), Config::default());
    page.wait_for_text("#ladder", "the server has restarted");
    page.wait_for("document.querySelectorAll('#ladder .response').length == 2");
    page.wait_for_text("#states [aria-current]", "1 open");
    page.wait_for(
        "new Set([...document.querySelectorAll('#ladder li')].map((row) => row.id)).size
        == document.querySelectorAll('#ladder li').length",
    );
    page.value("document.querySelector('#ask-form button[value=ping]').click(); 0");
    page.wait_for_text("#ladder", "PONG \"asked\"");
    drop(again);
}

#[test]
fn the_tools_compute_and_break_and_ask() {
    let Some(browser) = browser() else { return };
    let server = serve(Config::default());
    let page = Page::open(&browser, &format!("http://{}/", server.address));
    page.wait_for_text("#states [aria-current]", "1 open");
    page.value("for (const d of document.querySelectorAll('details')) d.open = true; 0");
    page.click("#key-form button");
    page.wait_for_text("#key-steps", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    page.click("#hex-form button");
    page.wait_for_text("#hex-parts .bytes", "7f 9f 4d 51 58");
    page.fill("#hex", "81 0g");
    page.click("#hex-form button");
    page.wait_for_text("#hex-parts", "expected a second hex digit at position");
    page.fill("#frame-text", "a + b");
    page.click("#frame-form button");
    page.wait_for_text("#frame-made", "a + b");
    page.fill("#frame-opcode", "8");
    page.value("document.querySelector('#frame-opcode').dispatchEvent(new Event('change')); 0");
    page.fill("#frame-code", "1005");
    page.click("#frame-form button");
    page.wait_for_text("#frame-made", "Broken rule close code 1005 must not be sent");
    page.fill("#hex", "82 7f 10 00 00 00 00 00 00 01");
    page.click("#hex-form button");
    page.wait_for_text(
        "#hex-parts",
        "Missing 1,152,921,504,606,846,977 bytes of the announced length",
    );
    page.fill("#hex", &"8100".repeat(100));
    page.click("#hex-form button");
    page.wait_for_text(
        "#hex-parts",
        "72 more bytes; the command chalkwire explain shows everything",
    );
    page.value("document.querySelector('#hex').value = '00'.repeat(5000); 0");
    page.click("#hex-form button");
    page.wait_for_text("#hex-parts", "Too many bytes for a request from a page");

    page.click("#ask-form button[value=ping]");
    page.wait_for_text("#ladder", "PONG \"asked\"");
    page.click("#ask-form button[value=fragments]");
    page.wait_for_text("#ladder", "CONTINUATION part 3, the last \"fragments\"");
    assert_eq!(page.value("document.querySelectorAll('#ladder .part').length"), 3);
    page.wait_for("document.querySelectorAll('#rule option').length >= 15");
    page.fill("#rule", "unmasked");
    page.click("#break-form button");
    page.wait_for_text("#broken", "Close 1002: frame 1: a client must mask every frame");
    page.wait_for_text("#ladder", "TEXT !");
    page.screenshot("tools.png");
    page.fill("#ask-code", "4003");
    page.click("#ask-form button[value=close]");
    page.click("#tab-events");
    page.wait_for_text("#log", "code 4003 \"requested on the lab page\", wasClean true");
}

/// Opens the lab page, and its wire view with the connections of everyone.
fn watch_everyone(browser: &Arc<Browser>, server: &Running) -> Page {
    let page = Page::open(browser, &format!("http://{}/", server.address));
    page.wait_for_text("#states [aria-current]", "1 open");
    page.click("#tab-wire");
    page.fill("#wire-whose", "all");
    page.value("document.querySelector('#wire-whose').dispatchEvent(new Event('change')); 0");
    page.wait_for_text("#ladder", "101 Switching Protocols");
    page
}

#[test]
fn a_refused_handshake_names_the_rule_that_it_broke() {
    let Some(browser) = browser() else { return };
    let server = serve(Config::default());
    let page = watch_everyone(&browser, &server);
    let request = handshake(server.address, "/echo", "").replace("Version: 13", "Version: 8");
    assert!(server.exchange(request.as_bytes()).starts_with("HTTP/1.1 426 "));
    page.wait_for_text("#ladder .broken", "426 Upgrade Required");
    page.click("#ladder .broken");
    page.wait_for_text("#frame .remark", "Broken rule");
    page.wait_for_text("#frame", "Sec-WebSocket-Version must be 13 (RFC 6455 section 4.4)");
}

#[test]
fn nothing_that_a_peer_sends_breaks_the_wire_view() {
    let Some(browser) = browser() else { return };
    let server = serve(Config::default());
    let page = watch_everyone(&browser, &server);
    let mut raw =
        Raw::open(server.address, "/echo", "X: <img src=x onerror=document.title='broken'>\r\n");
    let hostile =
        "<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script>";
    raw.send_text(hostile);
    raw.text();
    raw.send_text("\u{1b}[2J\u{0}\u{202e}\u{2028}");
    raw.text();
    raw.send(Opcode::Binary, &vec![0xfe; 16 << 20]);
    raw.frame();
    raw.send(Opcode::Ping, hostile.as_bytes());
    raw.frame();
    raw.send(Opcode::Text, b"bad \xff\xfe <b>UTF-8</b>");
    assert_eq!(raw.close().0, 1007);
    drop(raw);
    page.wait_for_text("#ladder", "the server closed with 1007");
    page.wait_for_text("#ladder .broken", "TEXT ! \"bad");
    // Each event can be opened.
    let count =
        page.value("document.querySelectorAll('#ladder li').length").as_u64().expect("rows");
    for n in 0..count {
        page.value(&format!("document.querySelectorAll('#ladder li')[{n}].click(); 0"));
        assert_ne!(page.text("#frame h3"), "");
    }
    assert_eq!(page.value("document.querySelectorAll('#wire img, #wire script').length"), 0);
    assert_ne!(page.value("document.title"), "broken");
    page.wait_for_text("#ladder", "<img src=x");
    assert_eq!(
        page.value("document.documentElement.scrollWidth - document.documentElement.clientWidth"),
        0
    );
    page.screenshot("hostile.png");
}

#[test]
fn a_page_that_is_refused_the_wire_says_why_and_tries_again() {
    let Some(browser) = browser() else { return };
    let server = serve(Config::default());
    let others: Vec<_> = (0..64)
        .map(|_| {
            let mut socket = dial(server.address);
            let request = format!("GET /wire/events HTTP/1.1\r\nHost: {}\r\n\r\n", server.address);
            socket.write_all(request.as_bytes()).expect("the request leaves");
            let mut status = [0; 12];
            socket.read_exact(&mut status).expect("an answer");
            assert_eq!(&status, b"HTTP/1.1 200");
            socket
        })
        .collect();
    let page = Page::open(&browser, &format!("http://{}/", server.address));
    page.wait_for_text("#states [aria-current]", "1 open");
    page.click("#tab-wire");
    let says =
        "The server says: 64 pages watch the wire already, and there is no room for another.";
    page.wait_for_text("#wire-say", says);
    page.wait_for_text("#wire-say", "Trying again in ");
    drop(others);
    page.wait_for_text("#ladder", "GET /");
    page.wait_for("document.querySelector('#wire-say').textContent === ''");
}
