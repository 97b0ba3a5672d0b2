//! Close codes: the number in a Close frame that says why the connection ends.

use std::fmt;

/// A close code (RFC 6455 section 7.4).
///
/// ```
/// use chalkwire::protocol::CloseCode;
/// assert_eq!(CloseCode(1006).name(), "abnormal closure");
/// assert_eq!(CloseCode(1006).meaning(), "the connection ended without a Close frame");
/// assert!(!CloseCode(1006).may_travel());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CloseCode(pub u16);

/// One row of the table of close codes.
struct Entry {
    code: u16,
    /// The name in IANA's registry: the words that other programs and search engines use.
    name: &'static str,
    /// The same in plain words.
    meaning: &'static str,
    /// Whether the code may stand in a Close frame.
    may_travel: bool,
}

const fn entry(code: u16, name: &'static str, meaning: &'static str, may_travel: bool) -> Entry {
    Entry { code, name, meaning, may_travel }
}

/// IANA's WebSocket Close Code Number Registry: the codes of RFC 6455 section 7.4.1, and 1012 to 1014,
/// which were registered later.
const CLOSE_CODES: [Entry; 16] = [
    entry(1000, "normal closure", "the work is done", true),
    entry(1001, "going away", "the user leaves the page, or the server stops", true),
    entry(1002, "protocol error", "the peer broke a rule of RFC 6455", true),
    entry(1003, "unsupported data", "this side cannot use this type of message", true),
    entry(1004, "reserved", "not defined yet", false),
    entry(1005, "no status received", "the Close frame had no code", false),
    entry(1006, "abnormal closure", "the connection ended without a Close frame", false),
    entry(1007, "invalid frame payload data", "the text was not UTF-8", true),
    entry(1008, "policy violation", "the peer broke a rule of this side's own", true),
    entry(1009, "message too big", "the message is longer than this side accepts", true),
    entry(1010, "mandatory extension", "the client needs an extension that the server lacks", true),
    entry(1011, "internal error", "the server has failed", true),
    entry(1012, "service restart", "the server restarts", true),
    entry(1013, "try again later", "the server has too much to do", true),
    entry(1014, "bad gateway", "a server behind the gateway gave an invalid answer", true),
    entry(1015, "TLS handshake", "the TLS handshake failed", false),
];

impl CloseCode {
    /// The server stops, or the user leaves the page.
    pub const GOING_AWAY: CloseCode = CloseCode(1001);
    /// The peer broke a rule of RFC 6455.
    pub const PROTOCOL_ERROR: CloseCode = CloseCode(1002);
    /// The Close frame had no code. A program is told this number; a Close frame never carries it.
    pub const NO_STATUS_RECEIVED: CloseCode = CloseCode(1005);
    /// The connection ended without a Close frame. A program is told this number; a Close frame never
    /// carries it.
    pub const ABNORMAL_CLOSURE: CloseCode = CloseCode(1006);
    /// The text was not UTF-8.
    pub const INVALID_PAYLOAD_DATA: CloseCode = CloseCode(1007);
    /// The peer broke a rule of this server's own.
    pub const POLICY_VIOLATION: CloseCode = CloseCode(1008);
    /// The message is longer than the limit.
    pub const MESSAGE_TOO_BIG: CloseCode = CloseCode(1009);
    /// The server has failed.
    pub const INTERNAL_ERROR: CloseCode = CloseCode(1011);
    /// The server has too much to do (registered with IANA after RFC 6455).
    pub const TRY_AGAIN_LATER: CloseCode = CloseCode(1013);

    fn entry(self) -> Option<&'static Entry> {
        CLOSE_CODES.iter().find(|entry| entry.code == self.0)
    }

    /// The name in IANA's registry, or of the range that the code is in.
    pub fn name(self) -> &'static str {
        match (self.entry(), self.0) {
            (Some(entry), _) => entry.name,
            (None, 3000..4000) => "registered with IANA",
            (None, 4000..5000) => "private use",
            (None, _) => "undefined",
        }
    }

    /// The meaning in plain words.
    pub fn meaning(self) -> &'static str {
        match (self.entry(), self.0) {
            (Some(entry), _) => entry.meaning,
            (None, 3000..4000) => "a library or framework has reserved it",
            (None, 4000..5000) => "the application decides what it means",
            (None, _) => "RFC 6455 does not define it",
        }
    }

    /// Whether the code may stand in a Close frame. 1005, 1006 and 1015 may not: a program is told
    /// them when no code has come (RFC 6455 section 7.4.1).
    pub fn may_travel(self) -> bool {
        self.entry().map_or((3000..5000).contains(&self.0), |entry| entry.may_travel)
    }
}

/// The number with its registered name, as in `1001 (going away)`.
impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.0, self.name())
    }
}

/// The longest reason that a Close frame can carry, in bytes: 125 less the two of the code
/// (RFC 6455 section 5.5).
pub const MAX_REASON: usize = 123;

/// The part of `reason` that a Close frame can carry, cut between characters.
pub fn fit_reason(reason: &str) -> &str {
    &reason[..reason.floor_char_boundary(MAX_REASON)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_that_may_travel_are_those_of_section_7_4() {
        let travelling = (0..=u16::MAX).filter(|code| CloseCode(*code).may_travel());
        let expected: Vec<u16> = (1000..=1003).chain(1007..=1014).chain(3000..=4999).collect();
        assert_eq!(travelling.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn each_code_has_its_registered_name_and_a_plain_meaning() {
        assert_eq!(CloseCode(1005).to_string(), "1005 (no status received)");
        assert_eq!(CloseCode(1006).to_string(), "1006 (abnormal closure)");
        assert_eq!(CloseCode(1005).meaning(), "the Close frame had no code");
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
