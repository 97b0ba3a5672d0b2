//! A real Chromium for tests, and what they do in its tabs.
#![allow(dead_code, missing_docs)]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use headless_chrome::protocol::cdp::Emulation::SetDeviceMetricsOverride;
use headless_chrome::protocol::cdp::Page::CaptureScreenshotFormatOption::Png;
use headless_chrome::{Browser, LaunchOptions, Tab};
use serde_json::Value;

use crate::common::{DEADLINE, skip, wait_until};

/// A browser with a profile of its own, or `None` where there is no Chromium.
pub fn browser() -> Option<Browser> {
    let known = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
    let path = std::env::var_os("CHROME")
        .map(PathBuf::from)
        .or_else(|| known.iter().map(PathBuf::from).find(|path| path.exists()));
    let Some(path) = path else {
        skip("no browser is tried: no Chromium is found (CHROME may name one)");
        return None;
    };
    let options = LaunchOptions::default_builder()
        .path(Some(path))
        .sandbox(false)
        .window_size(Some((1280, 800)))
        .idle_browser_timeout(DEADLINE)
        .args(vec![
            OsStr::new("--disable-background-networking"),
            OsStr::new("--disable-component-update"),
            OsStr::new("--disable-sync"),
            OsStr::new("--force-color-profile=srgb"),
        ])
        .build()
        .expect("options");
    Some(Browser::new(options).expect("Chromium starts"))
}

/// A tab, with the few things tests do in it.
pub struct Page(pub Arc<Tab>);

impl Page {
    pub fn open(browser: &Browser, url: &str) -> Page {
        let tab = browser.new_tab().expect("a tab");
        tab.set_default_timeout(DEADLINE);
        tab.navigate_to(url).and_then(|tab| tab.wait_until_navigated()).expect("the page loads");
        Page(tab)
    }

    /// What an expression gives; promises are waited for.
    pub fn value(&self, expression: &str) -> Value {
        let result =
            self.0.evaluate(expression, true).unwrap_or_else(|e| panic!("{expression}: {e}"));
        result.value.unwrap_or(Value::Null)
    }

    pub fn text(&self, selector: &str) -> String {
        let text = self.value(&format!("document.querySelector({selector:?}).innerText"));
        text.as_str().unwrap_or_default().to_owned()
    }

    pub fn wait_for_text(&self, selector: &str, wanted: &str) {
        let deadline = Instant::now() + DEADLINE;
        while !self.text(selector).contains(wanted) {
            let found = self.text(selector);
            assert!(Instant::now() < deadline, "{selector} should say {wanted:?}, says {found:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn wait_for(&self, condition: &str) {
        wait_until(condition, || self.value(condition) == Value::Bool(true));
    }

    pub fn fill(&self, selector: &str, text: &str) {
        self.value(&format!("document.querySelector({selector:?}).value = {text:?}; 0"));
    }

    pub fn click(&self, selector: &str) {
        self.value(&format!("document.querySelector({selector:?}).click(); 0"));
    }

    pub fn resize(&self, width: u32) {
        self.0
            .call_method(SetDeviceMetricsOverride {
                width,
                height: 800,
                device_scale_factor: 1.0,
                mobile: width < 500,
                scale: None,
                screen_width: None,
                screen_height: None,
                position_x: None,
                position_y: None,
                dont_set_visible_size: None,
                screen_orientation: None,
                viewport: None,
                display_feature: None,
                device_posture: None,
            })
            .expect("a size");
    }

    /// The page as a whole does not scroll sideways.
    pub fn expect_no_overflow(&self, when: &str) {
        let overflow = self
            .value("document.documentElement.scrollWidth - document.documentElement.clientWidth");
        let culprits = self.value(
            "[...document.querySelectorAll('body *')]
                .filter((e) => e.getBoundingClientRect().right > document.documentElement.clientWidth)
                .map((e) => e.id || e.className || e.tagName).join()",
        );
        assert_eq!(overflow, 0, "{when}: {culprits}");
    }

    /// Leaves a picture for people below target/screenshots.
    pub fn screenshot(&self, name: &str) {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
        let png = self.0.capture_screenshot(Png, None, None, true).expect("a picture");
        std::fs::create_dir_all(&directory).expect("a directory");
        std::fs::write(directory.join(name), png).expect("a file");
    }
}
