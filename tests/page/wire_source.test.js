import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { WireSource } from "../../src/lab/page/wire_source.js";

/** Stands in for the browser's EventSource. The test decides what happens to it. */
class FakeSource {
  static CONNECTING = 0;
  static CLOSED = 2;
  static all = [];
  readyState = 0;

  constructor(url) {
    this.url = url;
    FakeSource.all.push(this);
  }

  close() {
    this.readyState = FakeSource.CLOSED;
  }

  fails(readyState) {
    this.readyState = readyState;
    this.onerror();
  }
}

let source;
let events;
let states;

beforeEach(() => {
  globalThis.EventSource = FakeSource;
  FakeSource.all = [];
  mock.timers.enable({ apis: ["setTimeout"] });
  const refused = "503 Service Unavailable: 64 pages watch the wire already\n";
  mock.method(globalThis, "fetch", async () => new Response(refused, { status: 503 }));
  [events, states] = [[], []];
  source = new WireSource("/wire/events", {
    onEvent: (event) => events.push(event),
    onState: (state) => states.push(state),
  });
  source.open();
});

afterEach(() => {
  mock.timers.reset();
  mock.restoreAll();
});

const newest = () => FakeSource.all.at(-1);

/** Lets the steps run that wait for a promise only. */
const settle = () => new Promise((done) => setImmediate(done));

test("an event has the run of the server", () => {
  newest().onmessage({ data: '{"kind":"end"}', lastEventId: "19aa" });
  assert.deepEqual(events, [{ kind: "end", run: "19aa" }]);
  assert.equal(newest().url, "/wire/events");
});

test("the browser itself reconnects after a lost connection", async () => {
  newest().fails(FakeSource.CONNECTING);
  await settle();
  mock.timers.tick(60_000);
  assert.equal(FakeSource.all.length, 1);
  assert.deepEqual(states, ["The server does not answer. Trying again."]);
});

test("a refused stream is tried again, with what the server said and growing pauses", async () => {
  const pauses = [];
  for (let n = 1; n <= 5; n += 1) {
    newest().fails(FakeSource.CLOSED);
    await settle();
    assert.match(states.at(-1), /^The server says: 64 pages watch the wire already\. Trying again in \d+ s\.$/);
    let pause = 0;
    for (; FakeSource.all.length === n && pause < 60_000; pause += 50) mock.timers.tick(50);
    pauses.push(pause);
  }
  assert.equal(FakeSource.all.length, 6);
  assert.ok(pauses[4] > 2 * pauses[0], `${pauses}`);
  newest().onopen();
  assert.equal(states.at(-1), "");
  newest().fails(FakeSource.CLOSED);
  await settle();
  mock.timers.tick(500);
  assert.equal(FakeSource.all.length, 7, "after a success the pauses are short again");
});

test("a stream that the page has closed stays closed", async () => {
  newest().fails(FakeSource.CLOSED);
  source.close();
  await settle();
  mock.timers.tick(60_000);
  assert.equal(FakeSource.all.length, 1);
});
