//! `chalkwire check`: tests a WebSocket server that somebody wrote, in any language, and names its mistakes.
//!
//! The server should echo. Each step tests one requirement of RFC 6455 with raw bytes, on a connection of its
//! own. The checker compares what comes back with the bytes that the known mistakes lead to, so that the report
//! can name the mistake and not only the difference.
//!
//! The modules, in the order in which they build on each other:
//!
//! | module | what it has |
//! |---|---|
//! | [`target`] | where the server is |
//! | [`received`], [`evidence`], [`finding`] | what came; what is shown of it; what a step found |
//! | [`request`], [`response`] | the two halves of the opening handshake |
//! | [`mistakes`] | the known mistakes, by the bytes that they lead to |
//! | [`client`] | the checker's end of a connection: raw bytes out, anything in |
//! | [`step`] | what a step is: the RFC's words, what it needs, how it runs |
//! | [`steps`] | the steps, in nine groups |
//! | [`selection`], [`probe()`], [`runner`] | which steps run; whether a server is there; running them |
//! | [`report`] | the results as text, and as JSON |

pub mod client;
pub mod evidence;
pub mod finding;
pub mod mistakes;
mod probe;
pub mod received;
pub mod report;
pub mod request;
pub mod response;
pub mod runner;
pub mod selection;
pub mod step;
pub mod steps;
pub mod target;

pub use probe::{ProbeError, probe};
pub use runner::run;
pub use selection::Selection;
