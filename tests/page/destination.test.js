import assert from "node:assert/strict";
import test from "node:test";

import {
  choiceOf, codeFor, destinationFrom, pathOf, roomIn, roomNameProblem, subprotocolsIn, urlOf,
} from "../../src/lab/page/destination.js";

const HERE = { protocol: "http:", host: "localhost:8080" };
const form = (changes) => ({ path: "/", room: "blue", otherUrl: "", subprotocols: "", ...changes });

test("the URL leads to this server and carries the page's mark", () => {
  assert.equal(urlOf(form({ path: "/echo" }), HERE, "x7"), "ws://localhost:8080/echo?tab=x7");
  assert.equal(urlOf(form({}), { protocol: "https:", host: "example.org" }, "x7"), "wss://example.org/?tab=x7");
});

test("the name of a room is percent-encoded in the path", () => {
  assert.equal(pathOf(form({ path: "room", room: "蓝/?" })), "/room/%E8%93%9D%2F%3F");
});

test("the URL of another server is taken as it is", () => {
  const other = form({ path: "other", otherUrl: " ws://localhost:9998/echo " });
  assert.equal(urlOf(other, HERE, "x7"), "ws://localhost:9998/echo");
});

test("subprotocols are separated by commas", () => {
  assert.deepEqual(subprotocolsIn(" chat , classroom.v1,"), ["chat", "classroom.v1"]);
  assert.deepEqual(subprotocolsIn(""), []);
});

test("the code is what a student would type", () => {
  assert.equal(codeFor("ws://h/", []), 'new WebSocket("ws://h/")');
  assert.equal(codeFor("ws://h/", ["a", "b"]), 'new WebSocket("ws://h/", ["a","b"])');
});

test("a room has at most 64 bytes in its name, and is not a step in a path", () => {
  assert.equal(roomNameProblem("a".repeat(64)), "");
  assert.match(roomNameProblem("a".repeat(65)), /at most 64 bytes/);
  assert.match(roomNameProblem("蓝".repeat(22)), /at most 64 bytes/);
  assert.match(roomNameProblem("."), /cannot contain/);
  assert.match(roomNameProblem(".."), /cannot contain/);
  assert.equal(roomNameProblem("..."), "");
});

test("a link leads to the destination that it was made of", () => {
  for (const [destination, link] of [
    [{ path: "/", subprotocols: "" }, "/"],
    [{ path: "/echo", subprotocols: "chat, classroom.v1" }, "/echo?chat%2C%20classroom.v1"],
    [{ path: "room", room: "a?b", subprotocols: "classroom.v1" }, "/room/a%3Fb?classroom.v1"],
  ]) {
    assert.equal(choiceOf(form(destination)), link);
    assert.deepEqual(destinationFrom(link, ""), destination);
  }
});

test("a link cannot lead to another server, but a reload can", () => {
  const other = form({ path: "other", otherUrl: "ws://evil.example/" });
  assert.equal(choiceOf(other), "");
  assert.deepEqual(destinationFrom("ws://evil.example/", ""), { path: "/", subprotocols: "" });
  assert.deepEqual(destinationFrom("", other.otherUrl), {
    path: "other", otherUrl: "ws://evil.example/", subprotocols: "",
  });
  assert.equal(destinationFrom("/echo", other.otherUrl).path, "/echo");
});

test("a link that is not well-formed leads to a default", () => {
  assert.equal(destinationFrom("/nope", "").path, "/");
  assert.deepEqual(destinationFrom("/room/%ff?%ff", ""), { path: "room", room: "blue", subprotocols: "" });
});

test("the page knows the name of the room that it is in", () => {
  assert.equal(roomIn("ws://localhost:8080/room/%E8%93%9D?tab=x7"), "蓝");
  assert.equal(roomIn("ws://localhost:8080/room/%ff"), "");
});
