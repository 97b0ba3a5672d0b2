//! Whose connections the lab page shows, and what it does with its secrets.

use chalkwire::{Config, WireFor};

use crate::common::*;
use crate::page::{Page, browser};

fn serve_for(wire_for: WireFor) -> Running {
    serve(Config { wire_for: Some(wire_for), ..Config::default() })
}

/// Shows the connections of `mine` or `all` in the wire view, as a reader who chooses them.
fn choose(page: &Page, whose: &str) {
    page.fill("#wire-whose", whose);
    page.value("document.querySelector('#wire-whose').dispatchEvent(new Event('change')); 0");
}

fn send(page: &Page, text: &str) {
    page.fill("#text", text);
    page.click("#send");
    page.wait_for_text("#log", text);
}

#[test]
fn under_own_the_page_shows_its_own_connections_and_says_so() {
    let Some(browser) = browser() else { return };
    let server = serve_for(WireFor::Own);
    let url = format!("http://{}/#/room/blue?classroom.v1!wire", server.address);
    let pages = [Page::open(&browser, &url), Page::open(&browser, &url)];
    let [ana, ben] = &pages;
    let own = "This server shows each page its own connections only (--wire-for own).";
    for page in &pages {
        page.wait_for_text("#states [aria-current]", "1 open");
        page.wait_for_text("#wire-access", own);
        page.wait_for_text("#room-access", own);
        assert_eq!(page.value("document.querySelector('#wire-all').disabled"), true);
        page.wait_for_text("#ladder", "GET /room/blue?tab=(hidden) HTTP/1.1");
    }
    for (page, name) in [(ana, "Ana"), (ben, "Ben")] {
        page.fill("#my-name", name);
        page.click("#join-form button");
        page.wait_for_text("#members", &format!("{name} you"));
    }
    ana.screenshot("wire-for-own.png");
    // What Ben sends is not in Ana's view, although her page asks to show everything.
    ben.fill("#whom", "Ben");
    send(ben, "only for the server");
    ben.wait_for_text("#ladder", "only for the server");
    choose(ana, "all");
    ana.click("#ask-form button[value=ping]");
    ana.wait_for_text("#ladder", "PONG \"asked\"");
    let shown = ana.text("#ladder");
    assert!(!shown.contains("only for the server"), "{shown}");
    assert_eq!(shown.matches("101 Switching Protocols").count(), 1, "{shown}");
    // The raw client that breaks a rule for Ana belongs to her page.
    ana.value("document.querySelector('#break-details').open = true; 0");
    ana.wait_for("document.querySelectorAll('#rule option').length >= 15");
    ana.fill("#rule", "unmasked");
    ana.click("#break-form button");
    ana.wait_for_text("#ladder", "TEXT !");
    assert_eq!(ben.text("#ladder").matches("TEXT !").count(), 0);
    // A reload finds the connection from before again.
    ana.reload();
    ana.wait_for("document.querySelectorAll('#ladder .response').length >= 3");
}

#[test]
fn a_teachers_link_shows_all_connections_and_its_secret_leaves_the_address() {
    let Some(browser) = browser() else { return };
    let server = serve_for(WireFor::Teacher);
    let link = server.teacher_link.clone().expect("the link");
    let pupil = Page::open(&browser, &format!("http://{}/#!wire", server.address));
    pupil.wait_for_text("#wire-access", "the teacher sees all, whispers too");
    assert_eq!(pupil.value("document.querySelector('#wire-all').disabled"), true);
    let teacher = Page::open(&browser, &format!("{link}#/echo!wire"));
    teacher.wait_for_text("#wire-access", "You came with the teacher's link");
    assert_eq!(teacher.value("location.search + location.hash"), "#/echo!wire");
    choose(&teacher, "all");
    send(&pupil, "from the pupil");
    teacher.wait_for_text("#ladder", "from the pupil");
    choose(&teacher, "mine");
    assert!(!teacher.text("#ladder").contains("from the pupil"));
    teacher.screenshot("wire-for-teacher.png");
    // The link still works after a reload, and not after a restart.
    teacher.reload();
    teacher.wait_for_text("#wire-access", "You came with the teacher's link");
    let address = server.address;
    server.end();
    let config = Config { wire_for: Some(WireFor::Teacher), ..Config::default() };
    let _again = serve_at(&address.to_string(), config);
    teacher.wait_for_text("#wire-access", "This teacher's link is not valid");
    teacher.wait_for("document.querySelector('#wire-all').disabled");
}

#[test]
fn the_page_never_shows_its_secrets() {
    let Some(browser) = browser() else { return };
    let server = serve_for(WireFor::Teacher);
    let page = Page::open(&browser, &server.teacher_link.clone().expect("the link"));
    page.wait_for_text("#states [aria-current]", "1 open");
    page.click("#tab-wire");
    page.wait_for_text("#ladder", "101 Switching Protocols");
    page.click("#ladder .request");
    page.wait_for_text("#frame", "GET /?tab=(hidden) HTTP/1.1");
    page.wait_for_text("#url", "?tab=…");
    page.wait_for_text("#code", "?tab=…");
    assert_eq!(page.value("/^[0-9a-f]{32}$/.test(sessionStorage.tab)"), true);
    assert_eq!(page.value("/^[0-9a-f]{32}$/.test(sessionStorage.teacher)"), true);
    let leaks = page.value(
        "[sessionStorage.tab, sessionStorage.teacher].filter((secret) =>
            (document.documentElement.outerHTML + location.href).includes(secret)).length",
    );
    assert_eq!(leaks, 0);
}
