//! A real Chromium: the lab page, the tutorial's pages, ordinary pages from disk, and WebSocket as the
//! browser implements it.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/page.rs"]
mod page;

mod lab;
mod layout;
mod pages;
mod private;
mod relay;
