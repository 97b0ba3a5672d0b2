import assert from "node:assert/strict";
import test from "node:test";

import { fieldsOf, headerBits, moreBytes, remarksOn, unmasking } from "../../src/lab/page/frame_parts.js";

/** The masked "Hello" of RFC 6455 section 5.7, as the server describes it, with fewer fields. */
const HELLO = {
  header: "81 85 37 fa 21 3d",
  fields: [
    { name: "FIN", at: 0, bytes: 1, bits: "1... ....", value: "1" },
    { name: "opcode", at: 0, bytes: 1, bits: ".... 0001", value: "1" },
    { name: "masking key", at: 2, bytes: 4, bits: "", value: "" },
  ],
  masking_key: "37 fa 21 3d",
  wire: { start: "7f 9f 4d 51 58" },
  payload: { start: "48 65 6c 6c 6f" },
  payload_length: 5,
  missing: 0,
  devtools: "the text",
};

test("each field has its bytes, and the first field of a byte shows it", () => {
  const fields = fieldsOf(HELLO);
  assert.deepEqual(fields.map(({ name, isShared, hex }) => [name, isShared, hex.join(" ")]), [
    ["FIN", false, "81"],
    ["opcode", true, "81"],
    ["masking key", false, "37 fa 21 3d"],
    ["payload", false, "7f 9f 4d 51 58"],
  ]);
  assert.equal(fields[3].at, 6);
  assert.equal(fields[3].meaning, "5 bytes, masked");
});

test("a frame without a payload does not have a field for it", () => {
  const empty = { ...HELLO, wire: { start: "" }, payload: { start: "" }, payload_length: 0 };
  assert.deepEqual(fieldsOf(empty).map(({ name }) => name), ["FIN", "opcode", "masking key"]);
  const unmasked = { ...HELLO, masking_key: undefined, payload_length: 1, wire: { start: "48" } };
  assert.equal(fieldsOf(unmasked)[3].meaning, "1 byte");
});

test("the first two bytes are split into the bits of five fields", () => {
  const bits = (header) => headerBits(header).map((field) => field.join("")).join(" ");
  assert.equal(bits("81 85 37 fa 21 3d"), "1 000 0001 1 0000101");
  assert.equal(bits("0a 7e"), "0 000 1010 0 1111110");
});

test("unmasking shows the key over and over", () => {
  const { rows, left } = unmasking(HELLO);
  assert.deepEqual(rows.map(([name, cells]) => [name, cells.join(" ")]), [
    ["wire", "7f 9f 4d 51 58"],
    ["XOR key", "37 fa 21 3d 37"],
    ["=", "48 65 6c 6c 6f"],
    ["text", "H e l l o"],
  ]);
  for (const n of rows[0][1].keys()) {
    const [wire, key, plain] = rows.map(([, cells]) => parseInt(cells[n], 16));
    assert.equal(wire ^ key, plain);
  }
  assert.equal(moreBytes(left), "");
});

test("unmasking shows 24 bytes, and how many are left", () => {
  const start = Array(30).fill("00").join(" ");
  const long = (length) => ({ ...HELLO, wire: { start }, payload: { start }, payload_length: length });
  const { rows, left } = unmasking(long(30));
  assert.deepEqual(rows.map(([, cells]) => cells.length), [24, 24, 24, 24]);
  assert.equal(moreBytes(left), "; 6 more bytes");
  assert.equal(moreBytes(unmasking(long(25)).left), "; 1 more byte");
  const most = unmasking(long("1152921504606846977"));
  assert.equal(moreBytes(most.left), "; 1,152,921,504,606,846,953 more bytes");
});

test("remarks say what the bytes do not show", () => {
  assert.deepEqual(remarksOn(HELLO), [["DevTools show", "the text"]]);
  const all = remarksOn({
    ...HELLO,
    text: "Hello",
    close: { code: 1001, name: "going away", reason: "bye" },
    answers: { ping: 5, milliseconds: 0.256 },
    missing: "1152921504606846977",
    note: "take care",
  });
  assert.deepEqual(all, [
    ["Text", "Hello"],
    ["Close", '1001: going away, "bye"'],
    ["Round trip", "0.26 ms since the Ping, which is event 5"],
    ["Missing", "1,152,921,504,606,846,977 bytes of the announced length never arrived"],
    ["Note", "take care"],
    ["DevTools show", "the text"],
  ]);
});

test("a remark on a fragment says whether it completes the message", () => {
  const remark = (part) => remarksOn({ ...HELLO, part })[0];
  const more = { part: 1, first: 3, last: false, message_length: 4 };
  assert.deepEqual(remark(more), ["Fragment", "part 1 of the message that begins with event 3; more parts follow"]);
  const end = "part 2 of the message that begins with event 3; it completes the message";
  assert.equal(remark({ part: 2, first: 3, last: true, message: "Hello", message_length: 5 })[1], `${end}: Hello`);
  assert.equal(remark({ part: 2, first: 3, last: true, message_length: 70000 })[1], `${end}: 70,000 bytes`);
});
