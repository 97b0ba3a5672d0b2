// One event of the wire in full: each byte with its meaning, each meaning with its bytes.

import { hrefOf } from "./link.js";
import { element } from "./wire.js";

/** Shows an event in `box`. */
export function showEvent(box, event, title) {
  const heading = element("h3", "", "");
  if (event.connection > 0) {
    const where = element("a", "permalink", `${event.connection}:${event.number}`);
    where.href = hrefOf(event);
    heading.append(where, " ", direction(event), " ");
  }
  heading.append(element("span", "", title));
  if (event.connection > 0) heading.append(" ", element("time", "", `${event.seconds.toFixed(3)} s`));
  box.replaceChildren(heading);
  if (event.kind === "request" || event.kind === "response") showHead(box, event);
  if (event.kind === "frame") showFrame(box, event);
}

function direction(event) {
  const side = { request: "client", response: "server" }[event.kind] ?? event.from;
  return { client: "client → server", server: "server → client" }[side] ?? "";
}

/** A number with its thousands set off. Those that JavaScript would round come as strings. */
export function numeral(number) {
  return BigInt(number).toLocaleString("en");
}

/** A request or the head of an answer, line by line. */
export function showHead(box, event) {
  const lines = element("ol", "head", "");
  lines.append(element("li", "", event.line));
  for (const { line, meaning } of event.headers) {
    const row = element("li", meaning ? "meant" : "", line);
    if (meaning) row.append(" ", element("span", "note", meaning));
    lines.append(row);
  }
  box.append(lines);
  if (event.accept) box.append(acceptSteps(event.accept));
}

/** How Sec-WebSocket-Accept is made, as the server has computed it. */
export function acceptSteps({ key_and_guid, sha1, accept }) {
  const steps = element("dl", "steps", "");
  for (const [name, value] of [["key + GUID", key_and_guid], ["SHA-1", sha1], ["base64", accept]]) {
    steps.append(element("dt", "", name), element("dd", "", value));
  }
  const box = element("section", "accept", "");
  box.append(element("h4", "", "How the answer is made (RFC 6455 4.2.2)"), steps);
  return box;
}

/** A frame: its bytes, its bits, its fields, what its mask does. */
export function showFrame(box, frame) {
  const header = frame.header.split(" ");
  const payload = bytesOf(frame.wire.start);
  const fields = fieldsOf(frame, header, payload);

  const bytes = element("p", "bytes", "");
  for (const [n, field] of fields.entries()) {
    if (field.shared) continue;
    const shown = field.hex.slice(0, 32);
    const group = element("span", `group f${n}`, shown.join(" ") + (field.hex.length > 32 ? " …" : ""));
    group.dataset.fields = fields.flatMap((other, m) => (other.at === field.at ? [m] : [])).join(" ");
    bytes.append(group, " ");
  }

  const list = element("ol", "fields", "");
  for (const [n, field] of fields.entries()) {
    const row = element("li", "", "");
    row.dataset.field = n;
    const button = element("button", "", "");
    button.type = "button";
    button.setAttribute("aria-pressed", n === 0);
    button.append(
      element("code", "", field.bits || field.hex.slice(0, 8).join(" ") + (field.hex.length > 8 ? " …" : "")),
      element("b", "", `${field.name}${field.bits ? ` ${field.value}` : ""}`),
      element("span", "", field.meaning),
    );
    row.append(button);
    list.append(row);
  }

  // The bytes lead to their fields, and the fields to their bytes.
  const mark = (n) => {
    for (const button of list.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", button.parentElement.dataset.field === `${n}`);
    }
    for (const group of bytes.children) {
      group.classList.toggle("marked", group.dataset.fields.split(" ").includes(`${n}`));
    }
    for (const cell of box.querySelectorAll(".grid td")) {
      cell.classList.toggle("marked", cell.dataset.field === `${n}`);
    }
  };
  const grid = bitGrid(header, fields);
  for (const part of [list, grid]) {
    part.addEventListener("click", (click) => {
      const row = click.target.closest("[data-field]");
      if (row) mark(Number(row.dataset.field));
    });
  }
  bytes.addEventListener("click", (click) => {
    const group = click.target.closest(".group");
    if (!group) return;
    // Bytes that several fields share: the next of them with each click.
    const shared = group.dataset.fields.split(" ").map(Number);
    const now = Number(list.querySelector('[aria-pressed="true"]')?.parentElement.dataset.field);
    mark(shared[(shared.indexOf(now) + 1) % shared.length]);
  });

  // What is wrong comes before all else.
  if (frame.fault) box.append(remark("Broken rule", `${frame.fault.sentence}: close ${frame.fault.code}`));
  box.append(bytes, grid, list);
  if (frame.masking_key) box.append(xorTable(frame, payload));
  for (const [what, text] of remarks(frame)) box.append(remark(what, text));
  mark(0);
}

function bytesOf(hex) {
  return hex ? hex.split(" ") : [];
}

/** The fields of the header, as the server names them, and the payload as one more. */
function fieldsOf(frame, header, payload) {
  const fields = frame.fields.map((field, n) => ({
    ...field,
    hex: header.slice(field.at, field.at + field.bytes),
    // Several fields in one byte: the first of them shows it.
    shared: n > 0 && frame.fields[n - 1].at === field.at,
  }));
  if (payload.length) {
    const bytes = frame.payload_length === 1 ? "1 byte" : `${numeral(frame.payload_length)} bytes`;
    const meaning = `${bytes}${frame.masking_key ? ", masked" : ""}`;
    fields.push({ name: "payload", at: header.length, hex: payload, bits: "", value: "", meaning, shared: false });
  }
  return fields;
}

/** The first two bytes bit by bit, as in the picture of RFC 6455 5.2. */
function bitGrid(header, fields) {
  const table = element("table", "grid", "");
  table.append(element("caption", "", "The first two bytes, bit by bit (RFC 6455 5.2)"));
  const names = table.insertRow();
  const bits = table.insertRow();
  let at = 0;
  for (const [n, width] of [[0, 1], [1, 3], [2, 4], [3, 1], [4, 7]]) {
    const name = names.insertCell();
    name.colSpan = width;
    name.textContent = fields[n].name;
    name.dataset.field = n;
    name.className = width === 1 ? "one" : "";
    for (let bit = 0; bit < width; bit += 1, at += 1) {
      const byte = parseInt(header[at >> 3], 16);
      const cell = bits.insertCell();
      cell.textContent = (byte >> (7 - (at & 7))) & 1;
      cell.dataset.field = n;
    }
  }
  return table;
}

/** What crossed the wire, the key under it over and over, and what comes out. */
function xorTable(frame, payload) {
  const plain = bytesOf(frame.payload.start);
  const key = bytesOf(frame.masking_key);
  const shown = Math.min(payload.length, 24);
  const table = element("table", "xor", "");
  const left = BigInt(frame.payload_length) - BigInt(shown);
  const more = left > 0 ? `; ${numeral(left)} more` : "";
  table.append(element("caption", "", `Unmasking, byte by byte (RFC 6455 5.3)${more}`));
  const rows = [
    ["wire", payload],
    ["XOR key", payload.map((_, n) => key[n % 4])],
    ["=", plain],
    ["text", plain.map((byte) => printable(parseInt(byte, 16)))],
  ];
  for (const [name, cells] of rows) {
    const row = table.insertRow();
    row.append(element("th", "", name));
    for (const cell of cells.slice(0, shown)) row.append(element("td", "", cell));
  }
  const scroller = element("div", "scroller", "");
  scroller.append(table);
  return scroller;
}

function printable(byte) {
  return byte > 32 && byte < 127 ? String.fromCharCode(byte) : "·";
}

function remark(what, text) {
  const line = element("p", "remark", "");
  line.append(element("b", "", `${what} `), text);
  return line;
}

function remarks(frame) {
  const { part, close, answers, note } = frame;
  const all = [];
  if (frame.text) all.push(["Text", frame.text]);
  if (part) {
    const whole = part.message ?? `${numeral(part.message_length)} bytes`;
    const rest = part.last ? `, and with that the message is complete: ${whole}` : ", more follow";
    all.push(["Fragment", `part ${part.part} of the message that begins at ${part.first}${rest}`]);
  }
  if (close) all.push(["Close", `${close.code}: ${close.name}${close.reason && `, "${close.reason}"`}`]);
  if (answers) all.push(["Round trip", `${answers.milliseconds.toFixed(2)} ms since the Ping at ${answers.ping}`]);
  if (frame.missing > 0) all.push(["Missing", `${numeral(frame.missing)} bytes were announced and never came`]);
  if (note) all.push(["Note", note]);
  all.push(["DevTools show", frame.devtools]);
  return all;
}
