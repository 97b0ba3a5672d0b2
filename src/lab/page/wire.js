// The wire view: what crosses the wire, as the server saw it, in two lanes.
//
// The server has taken everything apart already; this file only shows it. The events come as
// Server-Sent Events, over a connection that the view does not show: it would show itself.

import { numeral, showEvent } from "./frame.js";
import { nameOf } from "./link.js";

const $ = (id) => document.getElementById(id);
const MOST_EVENTS = 2000;

export class Wire {
  #tab;
  #source = null;
  #events = [];
  #run = null;
  #mine = [];
  #wanted = "";
  #rows = new Map();
  #selected = null;
  #paused = [];
  #isPaused = false;
  #follows = true;
  #top = 0;

  /** `tab` is what this page's own connections have in their address. */
  constructor(tab) {
    this.#tab = tab;
    $("wire-whose").addEventListener("change", () => this.#showAll());
    $("wire-pause").addEventListener("click", () => this.#pause(!this.#isPaused));
    $("wire-follow").addEventListener("click", () => this.#follow(!this.#follows));
    $("wire-clear").addEventListener("click", () => this.#clear());
    $("ladder").addEventListener("click", (event) => this.#click(event));
    // Who scrolls up wants to read: the list then stays where it is.
    $("ladder").addEventListener("scroll", () => {
      const { scrollTop } = $("ladder");
      if (scrollTop < this.#top && !this.#isAtEnd()) this.#follow(false);
      this.#top = scrollTop;
    });
    // The arrow keys go on working after a click in the frame.
    $("frame").addEventListener("click", (click) => {
      if (click.detail > 0 && !click.target.closest("a")) $("ladder").focus({ preventScroll: true });
    });
    $("wire").addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(() => this.#keepUp()).observe($("ladder"));
  }

  /** Begins to watch; the connection to the server comes back by itself. */
  watch() {
    if (this.#source) return;
    this.#source = new EventSource("/wire/events");
    this.#source.onopen = () => this.#say("");
    this.#source.onerror = () => this.#say("The server does not answer. Trying again.");
    // The id names the run of the server: a new one counts its connections from 1 again.
    this.#source.onmessage = ({ data, lastEventId }) => this.#take({ ...JSON.parse(data), run: lastEventId });
    window.addEventListener("pagehide", () => this.#source.close());
  }

  /** The number of this page's newest connection; waits a little for its handshake to be seen. */
  async mine() {
    this.watch();
    const mine = () => this.#mine.findLast(({ run }) => run === this.#run)?.connection;
    for (let n = 0; n < 20 && !mine(); n += 1) await new Promise((done) => setTimeout(done, 100));
    return mine();
  }

  /** Shows the events of `mine` or of `all`. */
  showOf(whose) {
    if ($("wire-whose").value === whose) return;
    $("wire-whose").value = whose;
    this.#showAll();
  }

  /** Selects the event of this name; one that has not been seen, as soon as it is. */
  openLink(name) {
    const event = this.#events.find((e) => nameOf(e) === name);
    this.#wanted = event ? "" : name;
    this.#say(event ? "" : `${name.split(".")[0].slice(1).replace("f", ":")} is not here: this page has not seen it.`);
    if (!event) return;
    if (!this.#rows.has(event)) this.showOf("all");
    this.#follow(false);
    this.#select(event);
  }

  #take(event) {
    if (this.#isPaused) {
      this.#paused.push(event);
      if (this.#paused.length > MOST_EVENTS) this.#paused.shift();
      $("wire-pause").textContent = `Go on (${this.#paused.length} waiting)`;
      return;
    }
    // A handshake that is kept may come again when the connection for events does.
    const known = event.kind === "request" || event.kind === "response";
    if (known && this.#events.some((e) => nameOf(e) === nameOf(event))) return;
    if (event.run !== this.#run) {
      if (this.#run) this.#put({ kind: "anew", run: event.run, connection: 0, number: 0, seconds: 0 });
      this.#run = event.run;
    }
    if (event.kind === "request" && event.line.includes(`tab=${this.#tab}`)) {
      this.#mine.push({ run: event.run, connection: event.connection });
    }
    this.#put(event);
    if (this.#wanted === nameOf(event)) this.openLink(this.#wanted);
  }

  #put(event) {
    this.#events.push(event);
    this.#add(event);
    while (this.#events.length > MOST_EVENTS) {
      const gone = this.#events.shift();
      this.#rows.get(gone)?.remove();
      this.#rows.delete(gone);
    }
    this.#keepUp();
  }

  #isShown(event) {
    if ($("wire-whose").value === "all" || event.kind === "missed" || event.kind === "anew") return true;
    return this.#mine.some(({ run, connection }) => run === event.run && connection === event.connection);
  }

  #showAll() {
    $("ladder").replaceChildren();
    this.#rows.clear();
    for (const event of this.#events) this.#add(event);
    this.#keepUp();
  }

  #add(event) {
    if (!this.#isShown(event)) return;
    const row = document.createElement("li");
    row.className = `${event.kind} ${side(event)}`;
    if (event.fault) row.classList.add("broken");
    if (event.part) row.classList.add("part", event.part.part === 1 ? "first" : "next", event.part.last ? "last" : "more");
    row.id = nameOf(event);
    if (event.gap) row.append(element("span", "gap", `… ${event.gap}`));
    const isOfConnection = event.connection > 0;
    row.append(
      element("span", "where", isOfConnection ? `${event.connection}:${event.number}` : ""),
      element("time", "", isOfConnection ? `${event.seconds.toFixed(3)} s` : ""),
      element("span", "lane", ""),
    );
    row.querySelector(".lane").append(element("span", "label", label(event)), element("span", "line", ""));
    this.#rows.set(event, row);
    $("ladder").append(row);
    // The first thing of one's own to see is the handshake.
    if (!this.#selected) this.#select(event);
  }

  #select(event) {
    const row = this.#rows.get(event);
    if (!row) return;
    this.#rows.get(this.#selected)?.removeAttribute("aria-current");
    this.#selected = event;
    row.setAttribute("aria-current", "true");
    if (!this.#follows) row.scrollIntoView({ block: "nearest" });
    const hadFocus = $("frame").contains(document.activeElement);
    showEvent($("frame"), event, label(event));
    if (hadFocus) $("ladder").focus({ preventScroll: true });
  }

  #click(click) {
    const row = click.target.closest("li");
    const found = [...this.#rows].find(([, other]) => other === row);
    if (!found) return;
    this.#follow(false);
    this.#select(found[0]);
    $("ladder").focus();
  }

  #key(press) {
    if (press.target.matches("input, select, textarea") || press.ctrlKey || press.metaKey || press.altKey) return;
    const step = { ArrowUp: -1, ArrowDown: 1 }[press.key];
    const field = { ArrowLeft: -1, ArrowRight: 1 }[press.key];
    if (step) {
      const shown = [...this.#rows.keys()];
      const next = shown[shown.indexOf(this.#selected) + step];
      if (next) {
        this.#follow(false);
        this.#select(next);
      }
    } else if (field) {
      const fields = [...$("frame").querySelectorAll("[data-field] > button")];
      const at = fields.findIndex((button) => button.getAttribute("aria-pressed") === "true");
      fields[(at + field + fields.length) % fields.length]?.click();
    } else if (press.key === "f") {
      this.#follow(!this.#follows);
    } else if (press.key === "p") {
      this.#pause(!this.#isPaused);
    } else {
      return;
    }
    press.preventDefault();
  }

  #pause(pause) {
    this.#isPaused = pause;
    $("wire-pause").setAttribute("aria-pressed", pause);
    $("wire-pause").textContent = pause ? "Go on" : "Pause (p)";
    if (pause) return;
    for (const event of this.#paused.splice(0)) this.#take(event);
  }

  #follow(follow) {
    this.#follows = follow;
    $("wire-follow").setAttribute("aria-pressed", follow);
    this.#keepUp();
  }

  #clear() {
    this.#paused = [];
    if (this.#isPaused) $("wire-pause").textContent = "Go on";
    this.#events = [];
    this.#selected = null;
    $("frame").replaceChildren();
    this.#showAll();
  }

  #isAtEnd() {
    const ladder = $("ladder");
    return ladder.scrollTop + ladder.clientHeight >= ladder.scrollHeight - 8;
  }

  #keepUp() {
    if (!this.#follows) return;
    $("ladder").scrollTop = $("ladder").scrollHeight;
    this.#top = $("ladder").scrollTop;
    const last = [...this.#rows.keys()].pop();
    if (last && last !== this.#selected && this.#selected) this.#select(last);
  }

  #say(text) {
    $("wire-say").textContent = text;
  }
}

function side(event) {
  if (event.kind === "request") return "client";
  if (event.kind === "response") return "server";
  return event.from ?? "";
}

/** An event in a few words. */
function label(event) {
  switch (event.kind) {
    case "request":
    case "response":
      return event.line;
    case "end":
      return event.how;
    case "anew":
      return "the server was started anew, and counts its connections from 1 again";
    case "missed":
      return `${event.events} events came too fast to show`;
  }
  const { name, text, part, close, answers, payload_length: length } = event;
  const said = text && length > 0 && !close ? ` "${text.length > 60 ? `${text.slice(0, 60)}…` : text}"` : "";
  const bytes = name === "BINARY" ? `, ${numeral(length)} bytes` : "";
  const place = part ? ` part ${part.part}${part.last ? ", the last" : ""}` : "";
  const code = close ? ` ${close.code} ${close.name}${close.answer ? ", the answer" : ""}` : "";
  const time = answers ? `, ${answers.milliseconds.toFixed(1)} ms after ${answers.ping}` : "";
  const broken = event.fault ? " !" : "";
  return `${name}${broken}${place}${code}${said}${bytes}${time}`;
}

export function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.textContent = text;
  return made;
}
