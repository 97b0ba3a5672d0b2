import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import test from "node:test";

const PAGE = new URL("../../src/lab/page/", import.meta.url);
const read = (name) => readFileSync(new URL(name, PAGE), "utf8");
const MODULES = readdirSync(PAGE).filter((name) => name.endsWith(".js"));

/** The modules that each module imports. */
const IMPORTS = new Map(MODULES.map((name) => {
  return [name, [...read(name).matchAll(/^(?:import|\}) .*?from "\.\/([^"]+)";$/gm)].map(([, other]) => other)];
}));

test("every import is understood here, and leads to a module of the page", () => {
  for (const [name, imports] of IMPORTS) {
    assert.equal(imports.length, read(name).match(/\bfrom "/g)?.length ?? 0, name);
    for (const other of imports) assert.ok(MODULES.includes(other), `${name} imports ${other}`);
  }
});

test("modules do not import each other in a circle", () => {
  const follow = (path) => {
    for (const next of IMPORTS.get(path.at(-1))) {
      assert.ok(!path.includes(next), [...path, next].join(" → "));
      follow([...path, next]);
    }
  };
  for (const name of MODULES) follow([name]);
});

test("the page loads every module", () => {
  const loaded = new Set(["main.js"]);
  for (const name of loaded) for (const next of IMPORTS.get(name)) loaded.add(next);
  assert.deepEqual(MODULES.filter((name) => !loaded.has(name)), []);
  assert.match(read("index.html"), /<script type="module" src="\/lab\/main\.js">/);
});

test("every element that a module looks for is in the page", () => {
  const ids = new Set([...read("index.html").matchAll(/ id="([^"]+)"/g)].map(([, id]) => id));
  for (const name of MODULES) {
    for (const [, id] of read(name).matchAll(/find\("([^"]+)"\)/g)) assert.ok(ids.has(id), `${name}: #${id}`);
  }
});
