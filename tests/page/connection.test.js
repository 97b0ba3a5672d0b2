import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { Connection, pauseBefore } from "../../src/lab/page/connection.js";

/** Stands in for the browser's WebSocket. The test decides what happens to it. */
class FakeSocket extends EventTarget {
  static OPEN = 1;
  static CLOSED = 3;
  static all = [];
  readyState = 0;
  closedWith = null;

  constructor(url, subprotocols) {
    super();
    if (subprotocols.includes("bad proto")) throw new SyntaxError("a subprotocol is a token");
    Object.assign(this, { url, subprotocols });
    FakeSocket.all.push(this);
  }

  close(...args) {
    this.closedWith = args;
  }

  becomesOpen() {
    this.readyState = FakeSocket.OPEN;
    this.dispatchEvent(new Event("open"));
  }

  becomesClosed() {
    this.readyState = FakeSocket.CLOSED;
    this.dispatchEvent(new Event("close"));
  }
}

let connection;
let emitted;
/** Milliseconds until the next attempt, as told last. */
let pause;

beforeEach(() => {
  globalThis.WebSocket = FakeSocket;
  FakeSocket.all = [];
  mock.timers.enable({ apis: ["setTimeout"] });
  connection = new Connection();
  emitted = [];
  for (const name of ["connecting", "open", "message", "error", "close", "refused", "abandoned"]) {
    connection.addEventListener(name, () => emitted.push(name));
  }
  pause = null;
  connection.addEventListener("waiting", ({ detail }) => {
    pause = detail.pause;
    if (pause !== null) emitted.push("waiting");
  });
});

afterEach(() => mock.timers.reset());

const newest = () => FakeSocket.all.at(-1);

test("the pauses grow from at most half a second to at most half a minute", () => {
  assert.deepEqual([0, 1, 2].map((attempts) => pauseBefore(attempts, 0)), [250, 500, 1000]);
  assert.equal(pauseBefore(0, 1), 500);
  assert.equal(pauseBefore(50, 0), 15_000);
  assert.equal(pauseBefore(50, 1), 30_000);
});

test("it reconnects after a close, again and again", () => {
  connection.open("ws://h/", ["chat"]);
  newest().becomesOpen();
  newest().becomesClosed();
  assert.deepEqual(emitted, ["connecting", "open", "close", "waiting"]);
  mock.timers.tick(500);
  assert.equal(FakeSocket.all.length, 2);
  assert.deepEqual([newest().url, newest().subprotocols], ["ws://h/", ["chat"]]);
  newest().becomesClosed();
  mock.timers.tick(499);
  assert.equal(FakeSocket.all.length, 2, "the second pause is longer");
  mock.timers.tick(501);
  assert.equal(FakeSocket.all.length, 3);
});

test("a server that refuses is not asked again", () => {
  connection.open("ws://h/", []);
  newest().becomesClosed();
  mock.timers.tick(60_000);
  assert.deepEqual(emitted, ["connecting", "close", "refused"]);
  assert.equal(FakeSocket.all.length, 1);
});

test("it does not reconnect when the page closes, or when the reader does not want it", () => {
  connection.open("ws://h/", []);
  newest().becomesOpen();
  connection.close(4000, "enough");
  assert.deepEqual(newest().closedWith, [4000, "enough"]);
  newest().becomesClosed();
  connection.open("ws://h/", []);
  newest().becomesOpen();
  connection.reconnects = false;
  newest().becomesClosed();
  mock.timers.tick(60_000);
  assert.equal(FakeSocket.all.length, 2);
  assert.ok(!emitted.includes("waiting"));
});

test("the reader can stop the attempts, or make the next one now", () => {
  connection.open("ws://h/", []);
  newest().becomesOpen();
  newest().becomesClosed();
  connection.tryNow();
  assert.equal(FakeSocket.all.length, 2);
  newest().becomesClosed();
  assert.notEqual(pause, null);
  connection.stopTrying();
  assert.equal(pause, null);
  mock.timers.tick(60_000);
  connection.tryNow();
  assert.equal(FakeSocket.all.length, 2);
});

test("a new connection replaces the old one, and of the old one only its end is reported", () => {
  connection.open("ws://h/old", []);
  const old = newest();
  old.becomesOpen();
  connection.open("ws://h/new", []);
  assert.deepEqual(old.closedWith, []);
  old.dispatchEvent(new Event("message"));
  old.becomesClosed();
  assert.deepEqual(emitted, ["connecting", "open", "connecting", "abandoned"]);
  mock.timers.tick(60_000);
  assert.equal(FakeSocket.all.length, 2);
});

test("a connection that cannot be opened leaves the old one as it is", () => {
  connection.open("ws://h/", []);
  newest().becomesOpen();
  assert.throws(() => connection.open("ws://h/", ["bad proto"]), SyntaxError);
  assert.equal(connection.readyState, FakeSocket.OPEN);
  assert.equal(newest().closedWith, null);
});

test("it is closed before the first connection, and remembers binaryType for the next", () => {
  assert.equal(connection.readyState, FakeSocket.CLOSED);
  connection.binaryType = "arraybuffer";
  connection.open("ws://h/", []);
  assert.equal(newest().binaryType, "arraybuffer");
});
