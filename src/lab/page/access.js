// Whose connections this page may see and command. The server decides that by two secrets that the page sends with
// its requests: the tab's own secret marks the connections of this page, and the teacher's link has a secret too.
// This file does not use DOM elements.

/** Makes a secret: 128 random bits, in hex. */
export function newSecret() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Returns the secret of this tab, which `storage` keeps so that a reload finds the tab's connections again. */
export function tabSecret(storage) {
  if (!storage.getItem("tab")) storage.setItem("tab", newSecret());
  return storage.getItem("tab");
}

/**
 * Moves the teacher's secret from the page's address to `storage`, because everyone in the room can read an address
 * on a projector. Returns the address without the secret, or null if there was none.
 */
export function takeTeacherSecret({ pathname, search, hash }, storage) {
  const query = new URLSearchParams(search);
  if (!query.has("teacher")) return null;
  storage.setItem("teacher", query.get("teacher"));
  query.delete("teacher");
  return pathname + `?${query}`.replace(/^\?$/, "") + hash;
}

/** Returns a path of this server with the secrets in its query, as far as the page has them. */
export function withSecrets(target, storage) {
  const teacher = storage.getItem("teacher");
  const secrets = `tab=${tabSecret(storage)}${teacher ? `&teacher=${encodeURIComponent(teacher)}` : ""}`;
  return `${target}${target.includes("?") ? "&" : "?"}${secrets}`;
}

/** Writes a URL for people to read: without the tab's secret, which they could copy. */
export function withoutSecret(url) {
  return url.replace(/([?&]tab=)[^&#]*/, "$1…");
}

/**
 * Says whose connections this page sees. `access` is the server's answer to GET /wire/access; `hasTeacherSecret` tells
 * whether the page was opened with a teacher's link.
 */
export function describeAccess({ wire_for: wireFor, teacher }, hasTeacherSecret) {
  if (wireFor === "everyone") return "Every page sees all connections, whispers too (--wire-for everyone).";
  if (teacher) return "You came with the teacher's link: you see all connections, whispers too.";
  const outdated = "This teacher's link is not valid: the server prints a new one when it starts. ";
  const own = wireFor === "teacher"
    ? "This page sees its own connections; the teacher sees all, whispers too."
    : "This server shows each page its own connections only (--wire-for own).";
  return (hasTeacherSecret ? outdated : "") + own;
}
