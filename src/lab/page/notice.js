// The notice below the header: that the page is not connected, and when it tries again.

import { finderIn } from "./dom.js";

export class Notice {
  #root;
  #find;
  #connection;
  #nextAttempt = null;
  #timer = null;

  /** `onStop` is called when the reader has stopped the attempts. */
  constructor(root, { connection, onStop }) {
    const find = finderIn(root);
    this.#root = root;
    this.#find = find;
    this.#connection = connection;
    connection.addEventListener("open", () => this.#say(""));
    connection.addEventListener("close", () => this.#say("Not connected."));
    connection.addEventListener("waiting", ({ detail }) => this.#showWait(detail.pause));
    find("retry-now").addEventListener("click", () => connection.tryNow());
    find("retry-stop").addEventListener("click", () => {
      connection.stopTrying();
      onStop();
    });
  }

  /** Shows a text that screen readers read aloud. They ignore the countdown, which changes each second. */
  #say(text) {
    this.#find("notice-text").textContent = text;
    this.#root.hidden = !text;
  }

  #showWait(pause) {
    const hasWaited = this.#nextAttempt !== null;
    this.#nextAttempt = pause === null ? null : performance.now() + pause;
    if (pause !== null) this.#say("Not connected. Trying again");
    else if (hasWaited) this.#say(this.#isClosed() ? "Not connected. Press Connect." : "");
    this.#showCountdown();
  }

  #isClosed() {
    return this.#connection.readyState === WebSocket.CLOSED;
  }

  #showCountdown() {
    clearTimeout(this.#timer);
    const isWaiting = this.#nextAttempt !== null;
    for (const id of ["countdown", "retry-now", "retry-stop"]) this.#find(id).hidden = !isWaiting;
    if (!isWaiting) return;
    const left = Math.max(0, Math.ceil((this.#nextAttempt - performance.now()) / 1000));
    this.#find("countdown").textContent = `in ${left} s.`;
    this.#timer = setTimeout(() => this.#showCountdown(), 250);
  }
}
