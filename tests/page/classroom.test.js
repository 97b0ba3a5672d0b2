import assert from "node:assert/strict";
import test from "node:test";

import { OUTSIDE, afterMessage, messageTo, parseMessage, speechIn } from "../../src/lab/page/classroom.js";

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
    assert.equal(speechIn(message), null, text);
  }
});

test("readers see who speaks, and to whom", () => {
  assert.deepEqual(speechIn({ type: "said", from: "Ana", text: "x" }), { from: "Ana", to: "", text: "x" });
  const whisper = { type: "whispered", from: "Ana", to: "Ben", text: "x" };
  assert.deepEqual(speechIn(whisper), { from: "Ana", to: "Ben", text: "x" });
  assert.equal(speechIn({ type: "left", name: "Ana" }), null);
});

test("a name that reads like a whisper is not one", () => {
  const speech = speechIn({ type: "said", from: "Ana whispers to Tea", text: "x" });
  assert.deepEqual(speech, { from: "Ana whispers to Tea", to: "", text: "x" });
});

test("a message goes to everyone or to one member", () => {
  assert.deepEqual(messageTo("", "x"), { type: "say", text: "x" });
  assert.deepEqual(messageTo("Ben", "x"), { type: "whisper", to: "Ben", text: "x" });
});
