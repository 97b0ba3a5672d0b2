//! The pages of the tutorial's examples, in a real Chromium. The examples themselves serve them.

use std::path::Path;
use std::process::Command;

use crate::common::program::{Serving, example};
use crate::page::{Page, browser};
use crate::tree::is_chosen;

/// Starts an example that serves on a free port.
fn serving(name: &str) -> Serving {
    let mut command = Command::new(example(name));
    command.args(["--listen", "127.0.0.1:0"]);
    Serving::start(command)
}

#[test]
fn the_page_of_05_shows_its_echo_and_how_an_object_becomes_text() {
    if !is_chosen(Path::new("examples/05_echo/main.rs")) {
        return;
    }
    let Some(browser) = browser() else { return };
    let server = serving("05_echo");
    let page = Page::open(&browser, &format!("http://{}/", server.address));
    page.wait_for_text("#log", "open");
    page.press_key("Enter");
    page.wait_for_text("#log", "received Hello");
    page.click("#object");
    page.wait_for_text("#log", "received [object Object]");
    // The check of exercise "64 KiB and no more" types this into the console.
    page.value("socket.send('x'.repeat(70000))");
    page.wait_for_text("#log", "xxxxxxxxxx");
}

#[test]
fn the_page_of_06_shows_what_happens_to_its_socket() {
    if !is_chosen(Path::new("examples/06_browser_api/main.rs")) {
        return;
    }
    let Some(browser) = browser() else { return };
    let server = serving("06_browser_api");
    let page = Page::open(&browser, &format!("http://{}/", server.address));
    let state = "#states [aria-current=true]";
    page.wait_for_text("#log", "1 open protocol \"demo.v1\"");
    page.wait_for_text(state, "1 OPEN");
    page.wait_for_text("#protocol", "\"demo.v1\"");
    page.wait_for_text("#extensions", "\"\"");

    // Text, and bytes in both forms.
    page.click("#send button");
    page.wait_for_text("#log", "1 message text \"Hello\"");
    page.click("#bytes");
    page.wait_for_text("#log", "1 message Blob of 3 bytes");
    page.value("binary.value = 'arraybuffer'; binary.onchange(); 0");
    page.wait_for_text("#binaryType", "\"arraybuffer\"");
    page.click("#bytes");
    page.wait_for_text("#log", "1 message ArrayBuffer of 3 bytes, from 1,2,255");

    // The bytes wait in the browser until they are sent.
    page.click("#much");
    page.wait_for_text("#log", "1 send() readyState 1, bufferedAmount 8388608");
    page.wait_for_text("#log", "1 message ArrayBuffer of 8388608 bytes");
    page.wait_for_text("#bufferedAmount", "0");

    // A page cannot see a Ping. The server tells it of the Pong.
    page.click("#ask button[value='/ping']");
    page.wait_for_text("#log", "1 message text \"your Pong came after ");

    // First a code that a page may not send; then one that it may send, by keyboard.
    page.fill("#code", "1002");
    page.click("#close button");
    page.wait_for_text("#log", "1 close() throws InvalidAccessError");
    page.fill("#code", "4000");
    page.value("document.querySelector('#reason').focus(); 0");
    page.press_key("Enter");
    page.wait_for_text("#log", "1 close code 4000, reason \"enough\", wasClean true");
    page.wait_for_text(state, "3 CLOSED");
    page.click("#send button");
    page.wait_for_text("#log", "1 send() readyState 3, bufferedAmount ");

    // The server closes, and vanishes.
    page.click("#connect button");
    page.wait_for_text("#log", "2 open");
    page.click("#ask button[value='/close 4001']");
    page.wait_for_text("#log", "2 close code 4001, reason \"as asked\", wasClean true");
    page.click("#connect button");
    page.wait_for_text("#log", "3 open");
    page.click("#ask button[value='/vanish']");
    page.wait_for_text("#log", "3 close code 1006, reason \"\", wasClean false");
    for number in [2, 3] {
        let error = format!("{number} error");
        assert!(
            !page.text("#log").contains(&error),
            "the page shows an error, but the connection only ended"
        );
    }

    // A page must not send before its socket is open.
    page.value(
        "document.querySelector('#connect button').click();
         document.querySelector('#send button').click(); 0",
    );
    page.wait_for_text("#log", "4 send() throws InvalidStateError");
    page.wait_for_text("#log", "4 open");

    // Without a common subprotocol the server chooses none, and the browser gives up.
    page.fill("#protocols", "other.v9");
    page.click("#connect button");
    page.wait_for_text("#log", "5 error");
    page.wait_for_text("#log", "5 close code 1006");
    page.screenshot("06_browser_api.png");
}
