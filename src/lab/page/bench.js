// Things to try that a browser cannot do by itself: the server does them, and computes them with the
// same code that it serves with.

import { acceptSteps, showFrame, showHead } from "./frame.js";
import { element } from "./wire.js";

const $ = (id) => document.getElementById(id);

/** The server takes request lines of so many characters, unless --max-head says otherwise. */
const LONGEST_TARGET = 8000;

/** `client` gives the number of this page's connection, once the wire view knows it. */
export function setUpBenches(client, showWire) {
  setUpAsking(client, showWire);
  setUpBreaking(showWire);
  setUpKey();
  setUpFrame();
  setUpHex();
}

async function call(target, method = "GET") {
  const answer = await fetch(target, { method }).catch(() => null);
  if (!answer) throw new Error("The server does not answer.");
  if (!answer.ok) throw new Error((await answer.text()).trim().replace(/^\d+ [A-Z][A-Za-z ]+: /, ""));
  return answer.json();
}

/** Runs `work` and shows what it gives, or why it failed, in `box`. */
async function show(box, work) {
  try {
    box.replaceChildren();
    await work();
  } catch (error) {
    box.replaceChildren(element("p", "refused", error.message));
  }
}

function setUpAsking(client, showWire) {
  $("ask-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const what = event.submitter?.value ?? "ping";
    show($("asked"), async () => {
      showWire();
      const number = await client();
      if (!number) throw new Error("This page has no connection to this server.");
      const code = what === "close" ? `&code=${encodeURIComponent($("ask-code").value)}` : "";
      await call(`/wire/ask?client=${number}&what=${what}${code}`, "POST");
    });
  });
}

function setUpBreaking(showWire) {
  $("break-details").addEventListener("toggle", () => {
    if ($("rule").options.length) return;
    show($("broken"), async () => {
      for (const { id, title } of await call("/wire/rules")) $("rule").add(new Option(title, id));
    });
  });
  $("break-form").addEventListener("submit", (event) => {
    event.preventDefault();
    show($("broken"), async () => {
      showWire("all");
      const { title, rule, rfc, sent, received, closed, reason } = await call(
        `/wire/break?rule=${encodeURIComponent($("rule").value)}`,
        "POST",
      );
      const rows = element("dl", "steps", "");
      for (const [name, value] of [
        ["sent", `${title}: ${shorten(sent)}`],
        ["rule", `${rule} (RFC 6455 ${rfc})`],
        ["came back", shorten(received) || "nothing"],
        ["which says", closed ? `Close ${closed}${reason && `: ${reason}`}` : "nothing in the two seconds that were waited"],
      ]) {
        rows.append(element("dt", "", name), element("dd", "", value));
      }
      $("broken").append(rows);
    });
  });
}

function shorten(hex) {
  return hex.length > 150 ? `${hex.slice(0, 150)}…` : hex;
}

function setUpKey() {
  $("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    show($("key-steps"), async () => {
      $("key-steps").append(acceptSteps(await call(`/wire/accept?key=${encodeURIComponent($("key").value)}`)));
    });
  });
}

function setUpFrame() {
  $("frame-opcode").addEventListener("change", () => {
    $("frame-code-field").hidden = $("frame-opcode").value !== "8";
  });
  $("frame-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const asked = new URLSearchParams({
      text: $("frame-text").value,
      mask: $("frame-mask").value,
      opcode: $("frame-opcode").value,
      code: $("frame-opcode").value === "8" ? $("frame-code").value : "",
      fin: $("frame-fin").checked ? 1 : 0,
      rsv: $("frame-rsv").checked ? 4 : 0,
    });
    // Spaces as %20: a plus sign is a plus sign there.
    takeApart($("frame-made"), `/wire/frame?${asked.toString().replaceAll("+", "%20")}`);
  });
}

function setUpHex() {
  $("hex-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const target = `/wire/explain?hex=${encodeURIComponent($("hex").value)}`;
    const why = "Too many bytes for a request from a page; the command chalkwire explain takes them.";
    if (target.length > LONGEST_TARGET) $("hex-parts").replaceChildren(element("p", "refused", why));
    else takeApart($("hex-parts"), target);
  });
}

function takeApart(box, target) {
  show(box, async () => {
    for (const event of await call(target)) {
      const part = element("section", "", "");
      part.append(element("h4", "", `${event.number} ${event.name ?? event.line}`));
      if (event.kind === "frame") showFrame(part, event);
      else showHead(part, event);
      box.append(part);
    }
  });
}
