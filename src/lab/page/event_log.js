// The list of events. It follows the newest event until the reader scrolls up. Then it stays where it is.

import { element, finderIn, isScrolledToEnd } from "./dom.js";
import { byteCount, hexOf, typeAndSize } from "./format.js";

const MAX_ROWS = 1000;
/** The limit after the reader has scrolled up. It is higher, so that the reader does not lose the place. */
const MAX_ROWS_WHILE_READING = 5 * MAX_ROWS;
const MAX_CHARACTERS = 2000;

export class EventLog {
  #box;
  #list;
  #newer;
  #began = performance.now();
  #follows = true;
  #top = 0;
  #unseen = 0;

  /** `root` contains the box that scrolls, the button that leads to the newest event, and "Clear". */
  constructor(root) {
    const find = finderIn(root);
    this.#box = find("log");
    this.#list = this.#box.querySelector("ol");
    this.#newer = find("newer");
    find("clear").addEventListener("click", () => this.#clear());
    this.#box.addEventListener("scroll", () => {
      // Only the reader makes scrollTop smaller. Larger type and a smaller window do not.
      if (isScrolledToEnd(this.#box)) this.#followAgain();
      else if (this.#box.scrollTop < this.#top) this.#follows = false;
      this.#top = this.#box.scrollTop;
    });
    this.#newer.addEventListener("click", () => {
      this.#followAgain();
      this.#box.focus();
    });
    const keepUp = new ResizeObserver(() => this.#follows && this.#scrollToEnd());
    keepUp.observe(this.#box);
    keepUp.observe(this.#list);
  }

  /**
   * Adds a row. `look` is `sent`, `received`, `good`, `bad` or empty; `note` explains `data`. Returns the
   * element that contains both.
   */
  add(look, kind, data, note = "") {
    const row = element("li", look);
    const seconds = (performance.now() - this.#began) / 1000;
    const shown = data.length > MAX_CHARACTERS ? `${data.slice(0, MAX_CHARACTERS)} …` : data;
    const content = element("span", "data", shown);
    if (note) content.append(data && " ", element("span", "note", note));
    row.append(element("time", "", `${seconds.toFixed(3)} s`), element("span", "kind", kind), content);
    this.#list.append(row);
    const most = this.#follows ? MAX_ROWS : MAX_ROWS_WHILE_READING;
    while (this.#list.childElementCount > most) this.#list.firstChild.remove();
    if (!this.#follows) {
      this.#unseen += 1;
      this.#newer.textContent = `${this.#unseen} new ↓`;
      this.#newer.hidden = false;
    }
    return content;
  }

  /** Adds a row for a message: a text as it is, or binary data in hex. */
  addMessage(look, kind, data, fileName = "") {
    if (typeof data === "string") {
      const bytes = new TextEncoder().encode(data).length;
      this.add(look, kind, data, `text, ${byteCount(bytes)}`);
      return;
    }
    const note = typeAndSize(data) + (fileName && `, ${fileName}`);
    // The bytes of a Blob arrive later. The row is added now, so that the rows keep their order.
    const content = this.add(look, kind, "", note);
    hexOf(data).then((hex) => content.prepend(hex, " "));
  }

  #clear() {
    this.#list.replaceChildren();
    this.#followAgain();
  }

  #followAgain() {
    this.#follows = true;
    this.#unseen = 0;
    this.#newer.hidden = true;
    if (!isScrolledToEnd(this.#box)) this.#scrollToEnd();
  }

  #scrollToEnd() {
    this.#box.scrollTop = this.#box.scrollHeight;
    this.#top = this.#box.scrollTop;
  }
}
