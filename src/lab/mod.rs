//! The lab: the page at `/`, the API that this page uses, and the tutorial.
//!
//! | file | what it does |
//! |---|---|
//! | [`assets`] | the files of the lab page, from `src/lab/page` |
//! | [`api`] | answers the page's requests below `/wire/` |
//! | [`violations`] | breaks the rules of RFC 6455 that a browser cannot break |
//! | [`tutorial`] | turns the chapters into pages |

pub mod api;
pub mod assets;
pub mod tutorial;
pub mod violations;
