import assert from "node:assert/strict";
import test from "node:test";

import { WireEvents } from "../../src/lab/page/wire_events.js";

const RUN = "19aa";
const frame = (connection, number, run = RUN) => ({ kind: "frame", connection, number, run });
const request = (connection, line, run = RUN) => ({ kind: "request", connection, number: 1, run, line });
const NOTHING = { added: [], dropped: [] };

test("an event that arrives is shown and kept", () => {
  const events = new WireEvents();
  const first = frame(1, 3);
  assert.deepEqual(events.receive(first), { added: [first], dropped: [] });
  assert.equal(events.find("c1f3.19aa"), first);
  assert.equal(events.find("c1f4.19aa"), undefined);
  events.clear();
  assert.deepEqual(events.all, []);
});

test("the oldest events are dropped when there are too many", () => {
  const events = new WireEvents(2);
  const [one, two, three] = [frame(1, 3), frame(1, 4), frame(1, 5)];
  events.receive(one);
  assert.deepEqual(events.receive(two).dropped, []);
  assert.deepEqual(events.receive(three).dropped, [one]);
  assert.deepEqual(events.all, [two, three]);
});

test("a handshake that the server sends again is not shown again", () => {
  const events = new WireEvents();
  const handshake = request(1, "GET /echo HTTP/1.1");
  events.receive(handshake);
  assert.deepEqual(events.receive({ ...handshake }), NOTHING);
  assert.equal(events.receive(request(2, "GET /echo HTTP/1.1")).added.length, 1);
  assert.equal(events.receive(request(1, "GET /echo HTTP/1.1", "19ab")).added.length, 2);
});

test("the note that events are missing has the name of the frame after it, and both are shown", () => {
  const events = new WireEvents();
  const missed = { ...frame(1, 3), kind: "missed", events: 7 };
  const next = frame(1, 3);
  assert.deepEqual([missed, next].flatMap((event) => events.receive(event).added), [missed, next]);
});

test("the server marks the events of the page's own connections", () => {
  const events = new WireEvents();
  assert.equal(events.isOwn({ ...frame(1, 3), own: true }), true);
  assert.equal(events.isOwn(frame(1, 3)), false);
  assert.equal(events.isOwn({ kind: "missed", connection: 2, number: 3, run: RUN }), true);
});

test("after a restart the server counts from 1 again, but its connections are new ones", () => {
  const events = new WireEvents();
  events.receive(request(1, "GET /echo HTTP/1.1"));
  const { added } = events.receive(frame(1, 3, "19ab"));
  assert.deepEqual(added.map(({ kind }) => kind), ["restart", "frame"]);
  assert.equal(events.isOwn(added[0]), true);
  assert.equal(events.isOwn(added[1]), false);
});

test("events that arrive during a pause wait for its end", () => {
  const events = new WireEvents(2);
  events.pause();
  assert.equal(events.isPaused, true);
  for (let number = 3; number < 6; number += 1) assert.deepEqual(events.receive(frame(1, number)), NOTHING);
  assert.equal(events.waiting, 2, "no more of them wait than are kept");
  assert.deepEqual(events.all, []);
  assert.deepEqual(events.resume(), [frame(1, 4), frame(1, 5)]);
  assert.equal(events.waiting, 0);
  assert.equal(events.receive(frame(1, 4)).added.length, 1);
});

test("clearing also forgets what waits", () => {
  const events = new WireEvents();
  events.pause();
  events.receive(frame(1, 3));
  events.clear();
  assert.equal(events.isPaused, true);
  assert.deepEqual(events.resume(), []);
});
