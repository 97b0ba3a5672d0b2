//! Checks UTF-8 piece by piece (RFC 6455 section 8.1).
//!
//! The network or the sender's fragments may cut a text inside a character, so the first bytes of a
//! character wait here for the rest. A text can also be wrong long before its last byte arrives.

/// The check of one text, of which some bytes have passed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Utf8Check {
    /// The first bytes of a character whose last bytes have not arrived.
    incomplete: Vec<u8>,
}

/// The error for bytes that are not UTF-8, whatever follows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotUtf8;

impl Utf8Check {
    /// Checks the next bytes of the text.
    ///
    /// # Errors
    /// The text is not UTF-8, whatever follows.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Result<(), NotUtf8> {
        while let (false, [first, rest @ ..]) = (self.incomplete.is_empty(), bytes) {
            self.incomplete.push(*first);
            bytes = rest;
            match std::str::from_utf8(&self.incomplete) {
                Ok(_) => self.incomplete.clear(),
                Err(error) if error.error_len().is_none() => {}
                Err(_) => return Err(NotUtf8),
            }
        }
        match std::str::from_utf8(bytes) {
            Ok(_) => Ok(()),
            Err(error) if error.error_len().is_none() => {
                self.incomplete.extend_from_slice(&bytes[error.valid_up_to()..]);
                Ok(())
            }
            Err(_) => Err(NotUtf8),
        }
    }

    /// Checks that the text may end here.
    ///
    /// # Errors
    /// The text ends inside a character.
    pub fn finish(&self) -> Result<(), NotUtf8> {
        if self.incomplete.is_empty() { Ok(()) } else { Err(NotUtf8) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of bytes after which the check fails; one more than `text` has if only its end is wrong.
    fn fails_after(text: &[u8]) -> Option<usize> {
        let mut check = Utf8Check::default();
        for (at, byte) in text.iter().enumerate() {
            if check.feed(&[*byte]).is_err() {
                return Some(at + 1);
            }
        }
        check.finish().is_err().then_some(text.len() + 1)
    }

    #[test]
    fn valid_text_passes_however_it_is_cut() {
        let text = "κόσμε, 你好, 🦀, \u{10ffff}\u{0}".as_bytes();
        for size in 1..=text.len() {
            let mut check = Utf8Check::default();
            for piece in text.chunks(size) {
                assert_eq!(check.feed(piece), Ok(()), "in pieces of {size}");
            }
            assert_eq!(check.finish(), Ok(()));
        }
    }

    #[test]
    fn the_check_fails_at_the_first_byte_that_cannot_follow() {
        for (text, length) in [
            (&b"ab\xff"[..], 3),
            (b"\xc0\xaf", 1),
            (b"\xed\xa0\x80", 2),
            (b"\xf4\x90\x80\x80", 2),
            (b"\xf8\x88\x80\x80\x80", 1),
            (b"\xe2\x82x", 3),
            (b"\x80", 1),
            (b"\xe2\x82", 3),
        ] {
            assert_eq!(fails_after(text), Some(length), "{text:02x?}");
            let mut whole = Utf8Check::default();
            assert_eq!(whole.feed(text).and_then(|()| whole.finish()), Err(NotUtf8));
        }
        assert_eq!(fails_after("5 €".as_bytes()), None);
    }
}
