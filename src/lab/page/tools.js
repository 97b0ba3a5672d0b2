// Tools for what a browser cannot do by itself. The server does the work, with the code that it also uses for
// its clients.

import { withSecrets } from "./access.js";
import { definitionList, element, finderIn } from "./dom.js";
import { acceptSteps, showParts } from "./event_view.js";
import { refusalIn, shortenHex } from "./format.js";

/** A longer path does not fit into a request line, which may fill half of `--max-head`: 8,192 bytes by default. */
const MAX_TARGET = 8000;

/**
 * Sets up all tools in `root`. `showWire()` opens the wire view and waits until it sees what crosses the wire.
 */
export function setUpTools(root, showWire) {
  const find = finderIn(root);
  setUpDemos(find, showWire);
  setUpViolations(find, showWire);
  setUpAcceptKey(find);
  setUpFrameBuilder(find);
  setUpExplain(find);
}

function setUpDemos(find, showWire) {
  onSubmit(find("ask-form"), find("asked"), async (event) => {
    const what = event.submitter?.value ?? "ping";
    await showWire();
    const code = what === "close" ? `&code=${encodeURIComponent(find("ask-code").value)}` : "";
    await call(withSecrets(`/wire/ask?what=${what}${code}`, sessionStorage), "POST");
  });
}

function setUpViolations(find, showWire) {
  const choice = find("rule");
  const box = find("broken");
  find("break-details").addEventListener("toggle", () => {
    if (choice.options.length > 0) return;
    showResult(box, async () => {
      for (const { id, title } of await call("/wire/rules")) choice.add(new Option(title, id));
    });
  });
  onSubmit(find("break-form"), box, async () => {
    await showWire();
    // With the tab's secret, the raw client's connection belongs to this page, so that the page sees it.
    const target = withSecrets(`/wire/break?rule=${encodeURIComponent(choice.value)}`, sessionStorage);
    const outcome = await call(target, "POST");
    box.append(definitionList(outcomeRows(outcome)));
  });
}

function outcomeRows({ title, rule, rfc, sent, received, closed, reason }) {
  return [
    ["sent", `${title}: ${shortenHex(sent)}`],
    ["rule", `${rule} (RFC 6455 section ${rfc})`],
    ["received", shortenHex(received) || "nothing"],
    ["meaning", closed ? `Close ${closed}${reason && `: ${reason}`}` : "the server sent no Close within two seconds"],
  ];
}

function setUpAcceptKey(find) {
  const box = find("key-steps");
  onSubmit(find("key-form"), box, async () => {
    box.append(acceptSteps(await call(`/wire/accept?key=${encodeURIComponent(find("key").value)}`)));
  });
}

function setUpFrameBuilder(find) {
  const isClose = () => find("frame-opcode").value === "8";
  find("frame-opcode").addEventListener("change", () => (find("frame-code-field").hidden = !isClose()));
  onSubmit(find("frame-form"), find("frame-made"), async () => {
    const fields = new URLSearchParams({
      text: find("frame-text").value,
      mask: find("frame-mask").value,
      opcode: find("frame-opcode").value,
      code: isClose() ? find("frame-code").value : "",
      fin: find("frame-fin").checked ? 1 : 0,
      rsv: find("frame-rsv").checked ? 4 : 0,
    });
    // URLSearchParams writes a space as a plus sign. The server accepts that too, but %20 also works in a path.
    await explain(find("frame-made"), `/wire/frame?${fields.toString().replaceAll("+", "%20")}`);
  });
}

function setUpExplain(find) {
  onSubmit(find("hex-form"), find("hex-parts"), async () => {
    const target = `/wire/explain?hex=${encodeURIComponent(find("hex").value)}`;
    if (target.length > MAX_TARGET) {
      throw new Error("Too many bytes for a request from a page. The command chalkwire explain accepts them.");
    }
    await explain(find("hex-parts"), target);
  });
}

async function explain(box, target) {
  for (const event of await call(target)) {
    if (event.kind === "rest") {
      box.append(element("p", "note", event.sentence));
      continue;
    }
    const part = element("section");
    part.append(element("h4", "", `${event.number} ${event.name ?? event.line}`));
    showParts(part, event);
    box.append(part);
  }
}

/** Runs `work` when the form is submitted. `work` fills `box`. If it fails, `box` shows why. */
function onSubmit(form, box, work) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    showResult(box, () => work(event));
  });
}

async function showResult(box, work) {
  box.replaceChildren();
  try {
    await work();
  } catch (error) {
    box.replaceChildren(element("p", "refused", error.message));
  }
}

/** Sends a request to the server. Throws the server's reason if it refuses. */
async function call(target, method = "GET") {
  const response = await fetch(target, { method }).catch(() => null);
  if (!response) throw new Error("The server does not answer.");
  if (response.ok) return response.json();
  throw new Error(refusalIn(await response.text()));
}
