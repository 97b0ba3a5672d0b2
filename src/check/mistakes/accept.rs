//! Mistakes in computing the value of `Sec-WebSocket-Accept`.

use data_encoding::{BASE64, HEXLOWER, HEXUPPER};
use sha1::{Digest, Sha1};

use crate::protocol::{AcceptKey, GUID};

/// The mistake that makes `found` the answer to `key`, and what to do instead. `None` if it is not a known one.
pub fn of_accept(key: &str, found: &str) -> Option<String> {
    let sha1 = |text: &[u8]| Sha1::digest(text).to_vec();
    let base64 = |text: &[u8]| BASE64.encode(&sha1(text));
    let joined = format!("{key}{GUID}");
    let right = AcceptKey::of(key).accept;
    let decoded = BASE64.decode(key.as_bytes()).unwrap_or_default();
    let digest = sha1(joined.as_bytes());
    let of_hex = |hex: String| BASE64.encode(hex.as_bytes());
    let hex = "You base64-encoded the 40 hex digits of the SHA-1 hash. Encode its 20 raw bytes.";
    let known = [
        (of_hex(HEXLOWER.encode(&digest)), hex),
        (of_hex(HEXUPPER.encode(&digest)), hex),
        (
            HEXLOWER.encode(&digest),
            "This is the SHA-1 hash in hex. Base64-encode its 20 raw bytes instead.",
        ),
        (
            HEXUPPER.encode(&digest),
            "This is the SHA-1 hash in hex. Base64-encode its 20 raw bytes instead.",
        ),
        (
            base64(&[&decoded[..], GUID.as_bytes()].concat()),
            "You base64-decoded the key first. Hash the text of the key as it stands in the header.",
        ),
        (
            base64(key.as_bytes()),
            "You forgot the GUID. It comes after the key: hash key and GUID as one string.",
        ),
        (
            base64(format!("{key}{}", GUID.to_lowercase()).as_bytes()),
            "You wrote the GUID in lower case. It is text and not a number, so its letters must be capitals.",
        ),
        (
            base64(format!("{GUID}{key}").as_bytes()),
            "You put the GUID before the key. It comes after the key.",
        ),
        (
            base64(format!("{key}\r\n{GUID}").as_bytes()),
            "You left the line end (CR LF) on the key. Trim the header's value.",
        ),
        (
            base64(format!("{key}\n{GUID}").as_bytes()),
            "You left the line end (LF) on the key. Trim the header's value.",
        ),
        (
            base64(format!("{key}\r{GUID}").as_bytes()),
            "You left a CR on the key. Trim the header's value.",
        ),
        (
            base64(format!(" {key}{GUID}").as_bytes()),
            "You left the space after the colon on the key. Trim the header's value.",
        ),
        (
            base64(format!("{joined}\n").as_bytes()),
            "You hashed a line end after the GUID. Hash key and GUID, and nothing else.",
        ),
        (
            right.replace('+', "-").replace('/', "_"),
            "You used the URL-safe alphabet of base64, with - and _. The standard one has + and /.",
        ),
        (
            right.trim_end_matches('=').to_owned(),
            "You dropped the padding (=) at the end. It belongs to the value.",
        ),
        (key.to_owned(), "You sent the key itself back. Hash it together with the GUID."),
        (
            BASE64.encode(joined.as_bytes()),
            "You base64-encoded key and GUID without hashing them. Take their SHA-1 hash first.",
        ),
    ];
    if let Some((_, why)) = known.iter().find(|(value, _)| value == found) {
        return Some((*why).to_owned());
    }
    let bytes = BASE64.decode(found.as_bytes()).ok()?.len();
    let hash = match bytes {
        16 => "MD5",
        32 => "SHA-256",
        64 => "SHA-512",
        _ => return None,
    };
    Some(format!(
        "This decodes to {bytes} bytes, the length of a {hash} hash. A SHA-1 hash has 20 bytes."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::request::SAMPLE_KEY;

    /// The values were computed by other programs.
    #[test]
    fn each_wrong_accept_value_is_explained() {
        for (value, names) in [
            ("YjM3YTRmMmNjMDYyNGYxNjkwZjY0NjA2Y2YzODU5NDViMmJlYzRlYQ==", "hex digits"),
            ("QjM3QTRGMkNDMDYyNEYxNjkwRjY0NjA2Q0YzODU5NDVCMkJFQzRFQQ==", "hex digits"),
            ("b37a4f2cc0624f1690f64606cf385945b2bec4ea", "in hex"),
            ("BXhwxM0SZasKmCD9S4BfpPmCnEw=", "base64-decoded"),
            ("hHLtf2V1k8aDQZfNjw3Ia1hCwt0=", "forgot"),
            ("WJfwerbIozKsJXHxxI0JTO1SQgU=", "lower case"),
            ("2OZf2Seed9yzIpkj+zvC9KS9Mjw=", "before"),
            ("kex8Ji4w0ek1Mc3Dwcf4mOpf5b4=", "CR LF"),
            ("r9/ho7dygrDPAQf/zFnJxWqPVO4=", "(LF)"),
            ("s3mCG3XUBfFRrUGpYOBQiHm5i8g=", "space"),
            ("c8qeCxwB8sJPxkSckeL76bKL7f642+KYzDiR7EbKyTY=", "SHA-256"),
            ("fI/F95pFHyUax3HLt0ktmQ==", "MD5"),
            ("s3pPLMBiTxaQ9kYGzzhZRbK-xOo=", "URL-safe"),
            ("s3pPLMBiTxaQ9kYGzzhZRbK+xOo", "padding"),
            (SAMPLE_KEY, "itself"),
        ] {
            let why =
                of_accept(SAMPLE_KEY, value).unwrap_or_else(|| panic!("{value} is not explained"));
            assert!(why.contains(names), "{value}: {why}");
        }
        assert_eq!(of_accept(SAMPLE_KEY, "AAAAAAAAAAAAAAAAAAAAAAAAAAA="), None);
    }
}
