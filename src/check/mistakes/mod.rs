//! The mistakes that people make, each with the bytes that it leads to. The checker compares the server's answer
//! with these bytes, and can then name the mistake.
//!
//! | file | which mistakes |
//! |---|---|
//! | `accept` | in the value of `Sec-WebSocket-Accept` |
//! | `close` | in answering a Close |
//! | `echo` | in sending a message back: masking, fragments, opcodes |
//! | `headers` | in the two bytes of a short frame's header |
//! | `lengths` | in reading or writing a length |
//! | `pong` | in answering a Ping |
//! | `unrecognized` | none of these: explains as much as the answer shows |

mod accept;
mod close;
mod echo;
mod headers;
mod lengths;
mod mistake;
mod pong;
mod unrecognized;

pub use accept::of_accept;
pub use close::{in_close, of_close_code};
pub use echo::of_echo;
pub use mistake::Mistake;
pub use pong::of_pong;
pub use unrecognized::explain;
