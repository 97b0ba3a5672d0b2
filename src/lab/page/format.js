// Numbers and bytes as text.

const MAX_BYTES_SHOWN = 32;
const MAX_HEX_CHARACTERS = 150;

/** Formats `65,536`. The server sends a number as a string if JavaScript would round it. */
export function numeral(number) {
  return BigInt(number).toLocaleString("en");
}

/** Formats `5 bytes`, `1 byte`, `65,536 bytes`. */
export function byteCount(number) {
  return `${numeral(number)} ${BigInt(number) === 1n ? "byte" : "bytes"}`;
}

/** Formats `1 more line`, `16,283 more lines`. */
export function moreLines(number) {
  return `${numeral(number)} more ${number === 1 ? "line" : "lines"}`;
}

/** Returns the reason in the body of a refusal. It stands behind the status line, which students do not need here. */
export function refusalIn(body) {
  return body.trim().replace(/^\d+ [A-Z][A-Za-z ]+: /, "");
}

/** Describes binary data by its type and its size: `Blob, 5 bytes`. */
export function typeAndSize(data) {
  return data instanceof Blob ? `Blob, ${byteCount(data.size)}` : `ArrayBuffer, ${byteCount(data.byteLength)}`;
}

/** Formats the first bytes of a Blob or an ArrayBuffer in hex: `48 65 6c 6c 6f`. */
export async function hexOf(data) {
  // One byte more than is shown, so that we know whether there are more.
  const start = data.slice(0, MAX_BYTES_SHOWN + 1);
  const bytes = new Uint8Array(start instanceof Blob ? await start.arrayBuffer() : start);
  const shown = Array.from(bytes.subarray(0, MAX_BYTES_SHOWN), (byte) => byte.toString(16).padStart(2, "0"));
  return shown.join(" ") + (bytes.length > MAX_BYTES_SHOWN ? " …" : "");
}

/** Splits a text in hex into one string for each byte: `48 65` into `["48", "65"]`. */
export function bytesIn(hex) {
  return hex ? hex.split(" ") : [];
}

/** Shortens a long text in hex to its start. */
export function shortenHex(hex) {
  return hex.length > MAX_HEX_CHARACTERS ? `${hex.slice(0, MAX_HEX_CHARACTERS)}…` : hex;
}

/** Returns the ASCII character of a byte, or a dot if the character is not visible. */
export function printable(byte) {
  return byte > 32 && byte < 127 ? String.fromCharCode(byte) : "·";
}
