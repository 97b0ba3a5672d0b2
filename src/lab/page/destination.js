// A destination is the content of the connect form: { path, room, otherUrl, subprotocols }. `path` is a path
// of this server, or `room`, or `other` for another server. The others are the texts of three input fields.

const DEFAULT_ROOM = "blue";
const MAX_ROOM_BYTES = 64;

/** Returns the path on this server. */
export function pathOf({ path, room }) {
  return path === "room" ? `/room/${encodeURIComponent(room)}` : path;
}

/**
 * Returns the URL to connect to. It carries the secret `tab`, by which the server knows that the connection belongs to
 * this page: a page cannot set the headers of a WebSocket. Another server does not get the secret.
 */
export function urlOf(destination, page, tab) {
  if (destination.path === "other") return destination.otherUrl.trim();
  return `${page.protocol === "https:" ? "wss" : "ws"}://${page.host}${pathOf(destination)}?tab=${tab}`;
}

/** Splits a list with commas into the subprotocols to offer. */
export function subprotocolsIn(text) {
  return text.split(",").map((name) => name.trim()).filter(Boolean);
}

/** Returns the JavaScript that opens the connection, for the page to show. */
export function codeFor(url, subprotocols) {
  const second = subprotocols.length ? `, ${JSON.stringify(subprotocols)}` : "";
  return `new WebSocket(${JSON.stringify(url)}${second})`;
}

/** Explains why a room cannot have this name. Returns an empty text if it can. */
export function roomNameProblem(name) {
  // Browsers resolve these two as steps in a path, even when they are percent-encoded.
  if (name === "." || name === "..") return "A path cannot contain this name.";
  const isLong = new TextEncoder().encode(name).length > MAX_ROOM_BYTES;
  return isLong ? `The name of a room has at most ${MAX_ROOM_BYTES} bytes.` : "";
}

/**
 * Writes a destination as the choice of a link. The URL of another server is left out. Otherwise the author
 * of a link could make the page of its readers connect to any server.
 */
export function choiceOf(destination) {
  if (destination.path === "other") return "";
  const offered = destination.subprotocols.trim();
  return pathOf(destination) + (offered ? `?${encodeURIComponent(offered)}` : "");
}

/**
 * Reads the destination from the choice of a link. Without a choice the destination is `rememberedUrl`, if
 * there is one. It has `room` or `otherUrl` only if the path needs it.
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

/** Returns the name of the room at a URL. If the path does not start with /room/, the path is the name. */
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
