// The wire view: what crosses the wire, as the server sees it.
//
// The server has decoded everything already. This page only shows it. The events come as Server-Sent Events,
// because a WebSocket that carried them would appear in the view itself.

import { withSecrets } from "./access.js";
import { finderIn } from "./dom.js";
import { showEvent } from "./event_view.js";
import { Ladder } from "./ladder.js";
import { nameOf, shortName } from "./link.js";
import { WireEvents } from "./wire_events.js";
import { labelOf } from "./wire_labels.js";
import { WireSource } from "./wire_source.js";

const LONGEST_WAIT = 2000;

export class WireView {
  #find;
  #frame;
  #ladder;
  #events;
  #source = null;
  #onOpen;
  #noteFirstEvent;
  /** Settles when the first event arrives, which shows that the server has this page on its list. */
  #firstEvent = new Promise((resolve) => (this.#noteFirstEvent = resolve));
  /** The name of the event in the page's address, while that event has not arrived yet. */
  #wanted = "";

  /** `onOpen` is called each time that the page begins to watch, also after a restart of the server. */
  constructor(root, onOpen) {
    const find = finderIn(root);
    this.#find = find;
    this.#frame = find("frame");
    this.#events = new WireEvents();
    this.#onOpen = onOpen;
    this.#ladder = new Ladder(find("ladder"), {
      onSelect: (event) => this.#showSelected(event),
      onFollow: (follows) => find("wire-follow").setAttribute("aria-pressed", follows),
    });
    find("wire-whose").addEventListener("change", () => this.#showAll());
    find("wire-pause").addEventListener("click", () => this.#setPaused(!this.#events.isPaused));
    find("wire-follow").addEventListener("click", () => this.#ladder.setFollows(!this.#ladder.follows));
    find("wire-clear").addEventListener("click", () => this.#clear());
    // After a click in the frame the arrow keys still move through the ladder.
    this.#frame.addEventListener("click", (click) => {
      if (click.detail > 0 && !click.target.closest("a")) this.#ladder.focus();
    });
    root.addEventListener("keydown", (press) => this.#key(press));
  }

  /** Starts to watch. */
  watch() {
    if (this.#source) return;
    this.#source = new WireSource(withSecrets("/wire/events", sessionStorage), {
      onEvent: (event) => this.#receive(event),
      onState: (text) => {
        this.#say(text);
        if (!text) this.#onOpen();
      },
    });
    this.#source.open();
    window.addEventListener("pagehide", () => this.#source.close());
  }

  /** Starts to watch, and waits up to two seconds until this page sees what crosses the wire from now on. */
  async untilWatching() {
    this.watch();
    await Promise.race([this.#firstEvent, new Promise((done) => setTimeout(done, LONGEST_WAIT))]);
  }

  /** Says whose connections this page sees, and offers those of everyone only if it does. */
  showAccess(seesAll, sentence) {
    this.#find("wire-access").textContent = sentence;
    this.#find("wire-all").disabled = !seesAll;
    if (!seesAll) this.#showOf("mine");
  }

  /** Selects the event of this name, or waits for it if it has not arrived yet. */
  openLink(name) {
    const event = this.#events.find(name);
    this.#wanted = event ? "" : name;
    this.#say(event ? "" : `Event ${shortName(name)} is not in the list of this page.`);
    if (!event) return;
    if (!this.#ladder.has(event)) this.#showOf("all");
    this.#ladder.setFollows(false);
    this.#ladder.select(event);
  }

  #receive(event) {
    this.#noteFirstEvent();
    const { added, dropped } = this.#events.receive(event);
    if (this.#events.isPaused) this.#showPause();
    for (const one of added) if (this.#isShown(one)) this.#ladder.add(one);
    for (const one of dropped) this.#ladder.remove(one);
    if (added.length > 0) this.#ladder.keepUp();
    if (added.some((one) => nameOf(one) === this.#wanted)) this.openLink(this.#wanted);
  }

  /** Shows the events of `mine`, this page's own connections, or of `all`. */
  #showOf(whose) {
    const choice = this.#find("wire-whose");
    if (choice.value === whose) return;
    choice.value = whose;
    this.#showAll();
  }

  #isShown(event) {
    return this.#find("wire-whose").value === "all" || this.#events.isOwn(event);
  }

  #showAll() {
    this.#ladder.replace(this.#events.all.filter((event) => this.#isShown(event)));
  }

  #showSelected(event) {
    const hadFocus = this.#frame.contains(document.activeElement);
    showEvent(this.#frame, event, labelOf(event));
    if (hadFocus) this.#ladder.focus();
  }

  #key(press) {
    if (press.target.matches("input, select, textarea") || press.ctrlKey || press.metaKey || press.altKey) return;
    switch (press.key) {
      case "ArrowUp":
        this.#ladder.selectNeighbour(-1);
        break;
      case "ArrowDown":
        this.#ladder.selectNeighbour(1);
        break;
      case "ArrowLeft":
        this.#selectField(-1);
        break;
      case "ArrowRight":
        this.#selectField(1);
        break;
      case "f":
        this.#ladder.setFollows(!this.#ladder.follows);
        break;
      case "p":
        this.#setPaused(!this.#events.isPaused);
        break;
      default:
        return;
    }
    press.preventDefault();
  }

  #selectField(step) {
    const fields = [...this.#frame.querySelectorAll("[data-field] > button")];
    const at = fields.findIndex((button) => button.getAttribute("aria-pressed") === "true");
    fields[(at + step + fields.length) % fields.length]?.click();
  }

  #setPaused(isPaused) {
    const arrived = isPaused ? [] : this.#events.resume();
    if (isPaused) this.#events.pause();
    this.#showPause();
    for (const event of arrived) this.#receive(event);
  }

  #showPause() {
    const { isPaused, waiting } = this.#events;
    const button = this.#find("wire-pause");
    button.setAttribute("aria-pressed", isPaused);
    button.textContent = isPaused ? `Resume${waiting ? ` (${waiting} waiting)` : ""}` : "Pause (p)";
  }

  #clear() {
    this.#events.clear();
    this.#showPause();
    this.#frame.replaceChildren();
    this.#ladder.clear();
  }

  #say(text) {
    this.#find("wire-say").textContent = text;
  }
}
