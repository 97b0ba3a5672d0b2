// The part of the page's address after the #: a choice of where to connect, and an event of the wire view,
// as in #/room/blue!c1f3.19aa5b3c2f1. A reload, and a link that somebody shares, lead to the same
// connection and to the same event. #/echo!wire opens the wire view without selecting an event.

const EVENT = /!(wire|c\d+f\d+\.[0-9a-f]+)$/;

/**
 * Splits the part after the #. `choice` is a path, with the subprotocols after a question mark. `event` is
 * the name of an event, or `wire`, or empty.
 */
export function parseLink(hash) {
  const link = hash.replace(/^#/, "");
  return { choice: link.replace(EVENT, ""), event: EVENT.exec(link)?.[1] ?? "" };
}

/** The part from the # on; empty for `/` without an event. A `!` in the choice would look like an event. */
export function formatLink(choice, event) {
  const link = (choice === "/" ? "" : choice.replaceAll("!", "%21")) + (event && `!${event}`);
  return link && `#${link}`;
}

/** The name of an event: its connection, its number, and the run of the server, which counts from 1 again. */
export function nameOf(event) {
  return `c${event.connection}f${event.number}.${event.run}`;
}

/** The name of an event as the page shows it: `1:3` for `c1f3.19aa5b3c2f1`. */
export function shortName(name) {
  return name.split(".")[0].slice(1).replace("f", ":");
}

/** The link in the page's own address. */
export function currentLink() {
  return parseLink(location.hash);
}

/** A link to an event, which leads to the same connection as the page's own address. */
export function hrefOf(event) {
  return formatLink(currentLink().choice, nameOf(event));
}

/** Writes the choice into the page's address, and leaves the event in it as it is. */
export function keepChoice(choice) {
  history.replaceState(null, "", formatLink(choice, currentLink().event) || location.pathname);
}
