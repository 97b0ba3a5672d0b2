// A WebSocket that comes back.
//
// It reconnects from `close`, not from `error`: a server that ends in order sends a Close and
// causes no error at all. The pauses grow, so that a server in trouble is not besieged, and are
// random, so that a whole class does not come back in the same instant. What has never been open
// is not tried again: that server has not gone away, it has refused.

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 30_000;

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

  /** 0 to 3 as in the standard; 3 also before the first connection. */
  get readyState() {
    return this.#socket?.readyState ?? WebSocket.CLOSED;
  }

  set binaryType(type) {
    this.#binaryType = type;
    if (this.#socket) this.#socket.binaryType = type;
  }

  /** Whether to come back when the server goes away. */
  set reconnects(yes) {
    this.#reconnects = yes;
    if (!yes && this.#timer) this.stopTrying();
  }

  /** Opens a new connection, and then leaves the old one. Throws what `new WebSocket` throws. */
  open(url, subprotocols) {
    this.#connect({ url, subprotocols, hasBeenOpen: false });
    this.#attempts = 0;
  }

  /** Closes for good. Throws what `WebSocket.close` throws. */
  close(...codeAndReason) {
    this.#socket?.close(...codeAndReason);
    this.#wanted = null;
    this.#stopWaiting();
  }

  /** Does not wait for the next attempt. */
  tryNow() {
    if (this.#wanted) this.#connect(this.#wanted);
  }

  stopTrying() {
    this.#wanted = null;
    this.#stopWaiting();
  }

  #connect(wanted) {
    // May throw; everything stays as it is then.
    const socket = new WebSocket(wanted.url, wanted.subprotocols);
    this.#stopWaiting();
    const before = this.#socket;
    this.#wanted = wanted;
    this.#socket = socket;
    socket.binaryType = this.#binaryType;
    before?.close();
    for (const name of ["open", "message", "error", "close"]) {
      socket.addEventListener(name, (event) => this.#passOn(name, event, socket, wanted));
    }
    this.#tell("connecting", { url: socket.url });
  }

  #passOn(name, event, socket, wanted) {
    if (socket !== this.#socket) {
      // Of an abandoned connection only its end is of interest.
      if (name === "close") this.#tell("abandoned", event);
      return;
    }
    if (name === "open") {
      wanted.hasBeenOpen = true;
      this.#attempts = 0;
    }
    this.#tell(name, event);
    if (name !== "close") return;
    if (!wanted.hasBeenOpen) this.#tell("refused", { url: socket.url });
    else if (this.#reconnects && this.#wanted) this.#wait();
  }

  #wait() {
    const longest = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** this.#attempts);
    const pause = longest * (0.5 + Math.random() / 2);
    this.#attempts += 1;
    this.#timer = setTimeout(() => this.tryNow(), pause);
    this.#tell("waiting", { pause });
  }

  #stopWaiting() {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#tell("waiting", { pause: null });
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
