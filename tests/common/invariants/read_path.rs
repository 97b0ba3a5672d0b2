//! The way of a client's bytes: validator, tungstenite, wire view.

use std::io::{self, Cursor, Read, Write};

use chalkwire::protocol::FrameHeader;
use chalkwire::protocol::validator::{FaultAt, FrameValidator};
use tungstenite::error::ProtocolError;
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Error, WebSocket};

use super::view::show;

/// What a client sends goes to the validator in pieces, and then to tungstenite. The validator finds every
/// fault but invalid UTF-8, in the same frame however the bytes are cut, so that tungstenite has none left
/// to find. And any bytes can be shown.
pub fn read_path(bytes: &[u8]) {
    let Some((&size, bytes)) = bytes.split_first() else { return };
    let (valid, fault) = validate(bytes, usize::from(size).max(1));
    let (whole, same) = validate(bytes, bytes.len().max(1));
    let named = |at: &Option<FaultAt>| at.as_ref().map(|at| (at.frame, at.fault.to_string()));
    assert_eq!(named(&fault), named(&same));
    // Of a faulty header that came in pieces, the first have passed when the last shows the fault.
    assert!(valid.len() >= whole.len() && valid.len() < whole.len() + FrameHeader::MAX_LEN + 125);
    read_with_tungstenite(whole);
    show(bytes);
}

const MAX_MESSAGE: usize = 1000;

/// The bytes that pass the validator, and the fault that stopped it.
fn validate(bytes: &[u8], size: usize) -> (&[u8], Option<FaultAt>) {
    let mut validator = FrameValidator::new(MAX_MESSAGE, 20);
    for (n, piece) in bytes.chunks(size).enumerate() {
        if let Err(fault) = validator.advance(piece, |_| {}) {
            return (&bytes[..n * size + fault.valid], Some(fault));
        }
    }
    (bytes, None)
}

/// A stream that reads the bytes and discards what is written.
struct Wire<'a>(Cursor<&'a [u8]>);

impl Read for Wire<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn read_with_tungstenite(bytes: &[u8]) {
    let config = WebSocketConfig::default()
        .read_buffer_size(4096)
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    let wire = Wire(Cursor::new(bytes));
    let mut websocket = WebSocket::from_raw_socket(wire, Role::Server, Some(config));
    let error = loop {
        if let Err(error) = websocket.read() {
            break error;
        }
    };
    let is_fine = matches!(
        error,
        Error::Utf8(_)
            | Error::Io(_)
            | Error::ConnectionClosed
            | Error::AlreadyClosed
            | Error::Protocol(
                ProtocolError::ResetWithoutClosingHandshake | ProtocolError::ReceivedAfterClosing
            )
    );
    assert!(is_fine, "the validator let through what tungstenite calls {error}");
}
