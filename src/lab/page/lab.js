// The lab page: every property and every event of the browser's WebSocket, as they change.

import { setUpBenches } from "./bench.js";
import { Connection } from "./connection.js";
import { choiceInAddress, eventInAddress, keepInAddress } from "./link.js";
import { Log, count, hex } from "./log.js";
import { Room } from "./room.js";
import { Wire } from "./wire.js";

const $ = (id) => document.getElementById(id);

const connection = new Connection();
const log = new Log($("log"), $("newer"));
const room = new Room((text) => send(text));
const encoder = new TextEncoder();

// A page cannot see its own connection from outside. So its connections to this server carry a
// word in their address, by which the wire view knows them.
const tab = Math.random().toString(36).slice(2, 8);
const wire = new Wire(tab);

// ── Where to ──────────────────────────────────────────────────────────────────────────────

function path() {
  return $("path").value === "room" ? `/room/${encodeURIComponent($("room-path").value)}` : $("path").value;
}

function url() {
  if ($("path").value === "other") return $("other-url").value.trim();
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path()}?tab=${tab}`;
}

function subprotocols() {
  return $("subprotocols").value.split(",").map((name) => name.trim()).filter(Boolean);
}

function showChoice() {
  // What is not shown is not asked for either.
  $("room-field").hidden = $("room-path").disabled = $("path").value !== "room";
  $("other-field").hidden = $("other-url").disabled = $("path").value !== "other";
  const name = $("room-path").value;
  const impossible = name === "." || name === ".." ? "A path cannot have this name in it." : "";
  const long = encoder.encode(name).length > 64 ? "A room's name has at most 64 bytes." : "";
  $("room-path").setCustomValidity(impossible || long);
  const offered = subprotocols();
  const second = offered.length ? `, ${JSON.stringify(offered)}` : "";
  $("code").textContent = `new WebSocket(${JSON.stringify(url())}${second})`;
}

/**
 * The choice stands behind the # of the address: a link to a room, and a reload, come back to it.
 * Not so the address of another server: a link must not make a page connect just anywhere.
 */
function keepChoice() {
  const other = $("path").value === "other";
  sessionStorage.setItem("other", other ? $("other-url").value : "");
  const offered = $("subprotocols").value.trim();
  keepInAddress(other ? "" : path() + (offered ? `?${encodeURIComponent(offered)}` : ""));
}

function restoreChoice() {
  const [wanted, offered = ""] = choiceInAddress().split("?");
  const other = sessionStorage.getItem("other");
  if (wanted.startsWith("/room/")) {
    $("path").value = "room";
    $("room-path").value = decodeOr(wanted.slice(6), "blue");
  } else if (!wanted && other) {
    $("path").value = "other";
    $("other-url").value = other;
  } else {
    $("path").value = ["/echo", "/broadcast"].includes(wanted) ? wanted : "/";
  }
  $("subprotocols").value = decodeOr(offered, "");
  showChoice();
}

function decodeOr(text, otherwise) {
  try {
    return decodeURIComponent(text);
  } catch {
    return otherwise;
  }
}

function connect() {
  try {
    connection.open(url(), subprotocols());
    room.forget();
    keepChoice();
    choice = choiceInAddress();
  } catch (error) {
    log.add("bad", `× ${error.name}`, error.message, "thrown by new WebSocket; nothing was sent");
  }
}

$("path").addEventListener("change", () => {
  // A room is for people with names, unless one wants it plain.
  $("subprotocols").value = $("path").value === "room" ? "classroom.v1" : "";
  showChoice();
});
$("connect-form").addEventListener("input", showChoice);
$("connect-form").addEventListener("submit", (event) => {
  event.preventDefault();
  connect();
});
let choice = choiceInAddress();
window.addEventListener("hashchange", () => {
  openLink();
  if (choiceInAddress() === choice) return;
  choice = choiceInAddress();
  restoreChoice();
  connect();
});
$("reconnect").addEventListener("change", () => (connection.reconnects = $("reconnect").checked));
$("binary-type").addEventListener("change", () => (connection.binaryType = $("binary-type").value));
$("close-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const code = $("close-code").value;
  const reason = $("close-reason").value;
  const args = code || reason ? [Number(code || 1000), ...(reason ? [reason] : [])] : [];
  try {
    connection.close(...args);
    log.add("", "■ close()", args.map((arg) => JSON.stringify(arg)).join(", "));
    $("connect").focus();
  } catch (error) {
    log.add("bad", `× ${error.name}`, error.message, "thrown by close; nothing was sent");
  }
  showState();
});

// ── Sending ───────────────────────────────────────────────────────────────────────────────

/** Sends, if the connection is open, and says whether it was. */
function send(data, name = "") {
  if (connection.readyState !== WebSocket.OPEN) {
    log.add("bad", "× not sent", "", "the connection is not open");
    return false;
  }
  connection.socket.send(data);
  if (typeof data === "string") {
    log.add("sent", "▲ send()", data, `text, ${count(encoder.encode(data).length)}`);
  } else {
    showBytes(log.add("sent", "▲ send()", "", `${size(data)}${name && `, ${name}`}`), data);
  }
  watchBuffer();
  return true;
}

function size(data) {
  return `${data instanceof Blob ? "Blob" : "ArrayBuffer"}, ${count(data.size ?? data.byteLength)}`;
}

/** The row comes at once, so that rows keep their order; a Blob gives its bytes only later. */
async function showBytes(row, data) {
  row.prepend(await hex(data), " ");
}

$("send-form").addEventListener("submit", (event) => {
  event.preventDefault();
  send($("text").value);
  $("text").select();
});
$("file-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const file = $("file").files[0];
  if (!file) return $("file").click();
  send($("file-as").value === "blob" ? file : await file.arrayBuffer(), file.name);
});

let highest = 0;
let looking = null;

/** bufferedAmount has no event: it is looked at until it is 0 again. */
function watchBuffer() {
  cancelAnimationFrame(looking);
  const open = connection.readyState === WebSocket.OPEN;
  const amount = open ? connection.socket.bufferedAmount : 0;
  highest = Math.max(highest, amount);
  $("buffered").textContent = amount.toLocaleString("en");
  $("buffered-most").textContent = highest.toLocaleString("en");
  $("buffered-bar").max = highest || 1;
  $("buffered-bar").value = amount;
  if (amount > 0) looking = requestAnimationFrame(watchBuffer);
}

// ── What happens ──────────────────────────────────────────────────────────────────────────

function showState() {
  const { socket, readyState } = connection;
  for (const item of $("states").children) {
    if (Number(item.dataset.state) === readyState) item.setAttribute("aria-current", "step");
    else item.removeAttribute("aria-current");
  }
  const open = readyState === WebSocket.OPEN;
  $("send").disabled = $("send-file").disabled = !open;
  $("close").disabled = readyState > WebSocket.OPEN;
  $("connect").textContent = readyState === WebSocket.CLOSED ? "Connect" : "Connect anew";
  $("url").textContent = socket?.url ?? "–";
  $("protocol").textContent = open ? socket.protocol || '"" (none chosen)' : "–";
  $("extensions").textContent = open ? socket.extensions || '"" (none)' : "–";
  $("binary-type").value = socket?.binaryType ?? "blob";
  $("hint").hidden = !open || new URL(socket.url).host !== location.host;
}

connection.addEventListener("connecting", ({ detail }) => {
  log.add("", "○ connecting", detail.url);
  showState();
});
connection.addEventListener("open", () => {
  const { protocol, url } = connection.socket;
  log.add("good", "● open", "", protocol ? `subprotocol ${protocol}` : "");
  room.enter(decodeOr(new URL(url).pathname.replace(/^\/room\//, ""), ""), protocol);
  showState();
  say("");
});
connection.addEventListener("message", ({ detail: { data } }) => {
  if (typeof data === "string") {
    log.add("received", "▼ message", data, `text, ${count(encoder.encode(data).length)}`);
    room.take(data);
  } else {
    showBytes(log.add("received", "▼ message", "", size(data)), data);
  }
});
connection.addEventListener("error", () => {
  log.add("bad", "× error", "", "browsers do not tell pages why");
  showState();
});
connection.addEventListener("close", ({ detail }) => {
  const note = detail.code === 1006 ? "1006 never travels: no Close frame came" : "";
  log.add(detail.wasClean ? "" : "bad", "■ close", ending(detail), note);
  showState();
  watchBuffer();
  say("Not connected.");
});
connection.addEventListener("abandoned", ({ detail }) => {
  log.add("", "■ close", ending(detail), "the connection before this one");
});
connection.addEventListener("refused", async ({ detail }) => {
  const refused = new URL(detail.url);
  if (refused.host !== location.host) return;
  // The browser keeps the server's answer to itself. A plain request gets the same one, except
  // where only the upgrade was missing.
  const answer = await fetch(refused.pathname).catch(() => null);
  if (answer && !answer.ok && answer.status !== 426) {
    log.add("bad", "× refused", (await answer.text()).trim(), "what the server says to a plain GET");
  }
});

function ending({ code, reason, wasClean }) {
  return `code ${code}${reason ? ` ${JSON.stringify(reason)}` : ""}, wasClean ${wasClean}`;
}

// ── The notice ────────────────────────────────────────────────────────────────────────────

let waitingUntil = null;
let ticking = null;

/** Screen readers are told of this, but not of each second that passes. */
function say(text) {
  $("notice-text").textContent = text;
  $("notice").hidden = !text;
}

connection.addEventListener("waiting", ({ detail }) => {
  const waited = waitingUntil !== null;
  waitingUntil = detail.pause === null ? null : performance.now() + detail.pause;
  if (waitingUntil !== null) say("Not connected. Trying again");
  else if (waited) say(connection.readyState === WebSocket.CLOSED ? "Not connected. Press Connect." : "");
  showCountdown();
});

function showCountdown() {
  clearTimeout(ticking);
  const waiting = waitingUntil !== null;
  $("countdown").hidden = $("retry-now").hidden = $("retry-stop").hidden = !waiting;
  if (!waiting) return;
  const left = Math.max(0, Math.ceil((waitingUntil - performance.now()) / 1000));
  $("countdown").textContent = `in ${left} s.`;
  ticking = setTimeout(showCountdown, 250);
}

$("retry-now").addEventListener("click", () => connection.tryNow());
$("retry-stop").addEventListener("click", () => {
  connection.stopTrying();
  $("connect").focus();
});
$("clear").addEventListener("click", () => log.clear());

// ── Events or wire ────────────────────────────────────────────────────────────────────────

function show(view) {
  for (const name of ["events", "wire"]) {
    $(name).hidden = name !== view;
    $(`tab-${name}`).setAttribute("aria-selected", name === view);
    $(`tab-${name}`).tabIndex = name === view ? 0 : -1;
  }
  if (view === "wire") wire.watch();
  sessionStorage.setItem("view", view);
}

for (const [name, other] of [["events", "wire"], ["wire", "events"]]) {
  $(`tab-${name}`).addEventListener("click", () => show(name));
  $(`tab-${name}`).addEventListener("keydown", ({ key }) => {
    if (key !== "ArrowLeft" && key !== "ArrowRight") return;
    show(other);
    $(`tab-${other}`).focus();
  });
}
show(sessionStorage.getItem("view") === "wire" ? "wire" : "events");

setUpBenches(() => wire.mine(), (whose) => {
  show("wire");
  if (whose) wire.showOf(whose);
});

// ── Size of the type ──────────────────────────────────────────────────────────────────────

function resize(step) {
  const size = Math.min(32, Math.max(12, Number(localStorage.getItem("size") ?? 16) + step));
  localStorage.setItem("size", size);
  document.documentElement.style.fontSize = `${(size / 16) * 18}px`;
}
$("smaller").addEventListener("click", () => resize(-2));
$("larger").addEventListener("click", () => resize(2));
if (localStorage.getItem("size")) resize(0);

/** Shows the event that the address means, if it means one, or the wire as a whole. */
function openLink() {
  const event = eventInAddress();
  if (!event) return;
  show("wire");
  if (event !== "wire") wire.openLink(event);
}

// Whoever opens the page is connected at once: type, Enter, and the echo is there.
restoreChoice();
connect();
openLink();
$("text").select();
