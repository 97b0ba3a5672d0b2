// A frame in full: each byte with its meaning, and each meaning with its bytes.

import { element, remark } from "./dom.js";
import { fieldsOf, headerBits, moreBytes, remarksOn, unmasking } from "./frame_parts.js";

const MAX_BYTES_IN_GROUP = 32;
const MAX_BYTES_IN_ROW = 8;

/** Adds a frame to `box`: its bytes, its bits, its fields, its unmasking, and remarks on it. */
export function showFrame(box, frame) {
  const fields = fieldsOf(frame);
  const bytes = byteGroups(fields);
  const grid = bitGrid(frame.header, fields);
  const list = fieldList(fields);
  linkViews(bytes, grid, list);

  // A fault explains the end of the connection, so it comes first.
  if (frame.fault) box.append(remark("Broken rule", `${frame.fault.sentence}: close ${frame.fault.code}`));
  box.append(bytes, grid, list);
  if (frame.masking_key) box.append(unmaskingTable(frame));
  for (const [heading, text] of remarksOn(frame)) box.append(remark(heading, text));
}

/** Makes the row of bytes. Each group of bytes lists the numbers of its fields. */
function byteGroups(fields) {
  const bytes = element("p", "bytes");
  for (const field of fields) {
    if (field.isShared) continue;
    const group = element("span", "group", start(field.hex, MAX_BYTES_IN_GROUP));
    group.dataset.fields = fields.flatMap((other, n) => (other.at === field.at ? [n] : [])).join(" ");
    bytes.append(group, " ");
  }
  return bytes;
}

function fieldList(fields) {
  const list = element("ol", "fields");
  for (const [n, field] of fields.entries()) {
    const button = element("button");
    button.type = "button";
    button.append(
      element("code", "", field.bits || start(field.hex, MAX_BYTES_IN_ROW)),
      element("b", "", `${field.name}${field.bits ? ` ${field.value}` : ""}`),
      element("span", "", field.meaning),
    );
    const row = element("li");
    row.dataset.field = n;
    row.append(button);
    list.append(row);
  }
  return list;
}

/** Makes the table of the first two bytes bit by bit, as in the drawing of RFC 6455 section 5.2. */
function bitGrid(header, fields) {
  const table = element("table", "grid");
  table.append(element("caption", "", "The first two bytes, bit by bit (RFC 6455 section 5.2)"));
  const names = table.insertRow();
  const bits = table.insertRow();
  for (const [n, fieldBits] of headerBits(header).entries()) {
    const name = names.insertCell();
    name.colSpan = fieldBits.length;
    name.textContent = fields[n].name;
    name.dataset.field = n;
    name.className = fieldBits.length === 1 ? "one" : "";
    for (const bit of fieldBits) {
      const cell = bits.insertCell();
      cell.textContent = bit;
      cell.dataset.field = n;
    }
  }
  return table;
}

/** Makes a click on a byte or a bit mark its field, and a click on a field mark its bytes and bits. */
function linkViews(bytes, grid, list) {
  const mark = (n) => {
    for (const button of list.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", button.parentElement.dataset.field === `${n}`);
    }
    for (const group of bytes.children) {
      group.classList.toggle("marked", group.dataset.fields.split(" ").includes(`${n}`));
    }
    for (const cell of grid.querySelectorAll("td")) {
      cell.classList.toggle("marked", cell.dataset.field === `${n}`);
    }
  };
  for (const part of [list, grid]) {
    part.addEventListener("click", (click) => {
      const row = click.target.closest("[data-field]");
      if (row) mark(Number(row.dataset.field));
    });
  }
  bytes.addEventListener("click", (click) => {
    const group = click.target.closest(".group");
    if (!group) return;
    // If several fields share these bytes, each click marks the next of them.
    const shared = group.dataset.fields.split(" ").map(Number);
    const now = Number(list.querySelector('[aria-pressed="true"]')?.parentElement.dataset.field);
    mark(shared[(shared.indexOf(now) + 1) % shared.length]);
  });
  mark(0);
}

function unmaskingTable(frame) {
  const { rows, left } = unmasking(frame);
  const table = element("table", "xor");
  table.append(element("caption", "", `Unmasking, byte by byte (RFC 6455 section 5.3)${moreBytes(left)}`));
  for (const [name, cells] of rows) {
    const row = table.insertRow();
    row.append(element("th", "", name));
    for (const cell of cells) row.append(element("td", "", cell));
  }
  const scroller = element("div", "scroller");
  scroller.append(table);
  return scroller;
}

/** Formats the first bytes of a field. */
function start(hex, most) {
  return hex.slice(0, most).join(" ") + (hex.length > most ? " …" : "");
}
