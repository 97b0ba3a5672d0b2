//! The lab: the page at `/`, what the page asks the server to do, and the tutorial.

pub mod api;
pub mod assets;
pub mod tutorial;
pub mod violations;
