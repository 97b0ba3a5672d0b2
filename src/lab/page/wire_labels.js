// The label of an event: what it is, in a few words.

import { byteCount } from "./format.js";

const MAX_CHARACTERS = 60;

/** Returns the sender, `client` or `server`; empty for an event that is not sent, such as the end. */
export function senderOf(event) {
  return { request: "client", response: "server" }[event.kind] ?? event.from ?? "";
}

export function directionOf(event) {
  return { client: "client → server", server: "server → client" }[senderOf(event)] ?? "";
}

export function labelOf(event) {
  switch (event.kind) {
    case "request":
    case "response":
      return event.line;
    case "end":
      return event.how;
    case "restart":
      return "the server has restarted and counts its connections from 1 again";
    case "missed":
      return `${event.events} events came too fast to show`;
    default:
      return frameLabel(event);
  }
}

function frameLabel({ name, fault, part, close, text, answers, payload_length: length }) {
  const words = [fault ? `${name} !` : name];
  if (part) words.push(`part ${part.part}${part.last ? ", the last" : ""}`);
  if (close) words.push(`${close.code} ${close.name}${close.answer ? ", the answer" : ""}`);
  if (text && length > 0 && !close) words.push(`"${shorten(text)}"`);
  const size = name === "BINARY" ? `, ${byteCount(length)}` : "";
  const time = answers ? `, ${answers.milliseconds.toFixed(1)} ms after event ${answers.ping}` : "";
  return words.join(" ") + size + time;
}

function shorten(text) {
  return text.length > MAX_CHARACTERS ? `${text.slice(0, MAX_CHARACTERS)}…` : text;
}
