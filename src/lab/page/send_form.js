// The forms that send a text or a file, and the number of bytes that wait in the browser to be sent.

import { finderIn } from "./dom.js";
import { numeral } from "./format.js";

export class SendForm {
  #find;
  #connection;
  #log;
  #mostBuffered = 0;
  #nextLook = null;

  constructor(root, { connection, log }) {
    const find = finderIn(root);
    this.#find = find;
    this.#connection = connection;
    this.#log = log;
    find("send-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.send(find("text").value);
      this.selectText();
    });
    find("file-form").addEventListener("submit", async (event) => {
      event.preventDefault();
      const file = find("file").files[0];
      if (!file) return find("file").click();
      this.send(find("file-as").value === "blob" ? file : await file.arrayBuffer(), file.name);
    });
    connection.addEventListener("close", () => this.#watchBuffer());
  }

  /** Sends a message if the connection is open. Returns whether it is. */
  send(data, fileName = "") {
    if (this.#connection.readyState !== WebSocket.OPEN) {
      this.#log.add("bad", "× not sent", "", "the connection is not open");
      return false;
    }
    this.#connection.socket.send(data);
    this.#log.addMessage("sent", "▲ send()", data, fileName);
    this.#watchBuffer();
    return true;
  }

  selectText() {
    this.#find("text").select();
  }

  showState() {
    const { socket, readyState } = this.#connection;
    const isOpen = readyState === WebSocket.OPEN;
    this.#find("send").disabled = this.#find("send-file").disabled = !isOpen;
    // Another server may not send the text back.
    this.#find("hint").hidden = !isOpen || new URL(socket.url).host !== location.host;
  }

  /** Shows bufferedAmount until it is 0. It has no event, so the page reads it before each repaint. */
  #watchBuffer() {
    cancelAnimationFrame(this.#nextLook);
    const { socket, readyState } = this.#connection;
    const amount = readyState === WebSocket.OPEN ? socket.bufferedAmount : 0;
    this.#mostBuffered = Math.max(this.#mostBuffered, amount);
    this.#find("buffered").textContent = numeral(amount);
    this.#find("buffered-most").textContent = numeral(this.#mostBuffered);
    this.#find("buffered-bar").max = this.#mostBuffered || 1;
    this.#find("buffered-bar").value = amount;
    if (amount > 0) this.#nextLook = requestAnimationFrame(() => this.#watchBuffer());
  }
}
