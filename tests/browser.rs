//! A real Chromium: the lab page, ordinary pages opened from disk, and the browser's own idea of
//! WebSocket.

mod common;
#[path = "common/page.rs"]
mod page;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use chalkwire::lab::tutorial;
use chalkwire::protocol::{Frame, Opcode};
use chalkwire::{Config, Mode};
use common::*;
use headless_chrome::Browser;
use page::{Page, browser};

/// A page from `tests/pages`, opened from disk, with its port changed to the server's.
fn from_disk(browser: &Browser, server: &Running, name: &str, port: u16) -> Page {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pages").join(name);
    let html = std::fs::read_to_string(source).expect("the page");
    assert!(html.contains(&format!("localhost:{port}")));
    let html = html.replace(&port.to_string(), &server.address.port().to_string());
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let copy = directory.join(format!("{}-{name}", server.address.port()));
    std::fs::write(&copy, html).expect("a file");
    let page = Page::open(browser, &format!("file://{}", copy.display()));
    assert_eq!(page.value("window.origin"), "null", "opened from disk, it has no origin");
    page
}

#[test]
fn ordinary_pages_work_unchanged() {
    let Some(browser) = browser() else { return };

    let echo = serve(Config::default());
    let page = from_disk(&browser, &echo, "group_8080.html", 8080);
    page.wait_for_text("#content", "open");
    page.fill("#msg", "你好, WebSocket");
    page.click("#btn");
    page.wait_for_text("#content", "你好, WebSocket");

    let page = from_disk(&browser, &echo, "echo_9998.html", 9998);
    page.value("WebSocketTest()");
    page.wait_for_text("#sse", "received 发送数据;closed 1005 true");

    let greeting = Some("message".to_owned());
    let greets = serve(Config { greeting, ..Config::default() });
    let page = from_disk(&browser, &greets, "greeting_3000.html", 3000);
    page.wait_for_text("#list", "received: 你好，服务器");
    assert_eq!(page.text("#list"), "received: message\nreceived: 你好，服务器");
}

#[test]
fn three_tabs_hear_each_other_and_one_may_be_reloaded() {
    let Some(browser) = browser() else { return };
    let server = serve(Config { mode: Mode::Broadcast, ..Config::default() });
    let tabs: Vec<Page> =
        (0..3).map(|_| from_disk(&browser, &server, "group_8080.html", 8080)).collect();
    server.wait_for_stats("three tabs", |stats| stats["clients"] == 3);
    tabs[0].fill("#msg", "大家好");
    tabs[0].click("#btn");
    for tab in &tabs {
        tab.wait_for_text("#content", "大家好");
    }
    tabs[2].0.reload(true, None).and_then(|tab| tab.wait_until_navigated()).expect("a reload");
    server.wait_for_stats("a fourth", |stats| stats["clients_total"] == 4 && stats["clients"] == 3);
    tabs[1].fill("#msg", "again");
    tabs[1].click("#btn");
    for tab in &tabs {
        tab.wait_for_text("#content", "again");
    }
    assert_eq!(tabs[2].text("#content"), "open\n\nagain");
}

#[test]
fn the_browsers_websocket_behaves_as_the_standard_says() {
    let Some(browser) = browser() else { return };
    let server = serve(Config::default());
    let page = Page::open(&browser, &format!("http://{}/", server.address));
    let run = |script: &str| {
        let address = server.address;
        page.value(&format!(
            "(async () => {{
                const base = 'ws://{address}';
                const once = (target, name) => new Promise((r) => target.addEventListener(name, r, {{ once: true }}));
                const opened = async (...args) => {{ const s = new WebSocket(...args); await once(s, 'open'); return s; }};
                {script}
            }})()"
        ))
    };
    let array_buffer = run("const s = await opened(base + '/echo');
        s.binaryType = 'arraybuffer';
        s.send(new Uint8Array([1, 2, 254, 255]).buffer);
        const { data } = await once(s, 'message');
        s.close();
        return data.constructor.name + ' ' + Array.from(new Uint8Array(data));");
    assert_eq!(array_buffer, "ArrayBuffer 1,2,254,255");

    let blob = run("const s = await opened(base + '/echo');
        s.send(new Blob(['片段', 'two']));
        const { data } = await once(s, 'message');
        s.close();
        return data.constructor.name + ' ' + await data.text();");
    assert_eq!(blob, "Blob 片段two");

    let large = run("const s = await opened(base + '/echo');
        s.binaryType = 'arraybuffer';
        s.send(new Uint8Array(16 << 20).fill(7));
        const { data } = await once(s, 'message');
        s.close();
        return data.byteLength + ' ' + new Uint8Array(data).every((byte) => byte === 7);");
    assert_eq!(large, "16777216 true");

    let closed = run("const s = await opened(base + '/echo');
        s.close(1000, 'reason');
        const state = s.readyState;
        const { code, reason, wasClean } = await once(s, 'close');
        return [state, code, reason, wasClean, s.readyState].join();");
    assert_eq!(closed, "2,1000,reason,true,3");

    let too_big = run("const s = await opened(base + '/echo');
        s.send(new Uint8Array((16 << 20) + 1));
        const { code, wasClean } = await once(s, 'close');
        return code + ' ' + wasClean;");
    assert_eq!(too_big, "1009 true");

    let chosen = run("const s = await opened(base + '/room/blue', ['chat', 'classroom.v1']);
        const { protocol, extensions } = s;
        s.close();
        return protocol + ' ' + JSON.stringify(extensions);");
    assert_eq!(chosen, "classroom.v1 \"\"");

    // None in common: the server takes no offence, but the standard has the browser give up.
    let none = run("const s = new WebSocket(base + '/echo', ['chat', 'classroom.v1']);
        const { code } = await once(s, 'close');
        return code;");
    assert_eq!(none, 1006);

    let going = run("window.kept = await opened(base + '/echo'); return kept.readyState;");
    assert_eq!(going, 1);
    page.value("window.farewell = new Promise((r) => kept.addEventListener('close', r)); 0");
    server.stop();
    let farewell = page.value("farewell.then((e) => [e.code, e.reason, e.wasClean].join())");
    assert_eq!(farewell, "1001,the server is shutting down,true");
}

#[test]
fn whoever_opens_the_lab_sends_and_sees_an_echo() {
    let Some(browser) = browser() else { return };
    let server = serve(Config::default());
    let page = Page::open(&browser, &format!("http://{}/", server.address));
    page.wait_for_text("#states [aria-current]", "1 open");
    // All that a newcomer does: press Enter.
    page.0.press_key("Enter").expect("a key");
    page.wait_for_text("#log", "▼ message");
    let log = page.text("#log");
    let sent = log.find("▲ send()").expect("it was sent");
    assert!(sent < log.find("▼ message").expect("it came back"), "{log}");
    assert_eq!(log.matches("Hello").count(), 2, "{log}");
    page.screenshot("lab.png");

    // And goes on by keyboard: the text is selected, so typing replaces it.
    page.0.type_str("<b>again</b>").expect("keys");
    page.0.press_key("Enter").expect("a key");
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
        page.wait_for_text("#members", &format!("{name} (you)"));
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
    ben.screenshot("room.png");
    // A name that is taken is refused, in words.
    let third = Page::open(&browser, &url);
    third.wait_for("!document.querySelector('#room').hidden");
    third.fill("#my-name", "Ana");
    third.click("#join-form button");
    third.wait_for_text("#refusal", "Ana is here already");
    ben.0.close(false).expect("the tab closes");
    ana.wait_for_text("#log", r#"{"type":"left","name":"Ben"}"#);
    ana.wait_for("!document.querySelector('#members').innerText.includes('Ben')");
}

#[test]
fn the_lab_comes_back_when_the_server_does() {
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
fn what_the_lab_shows_is_what_it_does() {
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

    // What cannot be opened leaves what is open alone.
    page.fill("#subprotocols", "bad proto");
    page.click("#connect");
    page.wait_for_text("#log", "× SyntaxError");
    assert_eq!(page.text("#states [aria-current]"), "1 open");
    page.fill("#text", "still here");
    page.click("#send");
    page.wait_for_text("#log", "▼ message\nstill here");

    // A link in the same tab is followed, and the end of the connection before it is told.
    page.value("location.hash = '#/broadcast'; 0");
    page.wait_for_text("#log", "the connection before this one");
    page.wait_for_text("#url", "/broadcast");

    // Who is refused is told why, and does not try again.
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
fn the_log_follows_until_the_reader_scrolls_up() {
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

/// Passes connections on to a server, and keeps what comes from the client's side of each.
struct Relay {
    address: std::net::SocketAddr,
    captured: Arc<Mutex<Vec<Capture>>>,
}

/// What has come from a client so far.
type Capture = Arc<Mutex<Vec<u8>>>;

impl Relay {
    fn to(server: std::net::SocketAddr) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let captured = Arc::<Mutex<Vec<Capture>>>::default();
        let all = Arc::clone(&captured);
        // Ends with the test's process.
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(upstream) = TcpStream::connect(server) else { return };
                let bytes = Capture::default();
                all.lock().expect("no panic").push(Arc::clone(&bytes));
                let (Ok(from), Ok(to)) = (upstream.try_clone(), client.try_clone()) else { return };
                std::thread::spawn(move || pass_on(from, to, None));
                std::thread::spawn(move || pass_on(client, upstream, Some(&bytes)));
            }
        });
        Relay { address, captured }
    }

    /// The first frame that a client has sent behind its handshake.
    fn first_frame(&self) -> Option<Vec<u8>> {
        let all = self.captured.lock().expect("no panic");
        all.iter().find_map(|bytes| {
            let bytes = bytes.lock().expect("no panic");
            let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
            let (head, frames) = bytes.split_at(end);
            String::from_utf8_lossy(head).contains("Upgrade: websocket").then_some(())?;
            let (_, length) = Frame::decode(frames)?;
            Some(frames[..length].to_vec())
        })
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, keep: Option<&Mutex<Vec<u8>>>) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if let Some(keep) = keep {
            keep.lock().expect("no panic").extend_from_slice(&buffer[..count]);
        }
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Write);
}

#[test]
fn page_and_terminal_show_the_very_bytes_that_were_sent() {
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
    // Its own handshake is there, though it came before the page watched.
    page.wait_for_text("#ladder", "101 Switching Protocols");
    page.click("#ladder li");
    page.wait_for_text("#frame .accept", "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    page.value("document.querySelector('#text').focus(); 0");
    page.0.press_key("Enter").expect("a key");
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

    // By keyboard: the next field, and then its bytes are marked; the next frame.
    page.value("document.querySelector('#ladder').focus(); 0");
    for _ in 0..5 {
        page.0.press_key("ArrowRight").expect("a key");
    }
    page.wait_for_text("#frame .fields [aria-pressed='true']", "masking key");
    assert_eq!(page.text("#frame .bytes .marked"), hex(&header[2..]));
    page.0.press_key("ArrowDown").expect("a key");
    page.wait_for_text("#frame h3", "server → client TEXT \"Hello\"");
    // A link to the frame leads to it.
    page.value("location.hash = `!${document.querySelector('#ladder .frame').id}`; 0");
    page.wait_for_text("#frame h3", "client → server TEXT \"Hello\"");
    // A click in the frame does not take the keyboard away.
    page.0.find_element("#frame .bytes .group").and_then(|e| e.click().map(|_| ())).expect("bytes");
    page.0.press_key("ArrowDown").expect("a key");
    page.wait_for_text("#frame h3", "server → client TEXT \"Hello\"");
    page.0
        .find_element("#frame .fields button")
        .and_then(|e| e.click().map(|_| ()))
        .expect("a field");
    page.0.press_key("ArrowUp").expect("a key");
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
fn a_link_to_an_event_comes_back_to_it_and_to_the_room() {
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
    // A new tab: the same room, and the same event, which was kept.
    page.value("sessionStorage.clear(); 0");
    page.value("location.reload(); 0");
    page.wait_for_text("#frame h3", "server → client HTTP/1.1 101 Switching Protocols");
    assert_eq!(page.text("#frame h3"), heading);
    page.wait_for_text("#states [aria-current]", "1 open");
    assert_eq!(page.value("document.querySelector('#room-path').value"), "blue!");
    assert_eq!(page.value("document.querySelector('#protocol').innerText"), "classroom.v1");
    // One that nobody can show any more.
    page.value("location.hash = location.hash.replace('f2.', 'f9.'); 0");
    page.wait_for_text("#wire-say", ":9 is not here: this page has not seen it.");
}

#[test]
fn a_server_that_starts_anew_is_not_mixed_up_with_the_one_before() {
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
    page.wait_for_text("#ladder", "the server was started anew");
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
fn the_benches_compute_and_break_and_ask() {
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
    page.wait_for_text("#frame-made", "Broken rule close code 1005 may not be sent");
    page.fill("#hex", "82 7f 10 00 00 00 00 00 00 01");
    page.click("#hex-form button");
    page.wait_for_text("#hex-parts", "Missing 1,152,921,504,606,846,977 bytes were announced");
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
    page.screenshot("benches.png");
    page.fill("#ask-code", "4003");
    page.click("#ask-form button[value=close]");
    page.click("#tab-events");
    page.wait_for_text("#log", "code 4003 \"requested on the lab page\", wasClean true");
}

#[test]
fn nothing_that_a_peer_sends_breaks_the_wire_view() {
    let Some(browser) = browser() else { return };
    let server = serve(Config::default());
    let page = Page::open(&browser, &format!("http://{}/", server.address));
    page.wait_for_text("#states [aria-current]", "1 open");
    page.click("#tab-wire");
    page.fill("#wire-whose", "all");
    page.value("document.querySelector('#wire-whose').dispatchEvent(new Event('change')); 0");
    page.wait_for_text("#ladder", "101 Switching Protocols");
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
    // Each of them opened in full.
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
fn the_lab_fits_every_screen() {
    let Some(browser) = browser() else { return };
    let server = serve(Config::default());
    let page = Page::open(&browser, &format!("http://{}/", server.address));
    for width in [360, 768, 1280, 1920] {
        page.resize(width);
        for larger in 0..8 {
            page.expect_no_overflow(&format!("{width} px, text {larger} steps larger"));
            page.click("#larger");
        }
        for _ in 0..8 {
            page.click("#smaller");
        }
        page.screenshot(&format!("lab-{width}.png"));
    }
}

#[test]
fn the_tutorial_fits_every_screen_and_leads_to_the_wire() {
    let Some(browser) = browser() else { return };
    let server = serve(Config::default());
    let host = server.address;
    let page = Page::open(&browser, &format!("http://{host}/"));
    for file in tutorial::files().filter(|file| file.path.ends_with(".md")) {
        let address = format!("http://{host}{}", file.address());
        page.0.navigate_to(&address).and_then(|tab| tab.wait_until_navigated()).expect(&address);
        page.value("document.querySelectorAll('details').forEach((e) => (e.open = true)); 0");
        for width in [360, 768, 1280] {
            page.resize(width);
            page.expect_no_overflow(&format!("{address}, {width} px"));
        }
    }
    page.screenshot("tutorial.png");
    page.click("header nav a[href='/#/echo!wire']");
    page.wait_for_text("#tab-wire[aria-selected=true]", "Wire");
    page.wait_for_text("#ladder", "101 Switching Protocols");
    page.wait_for_text("#url", "/echo");
    // And back.
    page.click("header a[href='/tutorial/']");
    page.wait_for_text("h1", "The Chalkwire tutorial");
}
