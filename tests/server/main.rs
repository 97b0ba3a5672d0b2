//! The server from outside: real sockets, raw bytes, and one module for each thing that it promises.
//!
//! All modules share one process and run side by side. So no test here counts the threads or the
//! descriptors of its own process: [`capacity`], [`hostile`] and [`load`] start the program as a child process, and
//! count what that process uses.

#[path = "../common/mod.rs"]
mod common;

mod answers;
mod bad_links;
mod broadcast;
#[cfg(target_os = "linux")]
mod capacity;
mod closing;
mod command_line;
mod crowds;
mod echo;
mod fairness;
mod foreign_clients;
mod handshake;
mod heartbeat;
mod hostile;
mod house;
mod load;
mod log;
mod memory;
mod properties;
mod readme;
