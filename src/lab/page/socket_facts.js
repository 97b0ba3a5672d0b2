// The properties of the browser's WebSocket, as they change.

import { withoutSecret } from "./access.js";
import { finderIn } from "./dom.js";

const UNKNOWN = "–";

export class SocketFacts {
  #find;
  #states;
  #connection;

  /** `states` is the list of the four values of readyState; `root` contains the other properties. */
  constructor(root, states, connection) {
    this.#find = finderIn(root);
    this.#states = states;
    this.#connection = connection;
    const binaryType = this.#find("binary-type");
    binaryType.addEventListener("change", () => (connection.binaryType = binaryType.value));
  }

  showState() {
    const { socket, readyState } = this.#connection;
    for (const item of this.#states.children) {
      if (Number(item.dataset.state) === readyState) item.setAttribute("aria-current", "step");
      else item.removeAttribute("aria-current");
    }
    const isOpen = readyState === WebSocket.OPEN;
    this.#find("url").textContent = socket ? withoutSecret(socket.url) : UNKNOWN;
    this.#find("protocol").textContent = isOpen ? socket.protocol || '"" (none chosen)' : UNKNOWN;
    this.#find("extensions").textContent = isOpen ? socket.extensions || '"" (none)' : UNKNOWN;
    this.#find("binary-type").value = socket?.binaryType ?? "blob";
  }
}
