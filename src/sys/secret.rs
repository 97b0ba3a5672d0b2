//! Secrets: 128 random bits by which the server recognizes a browser tab or the teacher.

use std::fmt;
use std::hint::black_box;
use std::io;

/// Hex digits of a secret: two for each of its 16 bytes.
const DIGITS: usize = 32;

/// 128 random bits, written as 32 hex digits.
///
/// It implements neither `Display` nor `Serialize`, and its `Debug` hides it. So no log line and no view can
/// show it by mistake; only [`reveal`](Self::reveal) does.
#[derive(Clone, Copy)]
pub struct Secret(u128);

impl Secret {
    /// Makes a secret from the randomness of the operating system.
    ///
    /// # Errors
    /// When the system does not give any.
    pub fn random() -> io::Result<Secret> {
        let mut bytes = [0; DIGITS / 2];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        Ok(Secret(u128::from_be_bytes(bytes)))
    }

    /// Reads exactly 32 hex digits. Any other text is not a secret, because a short one could be guessed.
    pub fn parse(text: &str) -> Option<Secret> {
        // `from_str_radix` alone would also accept a sign.
        let is_hex = text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        u128::from_str_radix(text, 16).ok().filter(|_| is_hex).map(Secret)
    }

    /// The secret as text. Only the teacher's link and a request that must carry it may have it.
    pub fn reveal(self) -> String {
        format!("{:0DIGITS$x}", self.0)
    }
}

/// Compares all bits in any case. The time that it takes does not tell how many of them were right.
impl PartialEq for Secret {
    fn eq(&self, other: &Secret) -> bool {
        black_box(self.0 ^ other.0) == 0
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// The sender of a request that asks about connections: the ones that belong to it, and its rights on others.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asker {
    /// The secret of the tab that asks. The connections that were opened with the same secret are its own.
    pub tab: Option<Secret>,
    /// Whether the request has the teacher's secret.
    pub is_teacher: bool,
    /// Whether the asker may see the connections of others too.
    pub sees_all: bool,
}

impl Asker {
    /// The person at the server's own terminal, who sees all connections.
    pub const OPERATOR: Asker = Asker { tab: None, is_teacher: false, sees_all: true };

    /// Whether a connection that was opened with the secret `tab` is the asker's own. A connection without a secret
    /// belongs to nobody.
    pub fn owns(&self, tab: Option<Secret>) -> bool {
        tab.is_some() && self.tab == tab
    }

    /// Whether the asker may see a connection that was opened with the secret `tab`.
    pub fn may_see(&self, tab: Option<Secret>) -> bool {
        self.sees_all || self.owns(tab)
    }

    /// Whether the server does something to that connection when the asker wants it, such as close it.
    pub fn may_command(&self, tab: Option<Secret>) -> bool {
        self.is_teacher || self.owns(tab)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_32_hex_digits_and_is_not_shown_by_debug() {
        let text = "0123456789abcdefFEDCBA9876543210";
        let secret = Secret::parse(text).expect("a secret");
        assert_eq!(secret.reveal(), text.to_ascii_lowercase());
        assert_eq!(format!("{secret:?}"), "Secret(hidden)");
        assert!(secret == Secret::parse(&text.to_ascii_lowercase()).expect("the same"));
        assert!(secret != Secret::parse(&text.replace("10", "11")).expect("another"));
        let long = format!("{text}0");
        for other in ["", "x7", &text[1..], &long, &text.replace('0', "+"), &text.replace('0', "g")]
        {
            assert!(Secret::parse(other).is_none(), "{other}");
        }
    }

    #[test]
    fn random_secrets_differ() {
        let [first, second] = [(); 2].map(|()| Secret::random().expect("randomness"));
        assert!(first != second);
        assert_eq!(Secret::parse(&first.reveal()), Some(first));
    }

    #[test]
    fn a_connection_without_a_secret_belongs_to_nobody() {
        let tab = Secret::random().expect("randomness");
        let other = Secret::random().expect("randomness");
        let stranger = Asker::default();
        let page = Asker { tab: Some(tab), ..stranger };
        let teacher = Asker { is_teacher: true, sees_all: true, ..stranger };
        let rights =
            |asker: Asker, tab| [asker.owns(tab), asker.may_see(tab), asker.may_command(tab)];
        assert_eq!(rights(stranger, None), [false; 3]);
        assert_eq!(rights(stranger, Some(tab)), [false; 3]);
        assert_eq!(rights(page, None), [false; 3]);
        assert_eq!(rights(page, Some(other)), [false; 3]);
        assert_eq!(rights(page, Some(tab)), [true; 3]);
        assert_eq!(rights(teacher, None), [false, true, true]);
        assert_eq!(rights(Asker::OPERATOR, Some(tab)), [false, true, false]);
    }
}
