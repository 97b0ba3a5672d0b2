// A room with names in it: the client's side of the subprotocol classroom.v1.

const $ = (id) => document.getElementById(id);

export class Room {
  #send;
  #members = [];
  #me = "";

  /** `send` sends a text message on the connection. */
  constructor(send) {
    this.#send = (message) => send(JSON.stringify(message));
    $("my-name").value = sessionStorage.getItem("name") ?? "";
    $("join-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#join($("my-name").value);
    });
    $("say-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const text = $("words").value;
      const to = $("whom").value;
      this.#send(to ? { type: "whisper", to, text } : { type: "say", text });
      $("words").value = "";
      $("words").focus();
    });
  }

  /** The connection to this room is open, and the server has chosen this subprotocol. */
  enter(name, subprotocol) {
    this.#leave();
    $("room-name").textContent = name;
    $("room").hidden = subprotocol !== "classroom.v1";
    // After a reconnection, take the place again without being asked.
    if (!$("room").hidden && this.#me) this.#join(this.#me);
  }

  /** The connection is gone. */
  lost() {
    this.#leave();
  }

  /** Another room, or none: whoever we were is forgotten. */
  forget() {
    this.#me = "";
    this.#leave();
    $("room").hidden = true;
  }

  /** A text message has come. */
  take(text) {
    if ($("room").hidden) return;
    const message = parse(text);
    $("refusal").textContent = message.type === "refused" ? message.reason : "";
    switch (message.type) {
      case "welcome":
        this.#me = message.you;
        this.#members = message.members;
        sessionStorage.setItem("name", message.you);
        $("join-form").hidden = true;
        $("joined").hidden = false;
        $("words").focus();
        break;
      case "joined":
        this.#members.push(message.name);
        break;
      case "left":
        this.#members = this.#members.filter((name) => name !== message.name);
        break;
    }
    this.#show();
  }

  #join(name) {
    this.#send({ type: "join", name });
  }

  #leave() {
    this.#members = [];
    $("join-form").hidden = false;
    $("joined").hidden = true;
    $("refusal").textContent = "";
  }

  #show() {
    $("members").replaceChildren(
      ...this.#members.map((name) => {
        const element = document.createElement("b");
        element.textContent = name === this.#me ? `${name} (you)` : name;
        return element;
      }),
    );
    const chosen = $("whom").value;
    $("whom").replaceChildren(
      new Option("to all", ""),
      ...this.#members.filter((name) => name !== this.#me).map((name) => new Option(`to ${name}`, name)),
    );
    $("whom").value = this.#members.includes(chosen) ? chosen : "";
  }
}

function parse(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}
