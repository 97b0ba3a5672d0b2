// The part of the page's address after the # says where to connect, and may name an event of the wire view, as in
// #/room/blue!c1f3.19aa5b3c2f1. So a reload or a shared link leads to the same path and to the same event.
// #/echo!wire opens the wire view without selecting an event.

const EVENT = /!(wire|c\d+f\d+\.[0-9a-f]+)$/;

/**
 * Splits the part after the #. `choice` is a path, with the subprotocols after a question mark. `event` is
 * the name of an event, or `wire`, or empty.
 */
export function parseLink(hash) {
  const link = hash.replace(/^#/, "");
  return { choice: link.replace(EVENT, ""), event: EVENT.exec(link)?.[1] ?? "" };
}

/**
 * Writes the part from the # on, which is empty for `/` without an event. A `!` in the choice is encoded,
 * because it would look like the start of an event.
 */
export function formatLink(choice, event) {
  const link = (choice === "/" ? "" : choice.replaceAll("!", "%21")) + (event && `!${event}`);
  return link && `#${link}`;
}

/**
 * Returns the name of an event: its connection, its number, and the run of the server. The run is necessary
 * because a server that restarts counts its connections from 1 again.
 */
export function nameOf(event) {
  return `c${event.connection}f${event.number}.${event.run}`;
}

/** Shortens the name of an event for readers: `c1f3.19aa5b3c2f1` to `1:3`. */
export function shortName(name) {
  return name.split(".")[0].slice(1).replace("f", ":");
}

/** Reads the link in the page's own address. */
export function currentLink() {
  return parseLink(location.hash);
}

/** Returns a link to an event that also leads to the path in the page's own address. */
export function hrefOf(event) {
  return formatLink(currentLink().choice, nameOf(event));
}

/** Writes the choice into the page's address, and leaves the event there as it is. */
export function keepChoice(choice) {
  history.replaceState(null, "", formatLink(choice, currentLink().event) || location.pathname);
}
