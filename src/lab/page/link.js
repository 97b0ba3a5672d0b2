// What stands behind the # of the address: where to connect, and which event of the wire is meant,
// as in #/room/blue!c1f3.19aa5b3c2f1. A link to a room, a link to a frame, and a reload come back to it.
// #/echo!wire means no event, but all of them: the wire view is shown.

const EVENT = /!(wire|c\d+f\d+\.[0-9a-f]+)$/;

/** The path, and the subprotocols behind a question mark. */
export function choiceInAddress() {
  return location.hash.slice(1).replace(EVENT, "");
}

/** The event, if one is meant; `wire` for all. */
export function eventInAddress() {
  return EVENT.exec(location.hash)?.[1] ?? "";
}

/** Connection, number, and the run of the server in which it was: together they name one event. */
export function nameOf(event) {
  return `c${event.connection}f${event.number}.${event.run}`;
}

export function hrefOf(event) {
  return `#${choiceInAddress()}!${nameOf(event)}`;
}

/** Keeps this choice, and the event that is meant. */
export function keepInAddress(choice) {
  const kept = choice === "/" ? "" : choice.replaceAll("!", "%21");
  const event = eventInAddress();
  const hash = kept + (event && `!${event}`);
  history.replaceState(null, "", hash ? `#${hash}` : location.pathname);
}
