//! Why connections end: one table of close codes, one list of faults.

use std::fmt;

/// A close code (RFC 6455 section 7.4), with what it means.
///
/// ```
/// use chalkwire::protocol::CloseCode;
/// assert_eq!(CloseCode(1001).name(), "going away");
/// assert!(!CloseCode(1006).may_travel());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CloseCode(pub u16);

/// The codes with a meaning of their own: RFC 6455 section 7.4.1, and 1012 to 1014 from IANA's
/// registry. The flag says whether the code may stand in a Close frame.
const CLOSE_CODES: [(u16, &str, bool); 16] = [
    (1000, "normal closure", true),
    (1001, "going away", true),
    (1002, "protocol error", true),
    (1003, "cannot accept this type of data", true),
    (1004, "reserved", false),
    (1005, "no code given", false),
    (1006, "no Close received", false),
    (1007, "data does not match its type", true),
    (1008, "policy violation", true),
    (1009, "message too big", true),
    (1010, "client wanted an extension", true),
    (1011, "server fault", true),
    (1012, "service restarts", true),
    (1013, "try again later", true),
    (1014, "bad gateway", true),
    (1015, "TLS handshake failed", false),
];

impl CloseCode {
    /// The server or the page goes away.
    pub const GOING_AWAY: CloseCode = CloseCode(1001);
    /// A frame broke the protocol.
    pub const PROTOCOL_ERROR: CloseCode = CloseCode(1002);
    /// No Close frame gave a code. Never sent.
    pub const NO_STATUS_RECEIVED: CloseCode = CloseCode(1005);
    /// The connection ended without a Close frame. Never sent.
    pub const ABNORMAL_CLOSURE: CloseCode = CloseCode(1006);
    /// A text that is not UTF-8.
    pub const INVALID_PAYLOAD_DATA: CloseCode = CloseCode(1007);
    /// The peer broke a rule of this server's, not of the protocol.
    pub const POLICY_VIOLATION: CloseCode = CloseCode(1008);
    /// A message over the limit.
    pub const MESSAGE_TOO_BIG: CloseCode = CloseCode(1009);
    /// Something went wrong here.
    pub const INTERNAL_ERROR: CloseCode = CloseCode(1011);

    /// The meaning in a few words.
    pub fn name(self) -> &'static str {
        match CLOSE_CODES.iter().find(|(code, ..)| *code == self.0) {
            Some((_, name, _)) => name,
            None if (3000..4000).contains(&self.0) => "registered with IANA",
            None if (4000..5000).contains(&self.0) => "private use",
            None => "undefined",
        }
    }

    /// Whether the code may stand in a Close frame. 1005, 1006 and 1015 only ever appear in
    /// what a program is told (RFC 6455 section 7.4.1).
    pub fn may_travel(self) -> bool {
        match CLOSE_CODES.iter().find(|(code, ..)| *code == self.0) {
            Some((.., travels)) => *travels,
            None => (3000..5000).contains(&self.0),
        }
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.0, self.name())
    }
}

/// The longest reason a Close frame can carry, in bytes: 125 less the two of the code
/// (RFC 6455 section 5.5).
pub const MAX_REASON: usize = 123;

/// As much of `reason` as a Close frame can carry, cut between characters.
pub fn fit_reason(reason: &str) -> &str {
    &reason[..reason.floor_char_boundary(MAX_REASON)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_may_travel_are_those_of_section_7_4() {
        let travelling = (0..=u16::MAX).filter(|code| CloseCode(*code).may_travel());
        let expected: Vec<u16> = (1000..=1003).chain(1007..=1014).chain(3000..=4999).collect();
        assert_eq!(travelling.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn every_code_tells_what_it_means() {
        assert_eq!(CloseCode(1006).to_string(), "1006 (no Close received)");
        assert_eq!(CloseCode(1015).name(), "TLS handshake failed");
        assert_eq!(CloseCode(3000).name(), "registered with IANA");
        assert_eq!(CloseCode(4999).name(), "private use");
        assert_eq!(CloseCode(5000).name(), "undefined");
    }

    #[test]
    fn a_reason_is_cut_between_characters() {
        let long = "é".repeat(100);
        assert_eq!(fit_reason(&long).len(), 122);
        assert_eq!(fit_reason("short"), "short");
    }
}
