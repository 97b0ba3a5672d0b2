import assert from "node:assert/strict";
import test from "node:test";

import { byteCount, bytesIn, hexOf, numeral, printable, shortenHex, typeAndSize } from "../../src/lab/page/format.js";

test("a number has its thousands separated, even if JavaScript cannot hold it", () => {
  assert.equal(numeral(70000), "70,000");
  assert.equal(numeral("1152921504606846977"), "1,152,921,504,606,846,977");
});

test("one byte is in the singular", () => {
  assert.equal(byteCount(0), "0 bytes");
  assert.equal(byteCount(1), "1 byte");
  assert.equal(byteCount("1"), "1 byte");
  assert.equal(byteCount(65536), "65,536 bytes");
});

test("binary data is named by its type and its size", () => {
  assert.equal(typeAndSize(new Blob(["Hello"])), "Blob, 5 bytes");
  assert.equal(typeAndSize(new ArrayBuffer(1)), "ArrayBuffer, 1 byte");
});

test("binary data is shown in hex, up to 32 bytes", async () => {
  const full = Array(32).fill("07").join(" ");
  assert.equal(await hexOf(new Uint8Array([0, 10, 255]).buffer), "00 0a ff");
  assert.equal(await hexOf(new Blob(["Hello"])), "48 65 6c 6c 6f");
  assert.equal(await hexOf(new Uint8Array(32).fill(7).buffer), full);
  assert.equal(await hexOf(new Uint8Array(33).fill(7).buffer), `${full} …`);
  assert.equal(await hexOf(new Blob([new Uint8Array(33).fill(7)])), `${full} …`);
});

test("hex is split into bytes", () => {
  assert.deepEqual(bytesIn("81 05"), ["81", "05"]);
  assert.deepEqual(bytesIn(""), []);
  assert.deepEqual(bytesIn(undefined), []);
});

test("long hex is shortened", () => {
  assert.equal(shortenHex("a".repeat(150)), "a".repeat(150));
  assert.equal(shortenHex("a".repeat(151)), `${"a".repeat(150)}…`);
});

test("a byte that is not visible ASCII becomes a dot", () => {
  assert.equal([0x1f, 0x20, 0x21, 0x7e, 0x7f, 0xff].map(printable).join(""), "··!~··");
});
