//! Holds bytes against UTF-8 piece by piece: a text may be cut inside a character, by the network or
//! into fragments, and may be wrong long before it is complete (RFC 6455 section 8.1).

/// A text of which a part has passed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Utf8Check {
    /// The character that has begun and is not complete.
    begun: Vec<u8>,
}

/// What no continuation can make UTF-8 any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotUtf8;

impl Utf8Check {
    /// Takes the next bytes of the text.
    ///
    /// # Errors
    /// When the text cannot become UTF-8 whatever comes next.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Result<(), NotUtf8> {
        while let (false, [first, rest @ ..]) = (self.begun.is_empty(), bytes) {
            self.begun.push(*first);
            bytes = rest;
            match std::str::from_utf8(&self.begun) {
                Ok(_) => self.begun.clear(),
                Err(error) if error.error_len().is_none() => {}
                Err(_) => return Err(NotUtf8),
            }
        }
        match std::str::from_utf8(bytes) {
            Ok(_) => Ok(()),
            Err(error) if error.error_len().is_none() => {
                self.begun.extend_from_slice(&bytes[error.valid_up_to()..]);
                Ok(())
            }
            Err(_) => Err(NotUtf8),
        }
    }

    /// Says that nothing follows.
    ///
    /// # Errors
    /// When the text ends inside a character.
    pub fn finish(&self) -> Result<(), NotUtf8> {
        if self.begun.is_empty() { Ok(()) } else { Err(NotUtf8) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After how many bytes a text is known to be wrong; one more than it has if only by its end.
    fn wrong_after(text: &[u8]) -> Option<usize> {
        let mut check = Utf8Check::default();
        for (at, byte) in text.iter().enumerate() {
            if check.feed(&[*byte]).is_err() {
                return Some(at + 1);
            }
        }
        check.finish().is_err().then_some(text.len() + 1)
    }

    #[test]
    fn good_text_is_good_however_it_is_cut() {
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
    fn bad_text_is_known_at_the_byte_that_cannot_follow() {
        for (text, wrong) in [
            (&b"ab\xff"[..], 3),
            (b"\xc0\xaf", 1),
            (b"\xed\xa0\x80", 2),
            (b"\xf4\x90\x80\x80", 2),
            (b"\xf8\x88\x80\x80\x80", 1),
            (b"\xe2\x82x", 3),
            (b"\x80", 1),
            (b"\xe2\x82", 3),
        ] {
            assert_eq!(wrong_after(text), Some(wrong), "{text:02x?}");
            let mut whole = Utf8Check::default();
            assert_eq!(whole.feed(text).and_then(|()| whole.finish()), Err(NotUtf8));
        }
        assert_eq!(wrong_after("5 €".as_bytes()), None);
    }
}
