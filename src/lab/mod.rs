//! The lab: the page at `/`, the API that this page uses, and the tutorial.
//!
//! | file | what it does |
//! |---|---|
//! | [`assets`] | the files of the lab page, from `src/lab/page` |
//! | [`api`] | answers the page's requests below `/wire/` |
//! | [`violations`] | the rules of RFC 6455 that a browser cannot break, each with bytes that do |
//! | [`run_violation`] | a raw client sends these bytes to the server |
//! | [`tutorial`], `markdown` | turn the chapters into pages |

pub mod api;
pub mod assets;
mod markdown;
pub mod run_violation;
pub mod tutorial;
pub mod violations;
