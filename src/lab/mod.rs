//! The lab: the page that this server shows, and what the page asks the server to do.

pub mod api;
pub mod assets;
pub mod tutorial;
pub mod violations;
