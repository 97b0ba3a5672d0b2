// The event stream of the wire view.
//
// The browser itself reconnects when the connection is lost. It does not when the server refuses the stream, for
// example with 503 because many pages watch. Then this class asks for the reason, and tries again later.

import { pauseBefore } from "./connection.js";
import { refusalIn } from "./format.js";

export class WireSource {
  #url;
  #onEvent;
  #onState;
  #source = null;
  #attempts = 0;
  #timer = null;

  /**
   * `onEvent` gets each event with its `run`. `onState` gets a sentence when the stream is not open, and an empty
   * text when it is.
   */
  constructor(url, { onEvent, onState }) {
    this.#url = url;
    this.#onEvent = onEvent;
    this.#onState = onState;
  }

  open() {
    this.#source = new EventSource(this.#url);
    this.#source.onopen = () => {
      this.#attempts = 0;
      this.#onState("");
    };
    this.#source.onerror = () => this.#recover();
    // The id is the run of the server, because a server that restarts counts its connections from 1 again.
    this.#source.onmessage = ({ data, lastEventId }) => this.#onEvent({ ...JSON.parse(data), run: lastEventId });
  }

  close() {
    clearTimeout(this.#timer);
    this.#source.onerror = null;
    this.#source.close();
  }

  async #recover() {
    const source = this.#source;
    if (source.readyState !== EventSource.CLOSED) {
      this.#onState("The server does not answer. Trying again.");
      return;
    }
    const why = await refusalAt(this.#url);
    // The page may have closed the stream meanwhile.
    if (!source.onerror) return;
    const pause = pauseBefore(this.#attempts);
    this.#attempts += 1;
    this.#onState(`${why} Trying again in ${Math.ceil(pause / 1000)} s.`);
    this.#timer = setTimeout(() => this.open(), pause);
  }
}

/** Asks why the server refuses the stream, because an EventSource does not tell. */
async function refusalAt(url) {
  const asking = new AbortController();
  try {
    const response = await fetch(url, { signal: asking.signal });
    return response.ok ? "The stream has ended." : `The server says: ${refusalIn(await response.text())}.`;
  } catch {
    return "The server does not answer.";
  } finally {
    // If the stream is open again, this ends the one that only asked.
    asking.abort();
  }
}
