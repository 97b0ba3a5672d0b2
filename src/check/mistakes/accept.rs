//! The wrong answers to a `Sec-WebSocket-Key`.

use data_encoding::{BASE64, HEXLOWER, HEXUPPER};
use sha1::{Digest, Sha1};

use crate::protocol::{AcceptKey, GUID};

/// The wrong answers to a Sec-WebSocket-Key, each with the mistake that leads to it.
pub fn of_accept(key: &str, found: &str) -> Option<String> {
    let sha1 = |text: &[u8]| Sha1::digest(text).to_vec();
    let base64 = |text: &[u8]| BASE64.encode(&sha1(text));
    let joined = format!("{key}{GUID}");
    let right = AcceptKey::of(key).accept;
    let decoded = BASE64.decode(key.as_bytes()).unwrap_or_default();
    let digest = sha1(joined.as_bytes());
    let of_hex = |hex: String| BASE64.encode(hex.as_bytes());
    let hex = "You base64-encoded the 40 hex letters of the SHA-1. Encode its 20 raw bytes.";
    let known = [
        (of_hex(HEXLOWER.encode(&digest)), hex),
        (of_hex(HEXUPPER.encode(&digest)), hex),
        (
            HEXLOWER.encode(&digest),
            "This is the SHA-1 in hex. Base64-encode its 20 raw bytes instead.",
        ),
        (
            HEXUPPER.encode(&digest),
            "This is the SHA-1 in hex. Base64-encode its 20 raw bytes instead.",
        ),
        (
            base64(&[&decoded[..], GUID.as_bytes()].concat()),
            "You base64-decoded the key first. Take its text as it stands in the header.",
        ),
        (
            base64(key.as_bytes()),
            "The GUID was forgotten. It comes after the key: SHA-1 of key and GUID in one string.",
        ),
        (
            base64(format!("{key}{}", GUID.to_lowercase()).as_bytes()),
            "The GUID is in lower case. It is text, not a number: its letters are capitals.",
        ),
        (base64(format!("{GUID}{key}").as_bytes()), "The GUID comes after the key, not before it."),
        (
            base64(format!("{key}\r\n{GUID}").as_bytes()),
            "The line end (CR LF) was left on the key. Trim the header's value.",
        ),
        (
            base64(format!("{key}\n{GUID}").as_bytes()),
            "The line end (LF) was left on the key. Trim the header's value.",
        ),
        (
            base64(format!("{key}\r{GUID}").as_bytes()),
            "A CR was left on the key. Trim the header's value.",
        ),
        (
            base64(format!(" {key}{GUID}").as_bytes()),
            "The space after the colon was left on the key. Trim the header's value.",
        ),
        (
            base64(format!("{joined}\n").as_bytes()),
            "There is a line end after the GUID in what you hash.",
        ),
        (
            right.replace('+', "-").replace('/', "_"),
            "This is base64 with the URL-safe alphabet (- and _). The standard one has + and /.",
        ),
        (
            right.trim_end_matches('=').to_owned(),
            "The padding (=) at the end was dropped. It belongs to the value.",
        ),
        (key.to_owned(), "You sent the key itself back. It must be hashed together with the GUID."),
        (
            BASE64.encode(joined.as_bytes()),
            "You base64-encoded key and GUID without hashing them: the SHA-1 is missing.",
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
    Some(format!("This decodes to {bytes} bytes, as {hash} gives. SHA-1 gives 20."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::request::SAMPLE_KEY;

    /// The values of known wrong servers, computed elsewhere.
    #[test]
    fn wrong_accept_values_have_names() {
        for (value, names) in [
            ("YjM3YTRmMmNjMDYyNGYxNjkwZjY0NjA2Y2YzODU5NDViMmJlYzRlYQ==", "hex letters"),
            ("QjM3QTRGMkNDMDYyNEYxNjkwRjY0NjA2Q0YzODU5NDVCMkJFQzRFQQ==", "hex letters"),
            ("b37a4f2cc0624f1690f64606cf385945b2bec4ea", "in hex"),
            ("BXhwxM0SZasKmCD9S4BfpPmCnEw=", "decoded"),
            ("hHLtf2V1k8aDQZfNjw3Ia1hCwt0=", "forgotten"),
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
            let why = of_accept(SAMPLE_KEY, value).unwrap_or_else(|| panic!("{value} has no name"));
            assert!(why.contains(names), "{value}: {why}");
        }
        assert_eq!(of_accept(SAMPLE_KEY, "AAAAAAAAAAAAAAAAAAAAAAAAAAA="), None);
    }
}
