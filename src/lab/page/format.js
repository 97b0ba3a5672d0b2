// Numbers and bytes as text.

const MAX_BYTES_SHOWN = 32;
const MAX_HEX_CHARACTERS = 150;

/** `65,536`. The server sends a number as a string if JavaScript would round it. */
export function numeral(number) {
  return BigInt(number).toLocaleString("en");
}

/** `5 bytes`, `1 byte`, `65,536 bytes`. */
export function byteCount(number) {
  return `${numeral(number)} ${BigInt(number) === 1n ? "byte" : "bytes"}`;
}

/** The type and the size of binary data: `Blob, 5 bytes`. */
export function typeAndSize(data) {
  return data instanceof Blob ? `Blob, ${byteCount(data.size)}` : `ArrayBuffer, ${byteCount(data.byteLength)}`;
}

/** The first bytes of a Blob or an ArrayBuffer in hex: `48 65 6c 6c 6f`. */
export async function hexOf(data) {
  // One byte more than is shown, so that we know whether there are more.
  const start = data.slice(0, MAX_BYTES_SHOWN + 1);
  const bytes = new Uint8Array(start instanceof Blob ? await start.arrayBuffer() : start);
  const shown = Array.from(bytes.subarray(0, MAX_BYTES_SHOWN), (byte) => byte.toString(16).padStart(2, "0"));
  return shown.join(" ") + (bytes.length > MAX_BYTES_SHOWN ? " …" : "");
}

/** The bytes of a text in hex, one string each: `["48", "65"]` for `48 65`. */
export function bytesIn(hex) {
  return hex ? hex.split(" ") : [];
}

/** The start of a long text of hex digits. */
export function shortenHex(hex) {
  return hex.length > MAX_HEX_CHARACTERS ? `${hex.slice(0, MAX_HEX_CHARACTERS)}…` : hex;
}

/** The ASCII character of a byte, or a dot if it cannot be seen. */
export function printable(byte) {
  return byte > 32 && byte < 127 ? String.fromCharCode(byte) : "·";
}
