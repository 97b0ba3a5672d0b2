import assert from "node:assert/strict";
import test from "node:test";

import { directionOf, labelOf, senderOf } from "../../src/lab/page/wire_labels.js";

const frame = (fields) => labelOf({ kind: "frame", payload_length: 5, ...fields });

test("the client sends requests and the server responses", () => {
  assert.equal(senderOf({ kind: "request" }), "client");
  assert.equal(directionOf({ kind: "response" }), "server → client");
  assert.equal(directionOf({ kind: "frame", from: "client" }), "client → server");
  assert.equal(senderOf({ kind: "end" }), "");
  assert.equal(directionOf({ kind: "end" }), "");
});

test("a handshake is labelled with its first line, and an end with its cause", () => {
  assert.equal(labelOf({ kind: "request", line: "GET / HTTP/1.1" }), "GET / HTTP/1.1");
  assert.equal(labelOf({ kind: "response", line: "HTTP/1.1 101 x" }), "HTTP/1.1 101 x");
  assert.equal(labelOf({ kind: "end", how: "the client left" }), "the client left");
  assert.equal(labelOf({ kind: "missed", events: 7 }), "7 events came too fast to show");
  assert.match(labelOf({ kind: "restart" }), /restarted/);
});

test("a frame is labelled with its name and its content", () => {
  assert.equal(frame({ name: "TEXT", text: "Hello" }), 'TEXT "Hello"');
  assert.equal(frame({ name: "TEXT", text: "", payload_length: 0 }), "TEXT");
  assert.equal(frame({ name: "BINARY", payload_length: 65536 }), "BINARY, 65,536 bytes");
  assert.equal(frame({ name: "BINARY", payload_length: "1152921504606846977" }).slice(0, 16), "BINARY, 1,152,92");
  assert.equal(frame({ name: "TEXT", text: "Hello", fault: {} }), 'TEXT ! "Hello"');
});

test("a long text is shortened", () => {
  assert.equal(frame({ name: "TEXT", text: "a".repeat(60) }), `TEXT "${"a".repeat(60)}"`);
  assert.equal(frame({ name: "TEXT", text: "a".repeat(61) }), `TEXT "${"a".repeat(60)}…"`);
});

test("a fragment has its place, a Close its code, a Pong its round trip", () => {
  assert.equal(frame({ name: "TEXT", text: "frag", part: { part: 1, last: false } }), 'TEXT part 1 "frag"');
  const last = { name: "CONTINUATION", text: "ments", part: { part: 3, last: true } };
  assert.equal(frame(last), 'CONTINUATION part 3, the last "ments"');
  const close = { code: 1000, name: "normal closure" };
  assert.equal(frame({ name: "CLOSE", text: "bye", close }), "CLOSE 1000 normal closure");
  assert.equal(frame({ name: "CLOSE", close: { ...close, answer: true } }), "CLOSE 1000 normal closure, the answer");
  const answers = { ping: 5, milliseconds: 0.26 };
  assert.equal(frame({ name: "PONG", text: "?", answers }), 'PONG "?", 0.3 ms after event 5');
});
