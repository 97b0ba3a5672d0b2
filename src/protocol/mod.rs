//! RFC 6455 in memory: opcodes, headers, frames, close codes and faults, without any input or output.
//!
//! | file | what it has |
//! |---|---|
//! | [`opcode`], [`header`], [`frame`] | one frame, by hand: bytes to fields and back, masking |
//! | [`close_code`], [`fault`] | why connections end: the codes, and the rules that were broken |
//! | [`validator`] | checks each frame of a client before tungstenite sees it |
//! | [`utf8`] | checks text piece by piece |
//! | [`accept_key`] | how the answer to a `Sec-WebSocket-Key` is made |
//! | [`side`] | client or server |

pub mod accept_key;
pub mod close_code;
pub mod fault;
pub mod frame;
pub mod header;
pub mod opcode;
pub mod side;
pub mod utf8;
pub mod validator;

pub use accept_key::{AcceptKey, GUID};
pub use close_code::{CloseCode, MAX_REASON, fit_reason};
pub use fault::{Fault, check_close_body};
pub use frame::{Frame, encode_unmasked, mask};
pub use header::{FrameHeader, LengthForm};
pub use opcode::Opcode;
pub use side::Side;
