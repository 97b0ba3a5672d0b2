// The ladder: a list of events in two lanes, the client on the left and the server on the right. One event
// is selected. The list follows the newest event until the reader scrolls up or selects another one.

import { element, isScrolledToEnd } from "./dom.js";
import { nameOf } from "./link.js";
import { labelOf, senderOf } from "./wire_labels.js";

export class Ladder {
  #list;
  #onSelect;
  #onFollow;
  #rows = new Map();
  #selected = null;
  #follows = true;
  #top = 0;

  /** `onSelect` is called with each event that becomes selected, `onFollow` with whether the list follows. */
  constructor(list, { onSelect, onFollow }) {
    this.#list = list;
    this.#onSelect = onSelect;
    this.#onFollow = onFollow;
    list.addEventListener("click", (click) => this.#click(click));
    list.addEventListener("scroll", () => {
      if (list.scrollTop < this.#top && !isScrolledToEnd(list)) this.setFollows(false);
      this.#top = list.scrollTop;
    });
    new ResizeObserver(() => this.keepUp()).observe(list);
  }

  get follows() {
    return this.#follows;
  }

  setFollows(follows) {
    this.#follows = follows;
    this.#onFollow(follows);
    this.keepUp();
  }

  has(event) {
    return this.#rows.has(event);
  }

  add(event) {
    const row = rowFor(event);
    if (event === this.#selected) row.setAttribute("aria-current", "true");
    this.#rows.set(event, row);
    this.#list.append(row);
    // Before the reader selects an event, the first one is selected. It is usually the handshake.
    if (!this.#selected) this.select(event);
  }

  remove(event) {
    this.#rows.get(event)?.remove();
    this.#rows.delete(event);
  }

  /** Shows these events instead of those before. The selected event stays selected. */
  replace(events) {
    this.#list.replaceChildren();
    this.#rows.clear();
    for (const event of events) this.add(event);
    this.keepUp();
  }

  clear() {
    this.#selected = null;
    this.replace([]);
  }

  select(event) {
    const row = this.#rows.get(event);
    if (!row) return;
    this.#rows.get(this.#selected)?.removeAttribute("aria-current");
    this.#selected = event;
    row.setAttribute("aria-current", "true");
    if (!this.#follows) row.scrollIntoView({ block: "nearest" });
    this.#onSelect(event);
  }

  /** Selects the event before (-1) or after (1) the selected one. */
  selectNeighbour(step) {
    const shown = [...this.#rows.keys()];
    const neighbour = shown[shown.indexOf(this.#selected) + step];
    if (!neighbour) return;
    this.setFollows(false);
    this.select(neighbour);
  }

  focus() {
    this.#list.focus({ preventScroll: true });
  }

  /** If the list follows: scrolls to its end and selects the newest event. */
  keepUp() {
    if (!this.#follows) return;
    this.#list.scrollTop = this.#list.scrollHeight;
    this.#top = this.#list.scrollTop;
    const last = [...this.#rows.keys()].pop();
    if (last && last !== this.#selected && this.#selected) this.select(last);
  }

  #click(click) {
    const clicked = click.target.closest("li");
    const [event] = [...this.#rows].find(([, row]) => row === clicked) ?? [];
    if (!event) return;
    this.setFollows(false);
    this.select(event);
    this.#list.focus();
  }
}

function rowFor(event) {
  const row = element("li", `${event.kind} ${senderOf(event)}`);
  if (event.fault || event.broken_rule) row.classList.add("broken");
  if (event.part) row.classList.add("part");
  row.id = nameOf(event);
  if (event.gap) row.append(element("span", "gap", `… ${event.gap}`));
  const isOfConnection = event.connection > 0;
  const lane = element("span", "lane");
  lane.append(element("span", "label", labelOf(event)), element("span", "line"));
  row.append(
    element("span", "where", isOfConnection ? `${event.connection}:${event.number}` : ""),
    element("time", "", isOfConnection ? `${event.seconds.toFixed(3)} s` : ""),
    lane,
  );
  return row;
}
