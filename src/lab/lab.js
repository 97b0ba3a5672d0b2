// The lab page: every property and every event of the browser's WebSocket, as they change.

import { Connection } from "./connection.js";
import { Log, count, hex } from "./log.js";
import { Room } from "./room.js";

const $ = (id) => document.getElementById(id);

const connection = new Connection();
const log = new Log($("log"), $("newer"));
const room = new Room((text) => send(text));
const encoder = new TextEncoder();

// ── Where to ──────────────────────────────────────────────────────────────────────────────

function path() {
  return $("path").value === "room" ? `/room/${encodeURIComponent($("room-path").value)}` : $("path").value;
}

function url() {
  if ($("path").value === "other") return $("other-url").value.trim();
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path()}`;
}

function subprotocols() {
  return $("subprotocols").value.split(",").map((name) => name.trim()).filter(Boolean);
}

function showChoice() {
  $("room-field").hidden = $("path").value !== "room";
  $("other-field").hidden = $("path").value !== "other";
  const offered = subprotocols();
  const second = offered.length ? `, ${JSON.stringify(offered)}` : "";
  $("code").textContent = `new WebSocket(${JSON.stringify(url())}${second})`;
}

/** The choice stands behind the # of the address: a link to a room, and a reload, come back to it. */
function keepChoice() {
  const offered = $("subprotocols").value.trim();
  const choice = $("path").value === "other" ? "" : path() + (offered ? `?${offered}` : "");
  history.replaceState(null, "", choice && choice !== "/" ? `#${choice}` : location.pathname);
}

function restoreChoice() {
  const [wanted, offered] = location.hash.slice(1).split("?");
  if (wanted.startsWith("/room/")) {
    $("path").value = "room";
    $("room-path").value = decodeOr(wanted.slice(6), "blue");
  } else if ([...$("path").options].some((option) => option.value === wanted)) {
    $("path").value = wanted;
  }
  if (offered) $("subprotocols").value = decodeOr(offered, "");
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
  room.forget();
  try {
    connection.open(url(), subprotocols());
    keepChoice();
  } catch (error) {
    log.add("bad", `× ${error.name}`, error.message, "thrown by new WebSocket; nothing was sent");
  }
}

$("path").addEventListener("change", () => {
  // A room is for people with names, unless one wants it plain.
  $("subprotocols").value = $("path").value === "room" ? "classroom.v1" : "";
});
$("connect-form").addEventListener("input", showChoice);
$("connect-form").addEventListener("submit", (event) => {
  event.preventDefault();
  connect();
});
$("reconnect").addEventListener("change", () => (connection.reconnects = $("reconnect").checked));
$("binary-type").addEventListener("change", () => (connection.binaryType = $("binary-type").value));
$("close-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const code = $("close-code").value.trim();
  const reason = $("close-reason").value;
  const args = code || reason ? [Number(code || 1000), ...(reason ? [reason] : [])] : [];
  try {
    connection.close(...args);
    log.add("", "■ close()", args.join(" "), "asked for by this page");
  } catch (error) {
    log.add("bad", `× ${error.name}`, error.message, "thrown by close; nothing was sent");
  }
  showState();
});

// ── Sending ───────────────────────────────────────────────────────────────────────────────

function send(data) {
  if (connection.readyState !== WebSocket.OPEN) {
    log.add("bad", "× not sent", "", "the connection is not open");
    return;
  }
  connection.socket.send(data);
  if (typeof data === "string") {
    log.add("sent", "▲ send()", data, `text, ${count(encoder.encode(data).length)}`);
  } else {
    log.add("sent", "▲ send()", "", `${data.constructor.name}, ${count(data.size ?? data.byteLength)}`);
  }
  watchBuffer();
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
  send($("file-as").value === "blob" ? file : await file.arrayBuffer());
});

let highest = 0;

/** bufferedAmount has no event: it is looked at until it is 0 again. */
function watchBuffer() {
  const amount = connection.socket?.bufferedAmount ?? 0;
  highest = amount === 0 ? 0 : Math.max(highest, amount);
  $("buffered").value = amount.toLocaleString("en");
  $("buffered-bar").max = highest || 1;
  $("buffered-bar").value = amount;
  if (amount > 0 && connection.readyState === WebSocket.OPEN) requestAnimationFrame(watchBuffer);
}

// ── What happens ──────────────────────────────────────────────────────────────────────────

function showState() {
  const { socket, readyState } = connection;
  for (const item of $("states").children) {
    if (Number(item.dataset.state) === readyState) item.setAttribute("aria-current", "step");
    else item.removeAttribute("aria-current");
  }
  const open = readyState === WebSocket.OPEN;
  for (const id of ["send", "send-file", "close"]) $(id).disabled = !open;
  $("connect").textContent = readyState === WebSocket.CLOSED ? "Connect" : "Connect anew";
  $("url").value = socket?.url ?? "–";
  $("protocol").value = open ? socket.protocol || '"" (none chosen)' : "–";
  $("extensions").value = open ? socket.extensions || '"" (none)' : "–";
  $("binary-type").value = socket?.binaryType ?? "blob";
  $("hint").hidden = !/^\/(echo)?$/.test(path()) || $("path").value === "other";
}

connection.addEventListener("connecting", ({ detail }) => {
  log.add("", "○ connecting", detail.url);
  showState();
});
connection.addEventListener("open", () => {
  const { protocol } = connection.socket;
  log.add("good", "● open", "", protocol ? `subprotocol ${protocol}` : "");
  room.enter($("room-path").value, protocol);
  showState();
});
connection.addEventListener("message", async ({ detail }) => {
  const { data } = detail;
  if (typeof data === "string") {
    log.add("received", "▼ message", data, `text, ${count(encoder.encode(data).length)}`);
    room.take(data);
    return;
  }
  // The row comes at once, so that rows keep their order; a Blob gives its bytes only later.
  const size = data.size ?? data.byteLength;
  const row = log.add("received", "▼ message", "", `${data.constructor.name}, ${count(size)}`);
  const start = data.slice(0, 33);
  row.prepend(hex(new Uint8Array(start instanceof Blob ? await start.arrayBuffer() : start)), " ");
});
connection.addEventListener("error", () => {
  log.add("bad", "× error", "", "browsers do not tell pages why");
  showState();
});
connection.addEventListener("close", ({ detail }) => {
  const { code, reason, wasClean } = detail;
  const said = `code ${code}${reason ? ` ${JSON.stringify(reason)}` : ""}, wasClean ${wasClean}`;
  const look = wasClean ? "" : "bad";
  log.add(look, "■ close", said, code === 1006 ? "1006 never travels: no Close frame came" : "");
  room.lost();
  showState();
});

let waitingUntil = null;
let ticking = null;
let lastShown = "";

connection.addEventListener("waiting", ({ detail }) => {
  waitingUntil = detail.pause === null ? null : performance.now() + detail.pause;
  showWaiting();
});

function showWaiting() {
  clearTimeout(ticking);
  const waiting = waitingUntil !== null;
  $("notice").hidden = $("retry-now").hidden = $("retry-stop").hidden = !waiting;
  if (!waiting) return;
  const left = Math.max(0, Math.ceil((waitingUntil - performance.now()) / 1000));
  const text = `Not connected. Trying again in ${left} s.`;
  // A screen reader says it when it changes.
  if (text !== lastShown) $("notice-text").textContent = lastShown = text;
  ticking = setTimeout(showWaiting, 250);
}

$("retry-now").addEventListener("click", () => connection.tryNow());
$("retry-stop").addEventListener("click", () => connection.stopTrying());
$("clear").addEventListener("click", () => log.clear());

// ── Size of the type ──────────────────────────────────────────────────────────────────────

function resize(step) {
  const size = Math.min(32, Math.max(12, Number(localStorage.getItem("size") ?? 16) + step));
  localStorage.setItem("size", size);
  document.documentElement.style.fontSize = `${(size / 16) * 1.125}rem`;
}
$("smaller").addEventListener("click", () => resize(-2));
$("larger").addEventListener("click", () => resize(2));
if (localStorage.getItem("size")) resize(0);

// Whoever opens the page is connected at once: type, Enter, and the echo is there.
restoreChoice();
connect();
$("text").select();
