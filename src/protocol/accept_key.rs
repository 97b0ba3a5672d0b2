//! `Sec-WebSocket-Accept`: how a server proves that it has read the client's `Sec-WebSocket-Key`.

use std::sync::LazyLock;

use data_encoding::{BASE64, BASE64_NOPAD, Encoding};
use serde::{Serialize, Serializer};
use sha1::{Digest, Sha1};

use crate::text::hex;

/// The steps from `Sec-WebSocket-Key` to `Sec-WebSocket-Accept` (RFC 6455 section 4.2.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AcceptKey {
    /// The client's key.
    pub key: String,
    /// The key followed by the [`GUID`].
    pub key_and_guid: String,
    /// The SHA-1 hash of key and GUID. In JSON it is hex.
    #[serde(serialize_with = "as_hex")]
    pub sha1: [u8; 20],
    /// The hash in base64: the server's answer.
    pub accept: String,
}

/// The text that RFC 6455 section 1.3 puts behind every key. A server that does not know WebSocket
/// would not use it by accident.
pub const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Base64 without `=`, with trailing bits allowed: 16 bytes fill 21 digits and two bits of a 22nd, and
/// RFC 6455 does not say that the other four must be 0.
static KEY_DIGITS: LazyLock<Encoding> = LazyLock::new(|| {
    let mut specification = BASE64_NOPAD.specification();
    specification.check_trailing_bits = false;
    specification.encoding().expect("BASE64_NOPAD is a valid specification")
});

/// Whether `key` is 16 bytes in base64, as the value of `Sec-WebSocket-Key` must be (RFC 6455
/// section 4.1). The bits behind the 16th byte may have any value.
///
/// ```
/// use chalkwire::protocol::is_valid_key;
/// assert!(is_valid_key("dGhlIHNhbXBsZSBub25jZQ=="));
/// assert!(!is_valid_key("dG9vIHNob3J0"));
/// ```
pub fn is_valid_key(key: &str) -> bool {
    key.strip_suffix("==")
        .and_then(|digits| KEY_DIGITS.decode(digits.as_bytes()).ok())
        .is_some_and(|bytes| bytes.len() == 16)
}

impl AcceptKey {
    /// Computes the answer to `key`, and keeps each step.
    pub fn of(key: &str) -> AcceptKey {
        let key_and_guid = format!("{key}{GUID}");
        let sha1: [u8; 20] = Sha1::digest(key_and_guid.as_bytes()).into();
        AcceptKey { key: key.to_owned(), key_and_guid, sha1, accept: BASE64.encode(&sha1) }
    }
}

fn as_hex<S: Serializer>(bytes: &[u8; 20], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hex(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answers_to_the_keys_of_the_rfc() {
        let first = AcceptKey::of("dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(first.sha1[..4], [0xb3, 0x7a, 0x4f, 0x2c]);
        assert_eq!(first.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        let json = serde_json::to_value(&first).unwrap();
        assert_eq!(json["sha1"], "b3 7a 4f 2c c0 62 4f 16 90 f6 46 06 cf 38 59 45 b2 be c4 ea");
        assert_eq!(
            AcceptKey::of("AQIDBAUGBwgJCgsMDQ4PEA==").accept,
            "C/0nmHhBztSRGR1CwL6Tf4ZjwpY="
        );
    }

    #[test]
    fn tungstenite_gives_the_same_answer() {
        let key = "AQIDBAUGBwgJCgsMDQ4PEC==";
        let served = tungstenite::handshake::derive_accept_key(key.as_bytes());
        assert_eq!(AcceptKey::of(key).accept, served);
    }

    #[test]
    fn a_key_is_16_bytes_in_base64() {
        // The last digit carries four bits that belong to no byte; some clients do not clear them.
        for key in
            ["dGhlIHNhbXBsZSBub25jZQ==", "AQIDBAUGBwgJCgsMDQ4PEC==", "//////////////////////=="]
        {
            assert!(is_valid_key(key), "{key}");
        }
        for key in [
            "",
            "==",
            "AQIDBAUGBwgJCgsMDQ4P",
            "AQIDBAUGBwgJCgsMDQ4PEA",
            "AQIDBAUGBwgJCgsMDQ4PEA=",
            "AQIDBAUGBwgJCgsMDQ4PEA==A",
            "AQIDBAUGBwgJCgsMDQ4PEBES==",
            "AQI=BAUGBwgJCgsMDQ4PEBE=",
            "AQIDBAUGBwgJCgsMDQ4P-_==",
            "AQIDBAUGBwgJCgsMDQ4P A==",
            "AQIDBAUGBwgJCgsMDQ4Pé==",
        ] {
            assert!(!is_valid_key(key), "{key}");
        }
    }
}
