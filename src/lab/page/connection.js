// A WebSocket that reconnects.
//
// It reconnects after `close`, not after `error`: a server that shuts down in an orderly way sends a Close
// frame and causes no error. The pauses between attempts grow, so that the page does not flood a server
// in trouble. They are random, so that the pages of a whole class do not come back in the same instant.
// A connection that has never been open is not tried again, because that server has refused it.

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 30_000;

/** The pause before the next attempt, in milliseconds. `random` is at least 0 and below 1. */
export function pauseBefore(attempts, random = Math.random()) {
  const longest = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** attempts);
  return longest * (0.5 + random / 2);
}

/**
 * Emits the four events of its WebSocket, and four of its own:
 * - `connecting`, when it starts an attempt;
 * - `waiting`, when it waits for the next attempt; `pause` is null when the wait is over;
 * - `refused`, after the `close` of a connection that was never open;
 * - `abandoned`, when an older connection closes, which a newer one has replaced.
 */
export class Connection extends EventTarget {
  #socket = null;
  #wanted = null;
  #binaryType = "blob";
  #attempts = 0;
  #timer = null;
  #reconnects = true;

  get socket() {
    return this.#socket;
  }

  /** 0 to 3 as in the HTML standard. It is also 3 before the first connection. */
  get readyState() {
    return this.#socket?.readyState ?? WebSocket.CLOSED;
  }

  set binaryType(type) {
    this.#binaryType = type;
    if (this.#socket) this.#socket.binaryType = type;
  }

  /** Whether to reconnect when the server goes away. */
  set reconnects(yes) {
    this.#reconnects = yes;
    if (!yes && this.#timer) this.stopTrying();
  }

  /** Opens a new connection and then closes the old one. Throws what `new WebSocket` throws. */
  open(url, subprotocols) {
    this.#connect({ url, subprotocols, hasBeenOpen: false });
    this.#attempts = 0;
  }

  /** Closes without reconnecting. Throws what `WebSocket.close` throws. */
  close(...codeAndReason) {
    this.#socket?.close(...codeAndReason);
    this.#wanted = null;
    this.#stopWaiting();
  }

  /** Makes the next attempt now. */
  tryNow() {
    if (this.#wanted) this.#connect(this.#wanted);
  }

  stopTrying() {
    this.#wanted = null;
    this.#stopWaiting();
  }

  #connect(wanted) {
    // This line may throw an error. It comes first, so that the old connection then stays as it is.
    const socket = new WebSocket(wanted.url, wanted.subprotocols);
    this.#stopWaiting();
    const before = this.#socket;
    this.#wanted = wanted;
    this.#socket = socket;
    socket.binaryType = this.#binaryType;
    before?.close();
    for (const name of ["open", "message", "error", "close"]) {
      socket.addEventListener(name, (event) => this.#forward(name, event, socket, wanted));
    }
    this.#emit("connecting", { url: socket.url });
  }

  #forward(name, event, socket, wanted) {
    if (socket !== this.#socket) {
      if (name === "close") this.#emit("abandoned", event);
      return;
    }
    if (name === "open") {
      wanted.hasBeenOpen = true;
      this.#attempts = 0;
    }
    this.#emit(name, event);
    if (name !== "close") return;
    if (!wanted.hasBeenOpen) this.#emit("refused", { url: socket.url });
    else if (this.#reconnects && this.#wanted) this.#wait();
  }

  #wait() {
    const pause = pauseBefore(this.#attempts);
    this.#attempts += 1;
    this.#timer = setTimeout(() => this.tryNow(), pause);
    this.#emit("waiting", { pause });
  }

  #stopWaiting() {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#emit("waiting", { pause: null });
  }

  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
