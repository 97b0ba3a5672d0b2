//! RFC 6455 in memory: opcodes, headers, frames, close codes and faults, without input or output.
//!
//! | file | contents |
//! |---|---|
//! | [`opcode`], [`header`], [`frame`] | one frame: bytes to fields and back, masking |
//! | [`parser`] | splits a stream of bytes into the parts of frames |
//! | [`validator`] | checks each frame of a client before tungstenite reads it |
//! | [`close_code`], [`fault`] | why connections end: the codes, and the rules that peers break |
//! | [`utf8`] | checks text piece by piece |
//! | [`accept_key`] | the server's answer to `Sec-WebSocket-Key` |
//! | [`side`] | client or server |

pub mod accept_key;
pub mod close_code;
pub mod fault;
pub mod frame;
pub mod header;
pub mod opcode;
pub mod parser;
pub mod side;
pub mod utf8;
pub mod validator;

pub use accept_key::{AcceptKey, GUID, is_valid_key};
pub use close_code::{CloseCode, MAX_REASON, fit_reason};
pub use fault::{BrokenRule, Fault, check_close_body};
pub use frame::{Frame, encode_unmasked, mask};
pub use header::{FrameHeader, LengthForm};
pub use opcode::Opcode;
pub use side::Side;
