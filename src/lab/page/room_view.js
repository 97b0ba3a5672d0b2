// A room whose members have names: the view of the subprotocol classroom.v1.

import { CLASSROOM, OUTSIDE, afterMessage, messageTo, parseMessage, speechIn } from "./classroom.js";
import { element, finderIn } from "./dom.js";

const MAX_ROWS = 200;

export class RoomView {
  #root;
  #find;
  #send;
  #state = OUTSIDE;
  /** Whether the reader has pressed "Join" and the server has not answered yet. */
  #isJoining = false;

  /** `send` sends a text message, and returns whether the connection was open. */
  constructor(root, send) {
    this.#root = root;
    const find = finderIn(root);
    this.#find = find;
    this.#send = (message) => {
      const isSent = send(JSON.stringify(message));
      find("refusal").textContent = isSent ? "" : "Not connected.";
      return isSent;
    };
    find("my-name").value = sessionStorage.getItem("name") ?? "";
    find("join-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#isJoining = this.#send({ type: "join", name: find("my-name").value });
    });
    find("say-form").addEventListener("submit", (event) => {
      event.preventDefault();
      if (!this.#send(messageTo(find("whom").value, find("words").value))) return;
      find("words").value = "";
      find("words").focus();
    });
  }

  /** Shows the room of this name, to which a connection is open. `subprotocol` is the server's choice. */
  enter(name, subprotocol) {
    const { me } = this.#state;
    this.#state = { ...OUTSIDE, me };
    this.#find("room-name").textContent = name;
    this.#root.hidden = subprotocol !== CLASSROOM;
    if (this.#root.hidden) return;
    // After a reconnection the page joins again under the same name, without asking the reader.
    if (me) this.#send({ type: "join", name: me });
    else this.#find("my-name").focus();
  }

  /** Says who sees the whispers on the wire view. */
  showAccess(sentence) {
    this.#find("room-access").textContent = `Wire view: ${sentence}`;
  }

  /** Forgets the reader's name in this room, because the page connects anew. */
  forget() {
    this.#state = OUTSIDE;
    this.#isJoining = false;
    this.#find("join-form").hidden = false;
    this.#find("joined").hidden = true;
    this.#find("refusal").textContent = "";
    this.#find("heard").replaceChildren();
    this.#root.hidden = true;
  }

  /** Handles a text message that has arrived. */
  receive(text) {
    if (this.#root.hidden) return;
    const message = parseMessage(text);
    this.#state = afterMessage(this.#state, message);
    if (message.type === "welcome") this.#showJoined();
    if (message.type === "refused") this.#find("refusal").textContent = message.reason;
    const speech = speechIn(message);
    if (speech) this.#addRow(speech);
    this.#showMembers();
  }

  #showJoined() {
    sessionStorage.setItem("name", this.#state.me);
    this.#find("join-form").hidden = true;
    this.#find("joined").hidden = false;
    // After a reconnection the reader may be typing somewhere else.
    if (this.#isJoining) this.#find("words").focus();
    this.#isJoining = false;
  }

  #addRow({ from, to, text }) {
    const rows = this.#find("heard");
    const row = element("li", to ? "whisper" : "");
    row.append(memberName(from));
    if (to) row.append(" ", element("span", "label", "whispers to"), " ", memberName(to));
    row.append(": ", element("bdi", "", text));
    rows.append(row);
    while (rows.childElementCount > MAX_ROWS) rows.firstChild.remove();
    row.scrollIntoView({ block: "nearest" });
  }

  #showMembers() {
    const { me, members } = this.#state;
    const shown = members.map((name) => {
      const member = element("span", "member");
      member.append(memberName(name));
      if (name === me) member.append(" ", element("span", "label", "you"));
      return member;
    });
    this.#find("members").replaceChildren(...shown);
    const recipient = this.#find("whom");
    const chosen = recipient.value;
    // In a group of their own, so that nobody whose name is "everyone" is taken for all.
    const others = element("optgroup");
    others.label = "whisper to";
    others.append(...members.filter((name) => name !== me).map((name) => new Option(name, name)));
    recipient.replaceChildren(new Option("to everyone", ""), others);
    recipient.value = members.includes(chosen) ? chosen : "";
  }
}

/** Makes an element for a name. Its writing direction does not change the order of what stands beside it. */
function memberName(name) {
  return element("bdi", "name", name);
}
