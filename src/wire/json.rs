//! The JSON form of the view's bytes and numbers.

use serde::Serializer;

use crate::protocol::Opcode;
use crate::text::hex;

/// The largest number up to which JavaScript distinguishes every integer from its neighbours.
const EXACT_IN_JAVASCRIPT: u64 = (1 << 53) - 1;

/// Serializes a number so that a page can show it exactly: as a string where JavaScript would round
/// it.
pub(super) fn exact<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    match *number {
        number @ 0..=EXACT_IN_JAVASCRIPT => serializer.serialize_u64(number),
        number => serializer.collect_str(&number),
    }
}

/// Serializes bytes as `48 65 6c 6c 6f`.
pub(super) fn as_hex<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hex(bytes))
}

/// Serializes a masking key as hex.
pub(super) fn key_as_hex<S: Serializer>(
    key: &Option<[u8; 4]>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    as_hex(&key.unwrap_or_default(), serializer)
}

/// Serializes an opcode as the number that its four bits are.
pub(super) fn as_bits<S: Serializer>(opcode: &Opcode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u8(opcode.bits())
}
