// The form that chooses where to connect. It writes the choice into the page's address.

import { withoutSecret } from "./access.js";
import { CLASSROOM } from "./classroom.js";
import {
  choiceOf, codeFor, destinationFrom, roomNameProblem, subprotocolsIn, urlOf,
} from "./destination.js";
import { finderIn } from "./dom.js";
import { currentLink, keepChoice } from "./link.js";

export class ConnectForm {
  #find;
  #connection;
  #log;
  #tab;
  #onConnect;
  /** The choice that the page has followed last. An address with another choice makes it connect again. */
  #followed = currentLink().choice;

  /** `tab` is the secret in the URLs of this page's own connections; `onConnect` is called after each of them. */
  constructor(form, { connection, log, tab, onConnect }) {
    const find = finderIn(form);
    this.#find = find;
    this.#connection = connection;
    this.#log = log;
    this.#tab = tab;
    this.#onConnect = onConnect;
    find("path").addEventListener("change", () => {
      // In most rooms people want names. A reader who does not can delete the subprotocol.
      find("subprotocols").value = find("path").value === "room" ? CLASSROOM : "";
      this.#showDestination();
    });
    find("reconnect").addEventListener("change", () => (connection.reconnects = find("reconnect").checked));
    form.addEventListener("input", () => this.#showDestination());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#connect();
    });
    window.addEventListener("hashchange", () => {
      if (currentLink().choice !== this.#followed) this.followLink();
    });
  }

  /** Connects to the destination in the page's address. */
  followLink() {
    this.#followed = currentLink().choice;
    const { path, room, otherUrl, subprotocols } = destinationFrom(this.#followed, sessionStorage.getItem("other"));
    this.#find("path").value = path;
    if (path === "room") this.#find("room-path").value = room;
    if (path === "other") this.#find("other-url").value = otherUrl;
    this.#find("subprotocols").value = subprotocols;
    this.#showDestination();
    this.#connect();
  }

  showState() {
    const isClosed = this.#connection.readyState === WebSocket.CLOSED;
    this.#find("connect").textContent = isClosed ? "Connect" : "Connect again";
  }

  focus() {
    this.#find("connect").focus();
  }

  get #destination() {
    return {
      path: this.#find("path").value,
      room: this.#find("room-path").value,
      otherUrl: this.#find("other-url").value,
      subprotocols: this.#find("subprotocols").value,
    };
  }

  #url() {
    return urlOf(this.#destination, location, this.#tab);
  }

  #showDestination() {
    const { path, room, subprotocols } = this.#destination;
    // A hidden field is disabled too, because the browser would check its content otherwise.
    this.#find("room-field").hidden = this.#find("room-path").disabled = path !== "room";
    this.#find("other-field").hidden = this.#find("other-url").disabled = path !== "other";
    this.#find("room-path").setCustomValidity(roomNameProblem(room));
    this.#find("code").textContent = codeFor(withoutSecret(this.#url()), subprotocolsIn(subprotocols));
  }

  #connect() {
    const destination = this.#destination;
    try {
      this.#connection.open(this.#url(), subprotocolsIn(destination.subprotocols));
    } catch (error) {
      this.#log.add("bad", `× ${error.name}`, error.message, "new WebSocket threw this; nothing was sent");
      return;
    }
    this.#onConnect();
    sessionStorage.setItem("other", destination.path === "other" ? destination.otherUrl : "");
    keepChoice(choiceOf(destination));
    this.#followed = currentLink().choice;
  }
}
