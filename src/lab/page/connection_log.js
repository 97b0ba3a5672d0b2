// Writes the events of the connection into the list of events.

import { withoutSecret } from "./access.js";

/** Logs each event of `connection`. Call it before the views listen, because their rows belong after these. */
export function logConnection(connection, log) {
  connection.addEventListener("connecting", ({ detail }) => {
    log.add("", "○ connecting", withoutSecret(detail.url));
  });
  connection.addEventListener("open", () => {
    const { protocol } = connection.socket;
    log.add("good", "● open", "", protocol ? `subprotocol ${protocol}` : "");
  });
  connection.addEventListener("message", ({ detail }) => log.addMessage("received", "▼ message", detail.data));
  connection.addEventListener("error", () => log.add("bad", "× error", "", "a browser does not tell a page why"));
  connection.addEventListener("close", ({ detail }) => {
    const note = detail.code === 1006 ? "no Close frame came; the browser reports 1006, which is never sent" : "";
    log.add(detail.wasClean ? "" : "bad", "■ close", describeClose(detail), note);
  });
  connection.addEventListener("abandoned", ({ detail }) => {
    log.add("", "■ close", describeClose(detail), "this was the previous connection");
  });
  connection.addEventListener("refused", ({ detail }) => logRefusal(new URL(detail.url), log));
}

/** Describes a `close` event by its properties. */
export function describeClose({ code, reason, wasClean }) {
  return `code ${code}${reason ? ` ${JSON.stringify(reason)}` : ""}, wasClean ${wasClean}`;
}

/** Asks with a plain request why the server refused, because the browser does not tell the page. */
async function logRefusal(url, log) {
  if (url.host !== location.host) return;
  const response = await fetch(url.pathname).catch(() => null);
  // 426 only means that a plain request is not an upgrade. The handshake failed for another reason.
  if (!response || response.ok || response.status === 426) return;
  log.add("bad", "× refused", (await response.text()).trim(), "this is the server's answer to a plain GET");
}
