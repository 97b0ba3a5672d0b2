// A WebSocket that comes back.
//
// It reconnects from `close`, not from `error`: a server that ends in order sends a Close and
// causes no error at all. The pauses grow, so that a server in trouble is not besieged, and are
// random, so that a whole class does not come back in the same instant.

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 30_000;

export class Connection extends EventTarget {
  #socket = null;
  #url = "";
  #subprotocols = [];
  #binaryType = "blob";
  #attempts = 0;
  #timer = null;

  /** Whether to come back when the server goes away. */
  reconnects = true;

  get socket() {
    return this.#socket;
  }

  /** 0 to 3 as in the standard; 3 also before the first connection. */
  get readyState() {
    return this.#socket?.readyState ?? WebSocket.CLOSED;
  }

  set binaryType(type) {
    this.#binaryType = type;
    if (this.#socket) this.#socket.binaryType = type;
  }

  /** Leaves the old connection and opens a new one. Throws what `new WebSocket` throws. */
  open(url, subprotocols) {
    this.#url = url;
    this.#subprotocols = subprotocols;
    this.#attempts = 0;
    this.#connect();
  }

  /** Closes for good. Throws what `WebSocket.close` throws. */
  close(...codeAndReason) {
    this.#socket?.close(...codeAndReason);
    this.stopTrying();
  }

  /** Does not wait for the next attempt. */
  tryNow() {
    this.#connect();
  }

  stopTrying() {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#url = "";
    this.#tell("waiting", { pause: null });
  }

  #connect() {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#tell("waiting", { pause: null });
    const before = this.#socket;
    const socket = new WebSocket(this.#url, this.#subprotocols);
    socket.binaryType = this.#binaryType;
    this.#socket = socket;
    before?.close();
    for (const name of ["open", "message", "error", "close"]) {
      socket.addEventListener(name, (event) => this.#passOn(name, event, socket));
    }
    this.#tell("connecting", { url: socket.url });
  }

  #passOn(name, event, socket) {
    // What an abandoned connection still has to say is of no interest.
    if (socket !== this.#socket) return;
    if (name === "open") this.#attempts = 0;
    this.#tell(name, event);
    if (name === "close" && this.reconnects && this.#url) this.#wait();
  }

  #wait() {
    const longest = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** this.#attempts);
    const pause = longest * (0.5 + Math.random() / 2);
    this.#attempts += 1;
    this.#timer = setTimeout(() => this.#connect(), pause);
    this.#tell("waiting", { pause });
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
