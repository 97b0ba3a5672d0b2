import assert from "node:assert/strict";
import test from "node:test";

import { OUTSIDE, afterMessage, messageTo, parseMessage, speakerIn } from "../../src/lab/page/classroom.js";

test("a client knows who is in the room", () => {
  const messages = [
    { type: "welcome", room: "blue", you: "Ana", members: ["Ben", "Ana"] },
    { type: "joined", name: "Cem" },
    { type: "said", from: "Ben", text: "hello" },
    { type: "left", name: "Ben" },
    { type: "refused", reason: "no" },
  ];
  const states = [OUTSIDE];
  for (const message of messages) states.push(afterMessage(states.at(-1), message));
  assert.deepEqual(states.map(({ me, members }) => `${me}: ${members}`), [
    ": ", "Ana: Ben,Ana", "Ana: Ben,Ana,Cem", "Ana: Ben,Ana,Cem", "Ana: Ana,Cem", "Ana: Ana,Cem",
  ]);
  assert.deepEqual(OUTSIDE, { me: "", members: [] });
});

test("a text that is not JSON, or not a message, changes nothing", () => {
  const inside = { me: "Ana", members: ["Ana"] };
  for (const text of ["", "hello", "{", "null", "5", '"welcome"', "[]"]) {
    const message = parseMessage(text);
    assert.deepEqual(afterMessage(inside, message), inside, text);
    assert.equal(speakerIn(message), "", text);
  }
});

test("readers see who speaks, and to whom", () => {
  assert.equal(speakerIn({ type: "said", from: "Ana", text: "x" }), "Ana");
  assert.equal(speakerIn({ type: "whispered", from: "Ana", to: "Ben", text: "x" }), "Ana whispers to Ben");
  assert.equal(speakerIn({ type: "left", name: "Ana" }), "");
});

test("a message goes to everyone or to one member", () => {
  assert.deepEqual(messageTo("", "x"), { type: "say", text: "x" });
  assert.deepEqual(messageTo("Ben", "x"), { type: "whisper", to: "Ben", text: "x" });
});
