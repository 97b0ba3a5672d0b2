// The form that closes the connection, with a code and a reason or without.

import { finderIn } from "./dom.js";

/** The arguments of `close` for what the two fields contain. A reason cannot go without a code. */
export function closeArguments(code, reason) {
  if (!code && !reason) return [];
  return [Number(code || 1000), ...(reason ? [reason] : [])];
}

export class CloseForm {
  #find;
  #connection;

  /** `onClose` is called when the reader has tried to close; its argument is whether `close` accepted that. */
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
