import assert from "node:assert/strict";
import test from "node:test";

import {
  describeAccess, newSecret, tabSecret, takeTeacherSecret, withSecrets, withoutSecret,
} from "../../src/lab/page/access.js";

/** Stands in for sessionStorage. */
class FakeStorage extends Map {
  getItem = (name) => this.get(name) ?? null;
  setItem = (name, value) => this.set(name, value);
}

test("a secret has 128 random bits in hex", () => {
  const secrets = new Set(Array.from({ length: 100 }, newSecret));
  assert.equal(secrets.size, 100);
  for (const secret of secrets) assert.match(secret, /^[0-9a-f]{32}$/);
});

test("a tab keeps its secret across a reload, and another tab has another one", () => {
  const storage = new FakeStorage();
  const secret = tabSecret(storage);
  assert.equal(tabSecret(storage), secret);
  assert.notEqual(tabSecret(new FakeStorage()), secret);
});

test("the teacher's secret leaves the address, and the rest of the address stays", () => {
  const storage = new FakeStorage();
  const clean = (search) => takeTeacherSecret({ pathname: "/", search, hash: "#/room/blue" }, storage);
  assert.equal(clean(""), null);
  assert.equal(clean("?x=1"), null);
  assert.equal(storage.getItem("teacher"), null);
  assert.equal(clean("?teacher=5ec"), "/#/room/blue");
  assert.equal(storage.getItem("teacher"), "5ec");
  assert.equal(clean("?x=1&teacher=5ed"), "/?x=1#/room/blue");
  assert.equal(storage.getItem("teacher"), "5ed");
});

test("requests carry the secrets that the page has", () => {
  const storage = new FakeStorage([["tab", "7ab"]]);
  assert.equal(withSecrets("/wire/events", storage), "/wire/events?tab=7ab");
  storage.setItem("teacher", "5ec&x");
  assert.equal(withSecrets("/wire/ask?what=ping", storage), "/wire/ask?what=ping&tab=7ab&teacher=5ec%26x");
});

test("a URL is shown without the secret", () => {
  assert.equal(withoutSecret("ws://h/echo?tab=7ab"), "ws://h/echo?tab=…");
  assert.equal(withoutSecret("ws://h/echo?x=1&tab=7ab&y=2#z"), "ws://h/echo?x=1&tab=…&y=2#z");
  assert.equal(withoutSecret("ws://h/table?stab=1"), "ws://h/table?stab=1");
});

test("the page says whose connections it sees, and why", () => {
  const say = (wireFor, teacher, hasSecret) => describeAccess({ wire_for: wireFor, teacher }, hasSecret);
  assert.match(say("everyone", false, false), /^Every page sees all connections, whispers too/);
  const own = "This server shows each page its own connections only (--wire-for own).";
  assert.equal(say("own", false, false), own);
  assert.match(say("own", false, true), /^This teacher's link is not valid.* This server shows each page/);
  assert.match(say("teacher", true, true), /^You came with the teacher's link: you see all connections/);
  const pupil = "This page sees its own connections; the teacher sees all, whispers too.";
  assert.equal(say("teacher", false, false), pupil);
  assert.match(say("teacher", false, true), /^This teacher's link is not valid/);
});
