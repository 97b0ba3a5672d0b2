//! `chalkwire check`: tests a WebSocket server that somebody wrote, in any language, and names its mistakes.
//!
//! The server should echo. Each step tests one requirement of RFC 6455 with raw bytes, on a connection of its
//! own. The checker compares the answer with the bytes that the known mistakes lead to, so that the report can
//! name the mistake and not only the difference.
//!
//! The modules, in the order in which they build on each other:
//!
//! | module | contents |
//! |---|---|
//! | [`target`] | the server's address, and how to connect to it |
//! | [`received`], [`evidence`], [`finding`] | a frame or an end from the server; bytes to show; the result of a step |
//! | [`request`], [`response`] | the two halves of the opening handshake |
//! | [`mistakes`] | the known mistakes, by the bytes that they lead to |
//! | [`client`] | the checker's end of a connection: sends raw bytes, and accepts any answer |
//! | [`step`] | the parts of a step: the RFC's words, the steps that it needs, the function that runs it |
//! | [`steps`] | the steps, in nine groups |
//! | [`selection`], [`probe()`], [`runner`] | chooses the steps; looks whether a server is there; runs the steps |
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
