//! How the answer to a `Sec-WebSocket-Key` is made.

use data_encoding::BASE64;
use serde::Serialize;
use sha1::{Digest, Sha1};

use crate::text::hex;

/// How `Sec-WebSocket-Accept` is made from `Sec-WebSocket-Key` (RFC 6455 section 4.2.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AcceptKey {
    /// What the client sent.
    pub key: String,
    /// The key with the GUID behind it.
    pub key_and_guid: String,
    /// SHA-1 of that: 20 bytes.
    pub sha1: String,
    /// Those in base64: what the server answers.
    pub accept: String,
}

/// The GUID that RFC 6455 section 1.3 puts behind every key: nobody else would use it by accident.
pub const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

impl AcceptKey {
    /// The answer to `key`, step by step.
    pub fn of(key: &str) -> AcceptKey {
        let key_and_guid = format!("{key}{GUID}");
        let sha1 = Sha1::digest(key_and_guid.as_bytes());
        AcceptKey {
            key: key.to_owned(),
            sha1: hex(&sha1),
            accept: BASE64.encode(&sha1),
            key_and_guid,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rfcs_keys_and_their_answers() {
        let first = AcceptKey::of("dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(first.sha1, "b3 7a 4f 2c c0 62 4f 16 90 f6 46 06 cf 38 59 45 b2 be c4 ea");
        assert_eq!(first.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(
            AcceptKey::of("AQIDBAUGBwgJCgsMDQ4PEA==").accept,
            "C/0nmHhBztSRGR1CwL6Tf4ZjwpY="
        );
        // The same as the server answers.
        let key = "AQIDBAUGBwgJCgsMDQ4PEC==";
        let served = tungstenite::handshake::derive_accept_key(key.as_bytes());
        assert_eq!(AcceptKey::of(key).accept, served);
    }
}
