// The form that closes the connection. A code and a reason are optional.

import { finderIn } from "./dom.js";

/** Returns the arguments of `close` for the contents of the two fields. A reason needs a code. */
export function closeArguments(code, reason) {
  if (!code && !reason) return [];
  return [Number(code || 1000), ...(reason ? [reason] : [])];
}

export class CloseForm {
  #find;
  #connection;

  /** `onClose(isAccepted)` is called after the reader has pressed "Close". It is false if `close` threw an error. */
  constructor(form, { connection, log, onClose }) {
    const find = finderIn(form);
    this.#find = find;
    this.#connection = connection;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const args = closeArguments(find("close-code").value, find("close-reason").value);
      try {
        connection.close(...args);
      } catch (error) {
        log.add("bad", `× ${error.name}`, error.message, "close threw this; nothing was sent");
        onClose(false);
        return;
      }
      log.add("", "■ close()", args.map((arg) => JSON.stringify(arg)).join(", "));
      onClose(true);
    });
  }

  showState() {
    this.#find("close").disabled = this.#connection.readyState > WebSocket.OPEN;
  }
}
