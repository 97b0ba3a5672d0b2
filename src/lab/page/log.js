// The list of events. It follows the newest until the reader scrolls up, and then stays put.

const MOST_ROWS = 1000;
const MOST_CHARACTERS = 2000;

export class Log {
  #box;
  #list;
  #newer;
  #began = performance.now();
  #follows = true;
  #top = 0;
  #unseen = 0;

  /** `box` scrolls the list in it; `newer` is the button that leads back to its end. */
  constructor(box, newer) {
    this.#box = box;
    this.#list = box.querySelector("ol");
    this.#newer = newer;
    box.addEventListener("scroll", () => {
      // Only the reader moves it up. Larger type or a smaller window do not.
      if (this.#isAtEnd()) this.#followAgain();
      else if (box.scrollTop < this.#top) this.#follows = false;
      this.#top = box.scrollTop;
    });
    newer.addEventListener("click", () => {
      this.#followAgain();
      box.focus();
    });
    const keepUp = new ResizeObserver(() => this.#follows && this.#scrollToEnd());
    keepUp.observe(box);
    keepUp.observe(this.#list);
  }

  /**
   * Adds a row: `look` is sent, received, good, bad or nothing; `note` explains `data`. Gives the
   * element that holds both.
   */
  add(look, kind, data, note = "") {
    const row = document.createElement("li");
    if (look) row.className = look;
    const time = document.createElement("time");
    time.textContent = `${((performance.now() - this.#began) / 1000).toFixed(3)} s`;
    const shown = data.length > MOST_CHARACTERS ? `${data.slice(0, MOST_CHARACTERS)} …` : data;
    row.append(time, span("kind", kind), span("data", shown));
    // Text from the peer only ever becomes text: it cannot be markup here.
    if (note) row.lastChild.append(data && " ", span("note", note));
    this.#list.append(row);
    // Who reads further up is not to lose the place; there is an end to that too.
    const most = this.#follows ? MOST_ROWS : 5 * MOST_ROWS;
    while (this.#list.childElementCount > most) this.#list.firstChild.remove();
    if (!this.#follows) {
      this.#unseen += 1;
      this.#newer.textContent = `${this.#unseen} new ↓`;
      this.#newer.hidden = false;
    }
    return row.lastChild;
  }

  clear() {
    this.#list.replaceChildren();
    this.#followAgain();
  }

  #isAtEnd() {
    return this.#box.scrollTop + this.#box.clientHeight >= this.#box.scrollHeight - 8;
  }

  #followAgain() {
    this.#follows = true;
    this.#unseen = 0;
    this.#newer.hidden = true;
    if (!this.#isAtEnd()) this.#scrollToEnd();
  }

  #scrollToEnd() {
    this.#box.scrollTop = this.#box.scrollHeight;
    this.#top = this.#box.scrollTop;
  }
}

function span(className, text) {
  const element = document.createElement("span");
  element.className = className;
  element.textContent = text;
  return element;
}

/** The first bytes of a Blob or ArrayBuffer as on the wire: `48 65 6c 6c 6f`. */
export async function hex(data) {
  const start = data.slice(0, 33);
  const bytes = new Uint8Array(start instanceof Blob ? await start.arrayBuffer() : start);
  const shown = Array.from(bytes.subarray(0, 32), (byte) => byte.toString(16).padStart(2, "0"));
  return shown.join(" ") + (bytes.length > 32 ? " …" : "");
}

/** `5 bytes`, `1 byte`, `65,536 bytes`. */
export function count(bytes) {
  return `${bytes.toLocaleString("en")} ${bytes === 1 ? "byte" : "bytes"}`;
}
