//! Ordinary pages opened from disk, and WebSocket as the browser implements it.

use std::path::Path;
use std::sync::Arc;

use chalkwire::{Config, Mode};

use crate::common::*;
use crate::page::{Browser, Page, browser};

/// Opens a page of `tests/pages` from disk, with the port of this server in it.
fn from_disk(browser: &Arc<Browser>, server: &Running, name: &str, port: u16) -> Page {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pages").join(name);
    let html = std::fs::read_to_string(source).expect("the page");
    assert!(html.contains(&format!("localhost:{port}")));
    let html = html.replace(&port.to_string(), &server.address.port().to_string());
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let copy = directory.join(format!("{}-{name}", server.address.port()));
    std::fs::write(&copy, html).expect("a file");
    let page = Page::open(browser, &format!("file://{}", copy.display()));
    assert_eq!(page.value("window.origin"), "null", "a page from disk does not have an origin");
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
fn three_tabs_receive_each_others_messages_also_after_a_reload() {
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
    tabs[2].reload();
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

    // Without a common subprotocol the server accepts, but the standard makes the browser fail the
    // connection.
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
