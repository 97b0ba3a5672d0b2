//! A real Chromium for tests, and its tabs, in which tests click, type and read.
//!
//! The tests control Chromium over its DevTools protocol: JSON in a WebSocket. Each tab has a WebSocket of its
//! own, and blocks for each answer, so that tests in several threads do not wait for each other.
#![allow(dead_code, missing_docs)]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use crate::common::{DEADLINE, dial, skip, wait_until};

/// Chromium with a profile of its own. It ends, and the profile goes, when this is dropped.
pub struct Browser {
    process: Child,
    profile: PathBuf,
    address: SocketAddr,
    /// The path of the WebSocket that controls the whole browser. Each tab has a path of its own.
    path: String,
}

/// The browser of this test program, while a test holds it. Starting Chromium takes seconds, so all
/// tests that run at the same time share one; each has tabs of its own.
static SHARED: Mutex<Weak<Browser>> = Mutex::new(Weak::new());

/// The browser that all tests share, or `None` on a machine without Chromium.
pub fn browser() -> Option<Arc<Browser>> {
    // A test that has failed to start Chromium does not keep the others from trying.
    let mut shared = SHARED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some(browser) = shared.upgrade() {
        return Some(browser);
    }
    let known = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
    let program = std::env::var_os("CHROME")
        .map(PathBuf::from)
        .or_else(|| known.iter().map(PathBuf::from).find(|path| path.exists()));
    let Some(program) = program else {
        skip("no browser test runs, because Chromium was not found: CHROME=/path names it");
        return None;
    };
    let browser = Arc::new(Browser::start(&program));
    *shared = Arc::downgrade(&browser);
    Some(browser)
}

/// With these flags only the pages under test use the network, and Chromium does not slow a tab down
/// when another one is in front of it.
const FLAGS: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--password-store=basic",
    "--use-mock-keychain",
    "--force-color-profile=srgb",
    "--window-size=1280,800",
    // A free port. Chromium writes its number into the profile.
    "--remote-debugging-port=0",
];

impl Browser {
    fn start(program: &Path) -> Browser {
        // Each start has a profile of its own, because the browser before may still be ending.
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let name = format!("chromium-{}-{number}", std::process::id());
        let profile = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        // An earlier process with the same number may have left its profile behind.
        let _ = std::fs::remove_dir_all(&profile);
        std::fs::create_dir_all(&profile).expect("a directory for the profile");
        let process = Command::new(program)
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("Chromium starts");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut browser = Browser { process, profile, address, path: String::new() };
        wait_until("Chromium to name its port", || browser.read_port().is_some());
        browser
    }

    /// Reads the port and the path, a line each.
    fn read_port(&mut self) -> Option<()> {
        let text = std::fs::read_to_string(self.profile.join("DevToolsActivePort")).ok()?;
        let (port, path) = text.split_once('\n')?;
        self.address.set_port(port.parse().ok()?);
        self.path = path.starts_with("/devtools/browser/").then(|| path.to_owned())?;
        Some(())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        // Its other processes end when they notice; until then they may still write to the profile.
        let deadline = Instant::now() + Duration::from_secs(5);
        while std::fs::remove_dir_all(&self.profile).is_err() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// A connection to the browser, or to one of its tabs.
struct DevTools {
    socket: WebSocket<std::net::TcpStream>,
    calls: u64,
    /// Events that came while the test waited for an answer.
    events: VecDeque<Value>,
}

impl DevTools {
    fn connect(browser: &Browser, path: &str) -> DevTools {
        let url = format!("ws://{}{path}", browser.address);
        let (socket, _) =
            tungstenite::client(url, dial(browser.address)).expect("a DevTools connection");
        DevTools { socket, calls: 0, events: VecDeque::new() }
    }

    /// Calls a method, and waits for its result or for the reason of its failure.
    fn call(&mut self, method: &str, parameters: Value) -> Result<Value, String> {
        self.calls += 1;
        let id = self.calls;
        let call = json!({"id": id, "method": method, "params": parameters});
        let sent = self.socket.send(Message::text(call.to_string()));
        sent.map_err(|error| format!("{method}: {error}"))?;
        loop {
            let mut answer = self.read().map_err(|error| format!("{method}: {error}"))?;
            if answer["id"] != id {
                self.events.push_back(answer);
            } else if let Some(why) = answer["error"]["message"].as_str() {
                return Err(format!("{method}: {why}"));
            } else {
                return Ok(answer["result"].take());
            }
        }
    }

    fn read(&mut self) -> Result<Value, tungstenite::Error> {
        loop {
            if let Message::Text(text) = self.socket.read()? {
                return Ok(serde_json::from_str(&text).expect("Chromium sends JSON"));
            }
        }
    }

    /// The parameters of the next event with this name that is wanted.
    fn wait_for_event(&mut self, method: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + DEADLINE;
        loop {
            assert!(Instant::now() < deadline, "the deadline passed before {method}");
            let mut event = match self.events.pop_front() {
                Some(event) => event,
                None => self.read().unwrap_or_else(|error| panic!("{method}: {error}")),
            };
            if event["method"] == method && wanted(&event["params"]) {
                return event["params"].take();
            }
        }
    }
}

/// A tab in a window of its own. It closes when this is dropped.
pub struct Page {
    tab: RefCell<DevTools>,
    /// The browser stays as long as one of its tabs.
    _browser: Arc<Browser>,
}

impl Page {
    pub fn open(browser: &Arc<Browser>, url: &str) -> Page {
        // A tab behind another one would not paint.
        let parameters = json!({"url": "about:blank", "newWindow": true});
        let target = DevTools::connect(browser, &browser.path)
            .call("Target.createTarget", parameters)
            .expect("a tab");
        let id = target["targetId"].as_str().expect("a tab has an id");
        let tab = DevTools::connect(browser, &format!("/devtools/page/{id}"));
        let page = Page { tab: RefCell::new(tab), _browser: Arc::clone(browser) };
        page.call("Page.enable", json!({}));
        page.call("Page.setLifecycleEventsEnabled", json!({"enabled": true}));
        // Each tab accepts keys as if it were the only one.
        page.call("Emulation.setFocusEmulationEnabled", json!({"enabled": true}));
        page.navigate(url);
        page
    }

    fn call(&self, method: &str, parameters: Value) -> Value {
        let result = self.tab.borrow_mut().call(method, parameters);
        result.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Goes to another page, and waits until it has loaded.
    pub fn navigate(&self, url: &str) {
        let result = self.call("Page.navigate", json!({"url": url}));
        assert_eq!(result["errorText"], Value::Null, "{url}");
        let loader = &result["loaderId"];
        self.tab.borrow_mut().wait_for_event("Page.lifecycleEvent", |event| {
            event["name"] == "load" && event["loaderId"] == *loader
        });
    }

    /// Reloads the page, and waits until the new one is there: until then the old one still answers.
    pub fn reload(&self) {
        self.value("window.isOld = true; 0");
        self.call("Page.reload", json!({}));
        self.wait_for("window.isOld === undefined && document.readyState === 'complete'");
    }

    /// The value of an expression. If it is a promise, waits for its value. Fails if the page throws.
    pub fn value(&self, expression: &str) -> Value {
        self.evaluate(expression).unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    fn evaluate(&self, expression: &str) -> Result<Value, String> {
        let parameters =
            json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let mut result = self.tab.borrow_mut().call("Runtime.evaluate", parameters)?;
        match &result["exceptionDetails"] {
            Value::Null => Ok(result["result"]["value"].take()),
            thrown => Err(thrown["exception"]["description"].to_string()),
        }
    }

    /// The text of an element, as it is seen; empty if there is no such element yet, or if the page
    /// is just being replaced by the next.
    pub fn text(&self, selector: &str) -> String {
        let text = self.evaluate(&format!("document.querySelector({selector:?})?.innerText"));
        text.ok().and_then(|text| text.as_str().map(str::to_owned)).unwrap_or_default()
    }

    pub fn wait_for_text(&self, selector: &str, wanted: &str) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let found = self.text(selector);
            if found.contains(wanted) {
                return;
            }
            assert!(Instant::now() < deadline, "{selector} should say {wanted:?}, says {found:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn wait_for(&self, condition: &str) {
        wait_until(condition, || self.evaluate(condition) == Ok(Value::Bool(true)));
    }

    pub fn fill(&self, selector: &str, text: &str) {
        self.value(&format!("document.querySelector({selector:?}).value = {text:?}; 0"));
    }

    pub fn click(&self, selector: &str) {
        self.value(&format!("document.querySelector({selector:?}).click(); 0"));
    }

    /// Clicks with the mouse in the middle of an element, so that the focus moves as well.
    pub fn click_with_mouse(&self, selector: &str) {
        let middle = self.value(&format!(
            "(() => {{
                const element = document.querySelector({selector:?});
                element.scrollIntoView({{ block: 'center' }});
                const {{ x, y, width, height }} = element.getBoundingClientRect();
                return [x + width / 2, y + height / 2];
            }})()"
        ));
        for kind in ["mousePressed", "mouseReleased"] {
            self.call(
                "Input.dispatchMouseEvent",
                json!({"type": kind, "x": middle[0], "y": middle[1], "button": "left", "clickCount": 1}),
            );
        }
    }

    /// Presses and releases Enter or an arrow key.
    pub fn press_key(&self, key: &str) {
        let code = match key {
            "Enter" => 13,
            "ArrowUp" => 38,
            "ArrowRight" => 39,
            "ArrowDown" => 40,
            _ => panic!("the number of the key {key} is not known here"),
        };
        let mut event = json!({"key": key, "code": key, "windowsVirtualKeyCode": code});
        event["type"] = "keyDown".into();
        if key == "Enter" {
            event["text"] = "\r".into();
        }
        self.call("Input.dispatchKeyEvent", event.clone());
        event["type"] = "keyUp".into();
        self.call("Input.dispatchKeyEvent", event);
    }

    /// Writes a text where the cursor is.
    pub fn write(&self, text: &str) {
        self.call("Input.insertText", json!({"text": text}));
    }

    pub fn resize(&self, width: u32) {
        self.call(
            "Emulation.setDeviceMetricsOverride",
            json!({"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}),
        );
    }

    /// Fails if the page as a whole scrolls sideways.
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

    /// Evaluates an expression, and gives the first line that Chromium then writes to its console.
    pub fn console_line_after(&self, expression: &str) -> String {
        self.call("Log.enable", json!({}));
        self.value(expression);
        let event = self.tab.borrow_mut().wait_for_event("Log.entryAdded", |event| {
            // Chromium asks for an icon by itself, and complains that there is none.
            let url = event["entry"]["url"].as_str();
            !url.is_some_and(|url| url.ends_with("/favicon.ico"))
        });
        event["entry"]["text"].as_str().expect("a line").to_owned()
    }

    /// Leaves a picture for people below target/screenshots.
    pub fn screenshot(&self, name: &str) {
        let picture = self.call("Page.captureScreenshot", json!({"format": "png"}));
        let base64 = picture["data"].as_str().expect("a picture");
        let png = data_encoding::BASE64.decode(base64.as_bytes()).expect("Base64");
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
        std::fs::create_dir_all(&directory).expect("a directory");
        std::fs::write(directory.join(name), png).expect("a file");
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // It fails when the connection is broken, and then the tab has gone already.
        let _ = self.tab.borrow_mut().call("Page.close", json!({}));
    }
}
