//! A real Chromium.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/page.rs"]
mod page;

mod lab;
