// The events that the wire view keeps, without DOM elements.

import { nameOf } from "./link.js";

const MAX_EVENTS = 2000;

export class WireEvents {
  #tab;
  #max;
  #kept = [];
  #run = null;
  /** The page's own connections, oldest first. */
  #own = [];
  #isPaused = false;
  #waiting = [];

  /** `tab` is the mark in the URLs of this page's own connections. */
  constructor(tab, max = MAX_EVENTS) {
    this.#tab = tab;
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

  /** The number of this page's newest connection to the server that runs now. */
  get ownConnection() {
    return this.#own.findLast(({ run }) => run === this.#run)?.connection;
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
    if (event.kind === "request" && event.line.includes(`tab=${this.#tab}`)) {
      this.#own.push({ run: event.run, connection: event.connection });
    }
    added.push(event);
    this.#kept.push(...added);
    return { added, dropped: this.#kept.splice(0, Math.max(0, this.#kept.length - this.#max)) };
  }

  /** Returns the event of this name, if it is kept. */
  find(name) {
    return this.#kept.find((event) => nameOf(event) === name);
  }

  /** Whether an event concerns this page's connections or the server as a whole. */
  isOwn(event) {
    if (event.kind === "missed" || event.kind === "restart") return true;
    return this.#own.some(({ run, connection }) => run === event.run && connection === event.connection);
  }

  pause() {
    this.#isPaused = true;
  }

  /** Ends the pause. Returns the events that arrived during it, which the caller passes to `receive` again. */
  resume() {
    this.#isPaused = false;
    return this.#waiting.splice(0);
  }

  /** Forgets all events. The page's own connections stay known. */
  clear() {
    this.#kept = [];
    this.#waiting = [];
  }
}
