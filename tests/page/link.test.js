import assert from "node:assert/strict";
import test from "node:test";

import { formatLink, nameOf, parseLink, shortName } from "../../src/lab/page/link.js";

test("a link has a choice and an event", () => {
  const hash = "#/room/blue?classroom.v1!c1f3.19aa5b3c2f1";
  assert.deepEqual(parseLink(hash), { choice: "/room/blue?classroom.v1", event: "c1f3.19aa5b3c2f1" });
  assert.deepEqual(parseLink("#/echo!wire"), { choice: "/echo", event: "wire" });
  assert.deepEqual(parseLink("#!c1f3.a"), { choice: "", event: "c1f3.a" });
  assert.deepEqual(parseLink("#/echo"), { choice: "/echo", event: "" });
  assert.deepEqual(parseLink(""), { choice: "", event: "" });
});

test("only the name of an event at the end is an event", () => {
  for (const choice of ["/room/blue!", "/room/!wired", "/room/!wire!", "/room/!c1f3", "/room/!c1f3.a/x"]) {
    assert.deepEqual(parseLink(`#${choice}`), { choice, event: "" });
  }
});

test("a link that is formatted is parsed to the same", () => {
  for (const event of ["", "wire", "c12f345.0a"]) {
    for (const choice of ["", "/echo", "/room/%E8%93%9D?chat%2C%20classroom.v1"]) {
      assert.deepEqual(parseLink(formatLink(choice, event)), { choice, event });
    }
  }
});

test("the root is the default, so it is left out", () => {
  assert.equal(formatLink("/", ""), "");
  assert.equal(formatLink("/", "wire"), "#!wire");
});

test("the name of a room cannot look like an event", () => {
  const link = formatLink("/room/blue!wire", "");
  assert.equal(link, "#/room/blue%21wire");
  assert.equal(parseLink(link).event, "");
});

test("an event has a name for links and a short one for readers", () => {
  const name = nameOf({ connection: 1, number: 30, run: "19aa5b3c2f1" });
  assert.equal(name, "c1f30.19aa5b3c2f1");
  assert.equal(shortName(name), "1:30");
});
