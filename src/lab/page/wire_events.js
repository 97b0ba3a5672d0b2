// The events that the wire view keeps, without DOM elements.

import { nameOf } from "./link.js";

const MAX_EVENTS = 2000;

export class WireEvents {
  #max;
  #kept = [];
  #run = null;
  #isPaused = false;
  #waiting = [];

  constructor(max = MAX_EVENTS) {
    this.#max = max;
  }

  /** All events, oldest first. */
  get all() {
    return this.#kept;
  }

  get isPaused() {
    return this.#isPaused;
  }

  /** How many events have arrived during the pause. */
  get waiting() {
    return this.#waiting.length;
  }

  /** Takes an event from the server. Returns the events that the view has to add and to remove. */
  receive(event) {
    if (this.#isPaused) {
      this.#waiting.push(event);
      if (this.#waiting.length > this.#max) this.#waiting.shift();
      return { added: [], dropped: [] };
    }
    // When the event stream reconnects, the server sends the handshakes again that it has kept.
    const isHandshake = event.kind === "request" || event.kind === "response";
    if (isHandshake && this.find(nameOf(event))) return { added: [], dropped: [] };

    const added = [];
    if (event.run !== this.#run) {
      if (this.#run) added.push({ kind: "restart", run: event.run, connection: 0, number: 0, seconds: 0 });
      this.#run = event.run;
    }
    added.push(event);
    this.#kept.push(...added);
    return { added, dropped: this.#kept.splice(0, Math.max(0, this.#kept.length - this.#max)) };
  }

  /** Returns the event of this name, if it is kept. */
  find(name) {
    return this.#kept.find((event) => nameOf(event) === name);
  }

  /** Whether an event concerns this page's connections, which the server marks, or the server as a whole. */
  isOwn(event) {
    return event.own === true || event.kind === "missed" || event.kind === "restart";
  }

  pause() {
    this.#isPaused = true;
  }

  /** Ends the pause. Returns the events that arrived during it, which the caller passes to `receive` again. */
  resume() {
    this.#isPaused = false;
    return this.#waiting.splice(0);
  }

  /** Forgets all events. */
  clear() {
    this.#kept = [];
    this.#waiting = [];
  }
}
