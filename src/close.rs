//! Why connections end: one table of close codes, one list of faults.

use std::fmt;
use std::time::Duration;

use crate::frame::Opcode;

/// A close code (RFC 6455 section 7.4), with what it means.
///
/// ```
/// use chalkwire::close::CloseCode;
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
    pub const NO_CODE: CloseCode = CloseCode(1005);
    /// The connection ended without a Close frame. Never sent.
    pub const ABNORMAL: CloseCode = CloseCode(1006);
    /// A text that is not UTF-8.
    pub const INVALID_DATA: CloseCode = CloseCode(1007);
    /// The peer broke a rule of this server's, not of the protocol.
    pub const POLICY_VIOLATION: CloseCode = CloseCode(1008);
    /// A message over the limit.
    pub const TOO_BIG: CloseCode = CloseCode(1009);
    /// Something went wrong here.
    pub const SERVER_FAULT: CloseCode = CloseCode(1011);

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

/// What a peer can do that ends its connection. Each fault has one close code, and its text is
/// the reason that travels in the Close frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// RSV1, RSV2 or RSV3 is set: the three bits, as they stand in the frame's first byte >> 4.
    ReservedBits(u8),
    /// An opcode that RFC 6455 gives no meaning to.
    ReservedOpcode(u8),
    /// A frame from a client without a masking key.
    NotMasked,
    /// A control frame with FIN 0.
    FragmentedControl(Opcode),
    /// A control frame with more than 125 bytes: how many.
    LongControl(Opcode, u64),
    /// A length in more bytes than it needs: the length, and the bits it was written in.
    LengthNotMinimal(u64, u8),
    /// A 64-bit length whose highest bit is set.
    LengthTopBit,
    /// A message of more bytes than the limit, which is named.
    MessageTooBig(usize),
    /// A continuation frame while no message is open.
    NothingToContinue,
    /// A new text or binary frame while a message is open.
    MessageStillOpen,
    /// A message in more frames than the limit, which is named.
    TooManyFragments(u32),
    /// A text, or the reason in a Close frame, that is not UTF-8.
    InvalidUtf8,
    /// A Close frame with a body of one byte: a code has two.
    CloseBody,
    /// A Close frame with a code that must not be sent, or that means nothing.
    CloseCode(u16),
    /// No answer to a Ping in the time given.
    NoPong(Duration),
    /// Something went wrong here, not there.
    ServerFault,
    /// Anything else that tungstenite refuses, in its words.
    Other(String),
}

impl Fault {
    /// The one table from what went wrong to the close code that says so, with the section of
    /// RFC 6455 that has the rule.
    fn verdict(&self) -> (CloseCode, &'static str) {
        match self {
            Fault::ReservedBits(_) => (CloseCode::PROTOCOL_ERROR, "5.2"),
            Fault::ReservedOpcode(_) => (CloseCode::PROTOCOL_ERROR, "5.2"),
            Fault::NotMasked => (CloseCode::PROTOCOL_ERROR, "5.1"),
            Fault::FragmentedControl(_) => (CloseCode::PROTOCOL_ERROR, "5.5"),
            Fault::LongControl(..) => (CloseCode::PROTOCOL_ERROR, "5.5"),
            Fault::LengthNotMinimal(..) => (CloseCode::PROTOCOL_ERROR, "5.2"),
            Fault::LengthTopBit => (CloseCode::PROTOCOL_ERROR, "5.2"),
            Fault::MessageTooBig(_) => (CloseCode::TOO_BIG, "10.4"),
            Fault::NothingToContinue => (CloseCode::PROTOCOL_ERROR, "5.4"),
            Fault::MessageStillOpen => (CloseCode::PROTOCOL_ERROR, "5.4"),
            Fault::TooManyFragments(_) => (CloseCode::POLICY_VIOLATION, "10.4"),
            Fault::InvalidUtf8 => (CloseCode::INVALID_DATA, "8.1"),
            Fault::CloseBody => (CloseCode::PROTOCOL_ERROR, "5.5.1"),
            Fault::CloseCode(_) => (CloseCode::PROTOCOL_ERROR, "7.4"),
            Fault::NoPong(_) => (CloseCode::POLICY_VIOLATION, "5.5.2"),
            Fault::ServerFault => (CloseCode::SERVER_FAULT, "7.4.1"),
            Fault::Other(_) => (CloseCode::PROTOCOL_ERROR, "7.1.7"),
        }
    }

    /// The close code that tells the peer.
    pub fn close_code(&self) -> CloseCode {
        self.verdict().0
    }

    /// The section of RFC 6455 that has the rule.
    pub fn rfc_section(&self) -> &'static str {
        self.verdict().1
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::ReservedBits(bits) => {
                write!(f, "RSV bits are {bits:03b}, but no extension was agreed on")
            }
            Fault::ReservedOpcode(opcode) => write!(f, "opcode {opcode:#x} is reserved"),
            Fault::NotMasked => write!(f, "a client must mask every frame"),
            Fault::FragmentedControl(opcode) => write!(f, "a {opcode} must not be fragmented"),
            Fault::LongControl(opcode, length) => {
                write!(f, "a {opcode} has at most 125 bytes, not {length}")
            }
            Fault::LengthNotMinimal(length, bits) => {
                write!(f, "length {length} needs fewer than {bits} bits")
            }
            Fault::LengthTopBit => write!(f, "the highest bit of a 64-bit length must be 0"),
            Fault::MessageTooBig(limit) => write!(f, "a message has at most {limit} bytes here"),
            Fault::NothingToContinue => write!(f, "a continuation frame, but no message is open"),
            Fault::MessageStillOpen => write!(f, "a new message before the last was finished"),
            Fault::TooManyFragments(limit) => {
                write!(f, "a message has at most {limit} fragments here")
            }
            Fault::InvalidUtf8 => write!(f, "text that is not UTF-8"),
            Fault::CloseBody => write!(f, "a Close has no body, or a code of two bytes first"),
            Fault::CloseCode(code) => write!(f, "close code {code} may not be sent"),
            Fault::NoPong(time) => write!(f, "no answer to a Ping within {time:?}"),
            Fault::ServerFault => write!(f, "a fault in the server"),
            Fault::Other(text) => f.write_str(text),
        }?;
        write!(f, " (RFC 6455 {})", self.rfc_section())
    }
}

impl std::error::Error for Fault {}

/// Holds the body of a Close against the rules (RFC 6455 section 5.5.1).
///
/// # Errors
/// The rule that it breaks.
pub fn check_close_body(body: &[u8]) -> Result<(), Fault> {
    let (code, reason) = match body {
        [] => return Ok(()),
        [_] => return Err(Fault::CloseBody),
        [high, low, reason @ ..] => (CloseCode(u16::from_be_bytes([*high, *low])), reason),
    };
    if !code.may_travel() {
        return Err(Fault::CloseCode(code.0));
    }
    std::str::from_utf8(reason).map(|_| ()).map_err(|_| Fault::InvalidUtf8)
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

    #[test]
    fn the_longest_sentences_fit_a_close_frame() {
        for fault in [
            Fault::ReservedBits(7),
            Fault::LongControl(Opcode::Close, u64::MAX),
            Fault::LengthNotMinimal(u64::MAX, 64),
            Fault::MessageTooBig(usize::MAX),
            Fault::TooManyFragments(u32::MAX),
            Fault::CloseBody,
            Fault::NoPong(Duration::MAX),
        ] {
            // The reader puts "frame 18446744073709551615: " in front.
            let sentence = format!("frame {}: {fault}", u64::MAX);
            assert!(sentence.len() <= MAX_REASON, "{} bytes: {sentence}", sentence.len());
        }
    }
}
