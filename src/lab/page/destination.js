// Where the page connects to, as the form has it: { path, room, otherUrl, subprotocols }. `path` is a path
// of this server, or `room`, or `other` for another server. `room`, `otherUrl` and `subprotocols` are the
// texts of their input fields.

const DEFAULT_ROOM = "blue";
const MAX_ROOM_BYTES = 64;

/** The path on this server. */
export function pathOf({ path, room }) {
  return path === "room" ? `/room/${encodeURIComponent(room)}` : path;
}

/**
 * The URL to connect to. A page cannot see the number that the server gives to its connection, so the URL
 * carries `tab`, by which the wire view recognizes the connection.
 */
export function urlOf(destination, page, tab) {
  if (destination.path === "other") return destination.otherUrl.trim();
  return `${page.protocol === "https:" ? "wss" : "ws"}://${page.host}${pathOf(destination)}?tab=${tab}`;
}

/** The subprotocols to offer, from a list with commas. */
export function subprotocolsIn(text) {
  return text.split(",").map((name) => name.trim()).filter(Boolean);
}

/** The JavaScript that opens the connection, as the page shows it. */
export function codeFor(url, subprotocols) {
  const second = subprotocols.length ? `, ${JSON.stringify(subprotocols)}` : "";
  return `new WebSocket(${JSON.stringify(url)}${second})`;
}

/** Why a room cannot have this name; empty if it can. */
export function roomNameProblem(name) {
  // Browsers resolve these two as steps in a path, even when they are percent-encoded.
  if (name === "." || name === "..") return "A path cannot contain this name.";
  const isLong = new TextEncoder().encode(name).length > MAX_ROOM_BYTES;
  return isLong ? `The name of a room has at most ${MAX_ROOM_BYTES} bytes.` : "";
}

/**
 * The destination as the choice in a link. The URL of another server is left out, because a link must not
 * make the page of somebody else connect to any server that its author likes.
 */
export function choiceOf(destination) {
  if (destination.path === "other") return "";
  const offered = destination.subprotocols.trim();
  return pathOf(destination) + (offered ? `?${encodeURIComponent(offered)}` : "");
}

/**
 * The destination that a link chooses; without a choice it is `rememberedUrl`, if there is one. It has
 * `room` or `otherUrl` only if the path needs it.
 */
export function destinationFrom(choice, rememberedUrl) {
  const [wanted, offered = ""] = choice.split("?");
  const subprotocols = decodeOr(offered, "");
  if (wanted.startsWith("/room/")) {
    return { path: "room", room: decodeOr(wanted.slice("/room/".length), DEFAULT_ROOM), subprotocols };
  }
  if (!wanted && rememberedUrl) return { path: "other", otherUrl: rememberedUrl, subprotocols };
  return { path: ["/echo", "/broadcast"].includes(wanted) ? wanted : "/", subprotocols };
}

/** The name of the room that a URL leads to. Another server's path is the name as a whole. */
export function roomIn(url) {
  return decodeOr(new URL(url).pathname.replace(/^\/room\//, ""), "");
}

function decodeOr(text, fallback) {
  try {
    return decodeURIComponent(text);
  } catch {
    return fallback;
  }
}
