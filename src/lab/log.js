// The list of events. It follows the newest until the reader scrolls up, and then stays put.

const MOST_ROWS = 1000;
const MOST_CHARACTERS = 2000;

export class Log {
  #list;
  #newer;
  #began = performance.now();
  #missed = 0;

  constructor(list, newer) {
    this.#list = list;
    this.#newer = newer;
    list.addEventListener("scroll", () => this.#atEnd() && this.#caughtUp());
    newer.addEventListener("click", () => {
      list.scrollTop = list.scrollHeight;
      list.focus();
      this.#caughtUp();
    });
  }

  /**
   * Adds a row: `look` is sent, received, good, bad or nothing; `note` explains `data`. Gives the
   * element that holds both.
   */
  add(look, kind, data, note = "") {
    const follows = this.#atEnd();
    const row = document.createElement("li");
    if (look) row.className = look;
    const time = document.createElement("time");
    time.textContent = `${((performance.now() - this.#began) / 1000).toFixed(3)} s`;
    const shown = data.length > MOST_CHARACTERS ? `${data.slice(0, MOST_CHARACTERS)} …` : data;
    row.append(time, span("kind", kind), span("data", shown));
    // Text from the peer only ever becomes text: it cannot be markup here.
    if (note) row.lastChild.append(data && " ", span("note", note));
    this.#list.append(row);
    while (this.#list.childElementCount > MOST_ROWS) this.#list.firstChild.remove();
    if (follows) {
      this.#list.scrollTop = this.#list.scrollHeight;
    } else {
      this.#missed += 1;
      this.#newer.textContent = `${this.#missed} new ↓`;
      this.#newer.hidden = false;
    }
    return row.lastChild;
  }

  clear() {
    this.#list.replaceChildren();
    this.#caughtUp();
  }

  #atEnd() {
    return this.#list.scrollTop + this.#list.clientHeight >= this.#list.scrollHeight - 8;
  }

  #caughtUp() {
    this.#missed = 0;
    this.#newer.hidden = true;
  }
}

function span(className, text) {
  const element = document.createElement("span");
  element.className = className;
  element.textContent = text;
  return element;
}

/** Bytes as on the wire: `48 65 6c 6c 6f`, the first 32 of them. */
export function hex(bytes) {
  const shown = Array.from(bytes.subarray(0, 32), (byte) => byte.toString(16).padStart(2, "0"));
  return shown.join(" ") + (bytes.length > 32 ? " …" : "");
}

/** `5 bytes`, `1 byte`, `65,536 bytes`. */
export function count(bytes) {
  return `${bytes.toLocaleString("en")} ${bytes === 1 ? "byte" : "bytes"}`;
}
