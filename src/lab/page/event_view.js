// One event of the wire in full: a request, a response or a frame.

import { definitionList, element, remark } from "./dom.js";
import { moreLines } from "./format.js";
import { showFrame } from "./frame_view.js";
import { hrefOf } from "./link.js";
import { directionOf } from "./wire_labels.js";

/** Shows an event in `box` instead of the one before. */
export function showEvent(box, event, title) {
  const heading = element("h3");
  if (event.connection > 0) {
    const place = element("a", "permalink", `${event.connection}:${event.number}`);
    place.href = hrefOf(event);
    heading.append(place, " ", directionOf(event), " ");
  }
  heading.append(element("span", "", title));
  if (event.connection > 0) heading.append(" ", element("time", "", `${event.seconds.toFixed(3)} s`));
  box.replaceChildren(heading);
  showParts(box, event);
}

/** Adds the parts of a request, a response or a frame to `box`. Other events do not have parts. */
export function showParts(box, event) {
  if (event.kind === "request" || event.kind === "response") showHead(box, event);
  if (event.kind === "frame") showFrame(box, event);
}

/** Shows the head of a request or of a response, line by line, and the rule that a refused handshake broke. */
function showHead(box, event) {
  const rule = event.broken_rule;
  if (rule) box.append(remark("Broken rule", `${rule.sentence} (RFC 6455 section ${rule.rfc})`));
  const lines = element("ol", "head");
  lines.append(element("li", "", event.line));
  for (const { line, meaning } of event.headers) {
    const row = element("li", meaning ? "meant" : "", line);
    if (meaning) row.append(" ", element("span", "note", meaning));
    lines.append(row);
  }
  if (event.more_lines) lines.append(element("li", "note", `… and ${moreLines(event.more_lines)}`));
  box.append(lines);
  if (event.accept) box.append(acceptSteps(event.accept));
}

/** Shows how Sec-WebSocket-Accept is computed from a key. The server has computed the values. */
export function acceptSteps({ key_and_guid, sha1, accept }) {
  const box = element("section", "accept");
  box.append(
    element("h4", "", "How Sec-WebSocket-Accept is computed (RFC 6455 section 4.2.2)"),
    definitionList([["key + GUID", key_and_guid], ["SHA-1", sha1], ["base64", accept]]),
  );
  return box;
}
