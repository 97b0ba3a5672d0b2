//! The pages fit every screen, from a phone to a projector, also with larger text.

use chalkwire::Config;
use chalkwire::lab::tutorial;

use crate::common::*;
use crate::page::{Page, browser};

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
fn the_tutorial_fits_every_screen_and_links_to_the_wire_view() {
    let Some(browser) = browser() else { return };
    let server = serve(Config::default());
    let host = server.address;
    let page = Page::open(&browser, &format!("http://{host}/"));
    for file in tutorial::files().filter(|file| file.path.ends_with(".md")) {
        let address = format!("http://{host}{}", file.address());
        page.navigate(&address);
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
    // A link leads back.
    page.click("header a[href='/tutorial/']");
    page.wait_for_text("h1", "The Chalkwire tutorial");
}
