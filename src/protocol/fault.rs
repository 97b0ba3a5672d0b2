//! Faults: the rules that a peer can break, each with its close code and its section of RFC 6455.

use std::fmt;
use std::time::Duration;

use super::close_code::CloseCode;
use super::opcode::Opcode;

/// A broken rule that ends the connection. Each fault has one close code, and its text is the reason
/// in the Close frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// RSV1, RSV2 or RSV3 is set: the three bits as a number from 1 to 7.
    ReservedBits(u8),
    /// A reserved opcode.
    ReservedOpcode(u8),
    /// A frame from a client without a masking key.
    NotMasked,
    /// A control frame with FIN 0.
    FragmentedControl(Opcode),
    /// A control frame with more than 125 bytes of payload: its opcode and its length.
    LongControl(Opcode, u64),
    /// A length in more bits than it needs: the length, and the number of bits.
    LengthNotMinimal(u64, u8),
    /// A 64-bit length whose highest bit is set.
    LengthTopBit,
    /// A message of more bytes than the limit: the limit.
    MessageTooBig(usize),
    /// A continuation frame while no message is open.
    NothingToContinue,
    /// A new text or binary frame while a message is open.
    MessageStillOpen,
    /// A message in more frames than the limit: the limit.
    TooManyFragments(u32),
    /// A text, or the reason in a Close frame, that is not UTF-8.
    InvalidUtf8,
    /// A Close frame with a body of one byte, although a close code has two.
    CloseBody,
    /// A Close frame with a code that must not be sent, or that is not defined.
    CloseCode(u16),
    /// No Pong within this time after a Ping.
    NoPong(Duration),
    /// The server has no memory for the peer's messages.
    OutOfMemory,
    /// An error of the server, not of the peer.
    ServerFault,
    /// Any other error that tungstenite reports, in its words.
    Other(String),
}

impl Fault {
    /// The only table from faults to close codes, with the section of RFC 6455 that has the rule.
    fn code_and_section(&self) -> (CloseCode, &'static str) {
        match self {
            Fault::ReservedBits(_) => (CloseCode::PROTOCOL_ERROR, "5.2"),
            Fault::ReservedOpcode(_) => (CloseCode::PROTOCOL_ERROR, "5.2"),
            Fault::NotMasked => (CloseCode::PROTOCOL_ERROR, "5.1"),
            Fault::FragmentedControl(_) => (CloseCode::PROTOCOL_ERROR, "5.5"),
            Fault::LongControl(..) => (CloseCode::PROTOCOL_ERROR, "5.5"),
            Fault::LengthNotMinimal(..) => (CloseCode::PROTOCOL_ERROR, "5.2"),
            Fault::LengthTopBit => (CloseCode::PROTOCOL_ERROR, "5.2"),
            Fault::MessageTooBig(_) => (CloseCode::MESSAGE_TOO_BIG, "10.4"),
            Fault::NothingToContinue => (CloseCode::PROTOCOL_ERROR, "5.4"),
            Fault::MessageStillOpen => (CloseCode::PROTOCOL_ERROR, "5.4"),
            Fault::TooManyFragments(_) => (CloseCode::POLICY_VIOLATION, "10.4"),
            Fault::InvalidUtf8 => (CloseCode::INVALID_PAYLOAD_DATA, "8.1"),
            Fault::CloseBody => (CloseCode::PROTOCOL_ERROR, "5.5.1"),
            Fault::CloseCode(_) => (CloseCode::PROTOCOL_ERROR, "7.4"),
            Fault::NoPong(_) => (CloseCode::POLICY_VIOLATION, "5.5.2"),
            Fault::OutOfMemory => (CloseCode::TRY_AGAIN_LATER, "10.4"),
            Fault::ServerFault => (CloseCode::INTERNAL_ERROR, "7.4.1"),
            Fault::Other(_) => (CloseCode::PROTOCOL_ERROR, "7.1.7"),
        }
    }

    /// The close code for the Close frame to the peer.
    pub fn close_code(&self) -> CloseCode {
        self.code_and_section().0
    }

    /// The section of RFC 6455 that has the rule, such as `5.5.1`.
    pub fn rfc_section(&self) -> &'static str {
        self.code_and_section().1
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
            Fault::CloseCode(code) => write!(f, "close code {code} must not be sent"),
            Fault::NoPong(time) => write!(f, "no answer to a Ping within {time:?}"),
            Fault::OutOfMemory => {
                write!(f, "the server has too little memory for messages this large now")
            }
            Fault::ServerFault => write!(f, "a fault in the server"),
            Fault::Other(text) => f.write_str(text),
        }?;
        write!(f, " (RFC 6455 {})", self.rfc_section())
    }
}

impl std::error::Error for Fault {}

/// The rule of the opening handshake that a request broke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenRule {
    /// What is wrong with the request, as a sentence.
    pub sentence: String,
    /// The section of RFC 6455 that has the rule, such as `4.2.1`.
    pub section: &'static str,
}

/// Checks the unmasked body of a Close (RFC 6455 section 5.5.1).
///
/// # Errors
/// The rule that it breaks: half a code, a code that must not be sent, or a reason that is not UTF-8.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::close_code::MAX_REASON;

    #[test]
    fn the_longest_texts_fit_a_close_frame() {
        for fault in [
            Fault::ReservedBits(7),
            Fault::LongControl(Opcode::Close, u64::MAX),
            Fault::LengthNotMinimal(u64::MAX, 64),
            Fault::MessageTooBig(usize::MAX),
            Fault::TooManyFragments(u32::MAX),
            Fault::CloseBody,
            Fault::NoPong(Duration::MAX),
        ] {
            // The session puts the number of the frame in front.
            let sentence = format!("frame {}: {fault}", u64::MAX);
            assert!(sentence.len() <= MAX_REASON, "{} bytes: {sentence}", sentence.len());
        }
    }
}
