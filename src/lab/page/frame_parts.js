// The parts of a frame that the page shows, without DOM elements: fields, bits, steps of unmasking, remarks.

import { byteCount, bytesIn, numeral, printable } from "./format.js";

const MAX_BYTES_UNMASKED = 24;

/** How many bits each of the first five fields has in the first two bytes (RFC 6455 section 5.2). */
const FIELD_BITS = [1, 3, 4, 1, 7];

/** Lists the fields of the header, as the server describes them, and the payload as one more field. */
export function fieldsOf(frame) {
  const header = bytesIn(frame.header);
  const payload = bytesIn(frame.wire.start);
  const fields = frame.fields.map((field, n) => ({
    ...field,
    hex: header.slice(field.at, field.at + field.bytes),
    // Several fields can be in the same byte. The first of them shows it.
    isShared: n > 0 && frame.fields[n - 1].at === field.at,
  }));
  if (payload.length > 0) {
    const meaning = byteCount(frame.payload_length) + (frame.masking_key ? ", masked" : "");
    fields.push({ name: "payload", at: header.length, hex: payload, bits: "", value: "", meaning, isShared: false });
  }
  return fields;
}

/** Splits the first two bytes of a header into the bits of each field. */
export function headerBits(header) {
  const bytes = bytesIn(header).slice(0, 2);
  const bits = bytes.flatMap((byte) => [...parseInt(byte, 16).toString(2).padStart(8, "0")]);
  return FIELD_BITS.map((width) => bits.splice(0, width));
}

/**
 * Shows how the payload is unmasked: the bytes from the wire, below them the masking key again and again, and
 * the result. `left` is the number of bytes of payload that the rows leave out.
 */
export function unmasking(frame) {
  const wire = bytesIn(frame.wire.start).slice(0, MAX_BYTES_UNMASKED);
  const plain = bytesIn(frame.payload.start).slice(0, MAX_BYTES_UNMASKED);
  const key = bytesIn(frame.masking_key);
  const rows = [
    ["wire", wire],
    ["XOR key", wire.map((_, n) => key[n % key.length])],
    ["=", plain],
    ["text", plain.map((byte) => printable(parseInt(byte, 16)))],
  ];
  return { rows, left: BigInt(frame.payload_length) - BigInt(wire.length) };
}

/** Lists what the bytes of a frame do not show, as pairs of a heading and a text. */
export function remarksOn({ text, part, close, answers, missing, note, devtools }) {
  const all = [];
  if (text) all.push(["Text", text]);
  if (part) all.push(["Fragment", partSentence(part)]);
  if (close) all.push(["Close", `${close.code}: ${close.name}${close.reason && `, "${close.reason}"`}`]);
  if (answers) {
    const time = answers.milliseconds.toFixed(2);
    all.push(["Round trip", `${time} ms since the Ping, which is event ${answers.ping}`]);
  }
  // `missing` is a string if JavaScript would round the number.
  if (BigInt(missing) > 0n) all.push(["Missing", `${byteCount(missing)} of the announced length never arrived`]);
  if (note) all.push(["Note", note]);
  all.push(["DevTools show", devtools]);
  return all;
}

function partSentence({ part, first, last, message, message_length: length }) {
  const place = `part ${part} of the message that begins with event ${first}`;
  if (!last) return `${place}; more parts follow`;
  return `${place}; it completes the message: ${message ?? byteCount(length)}`;
}

/** Formats `; 24 more bytes`, or an empty text for 0. */
export function moreBytes(left) {
  if (left <= 0n) return "";
  return `; ${numeral(left)} more ${left === 1n ? "byte" : "bytes"}`;
}
