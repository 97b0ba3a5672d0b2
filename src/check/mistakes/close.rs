//! Mistakes in answering a Close.

use crate::check::received::close_code;
use crate::protocol::mask;

/// Bytes of the longest control frame's payload (RFC 6455 section 5.5).
const MAX_CONTROL: usize = 125;

/// The codes that two known mistakes make of `code`: with its bytes swapped, and still masked with the first key.
pub fn of_close_code(code: u16) -> [u16; 2] {
    let mut masked = code.to_be_bytes();
    mask(&mut masked, [0x37, 0xfa, 0x21, 0x3d]);
    [code.swap_bytes(), u16::from_be_bytes(masked)]
}

/// The mistake in `body`, the body of the Close that answers a Close with the body `asked`, as a sentence.
pub fn in_close(body: &[u8], asked: &[u8]) -> Option<String> {
    let reason = body.get(2..).unwrap_or_default();
    match close_code(body) {
        None if body.is_empty() => None,
        None => Some("Your Close has one byte of payload, but a close code has two.".to_owned()),
        Some(code) if body[..2].iter().all(u8::is_ascii_digit) => Some(format!(
            "{} is not a close code: {:02x} {:02x} are the characters {:?}. Write the code as a number in two bytes, \
             high byte first: 1000 is 03 e8.",
            code.0,
            body[0],
            body[1],
            String::from_utf8_lossy(&body[..2])
        )),
        // Step 8.2 explains these.
        Some(code)
            if close_code(asked).is_some_and(|sent| of_close_code(sent.0).contains(&code.0)) =>
        {
            None
        }
        Some(code) if !code.may_travel() => Some(format!(
            "Your server sent the close code {code}, which must not be in a Close frame."
        )),
        Some(_) if body.len() > MAX_CONTROL => Some(format!(
            "Your Close has {} bytes of payload, but a control frame may have {MAX_CONTROL} at most.",
            body.len()
        )),
        Some(_) if std::str::from_utf8(reason).is_err() => {
            Some("The reason in your Close is not UTF-8.".to_owned())
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_with_the_same_code_shows_no_mistake() {
        for code in [1000_u16, 1001, 3000, 4999] {
            assert_eq!(in_close(&code.to_be_bytes(), &code.to_be_bytes()), None);
            assert!(!of_close_code(code).contains(&code), "{code}");
        }
        assert_eq!(in_close(b"", &1000_u16.to_be_bytes()), None);
    }

    #[test]
    fn a_wrong_close_is_explained() {
        let long = [&1000_u16.to_be_bytes()[..], &[b'r'; 124]].concat();
        for (body, words) in [
            (&b"\x03"[..], "one byte"),
            (b"10", "the characters \"10\""),
            (b"\x03\xed", "must not be"),
            (&long, "126 bytes"),
            (b"\x03\xe8\xff", "not UTF-8"),
        ] {
            let fault = in_close(body, &1000_u16.to_be_bytes()).expect("a fault");
            assert!(fault.contains(words), "{body:?}: {fault}");
        }
    }
}
