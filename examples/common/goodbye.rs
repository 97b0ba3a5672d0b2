//! Which errors only say that the peer has left. Chapter 05 explains it.

use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};

use tungstenite::Error;
use tungstenite::error::ProtocolError::{HandshakeIncomplete, ResetWithoutClosingHandshake};

// ANCHOR: goodbye
/// Whether an error only says that the peer has left. Every connection ends with such an error.
pub fn is_goodbye(error: &Error) -> bool {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => true,
        Error::Protocol(ResetWithoutClosingHandshake | HandshakeIncomplete) => true,
        Error::Io(e) => matches!(e.kind(), BrokenPipe | ConnectionAborted | ConnectionReset),
        _ => false,
    }
}
// ANCHOR_END: goodbye
