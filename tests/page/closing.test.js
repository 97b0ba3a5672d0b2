import assert from "node:assert/strict";
import test from "node:test";

import { closeArguments } from "../../src/lab/page/close_form.js";
import { describeClose } from "../../src/lab/page/connection_log.js";

test("a reason needs a code, which is 1000 if the reader gives none", () => {
  assert.deepEqual(closeArguments("", ""), []);
  assert.deepEqual(closeArguments("4000", ""), [4000]);
  assert.deepEqual(closeArguments("4000", "enough"), [4000, "enough"]);
  assert.deepEqual(closeArguments("", "enough"), [1000, "enough"]);
});

test("a close is described by its properties", () => {
  assert.equal(describeClose({ code: 1006, reason: "", wasClean: false }), "code 1006, wasClean false");
  const quoted = { code: 1001, reason: 'say "bye"', wasClean: true };
  assert.equal(describeClose(quoted), 'code 1001 "say \\"bye\\"", wasClean true');
});
