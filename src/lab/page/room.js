// A room with names in it: the client's side of the subprotocol classroom.v1.

const $ = (id) => document.getElementById(id);

export class Room {
  #send;
  #members = [];
  #me = "";
  #asked = false;

  /** `send` sends a text message, and says whether it could. */
  constructor(send) {
    this.#send = (message) => {
      const sent = send(JSON.stringify(message));
      $("refusal").textContent = sent ? "" : "Not connected.";
      return sent;
    };
    $("my-name").value = sessionStorage.getItem("name") ?? "";
    $("join-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#asked = this.#send({ type: "join", name: $("my-name").value });
    });
    $("say-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const text = $("words").value;
      const to = $("whom").value;
      if (!this.#send(to ? { type: "whisper", to, text } : { type: "say", text })) return;
      $("words").value = "";
      $("words").focus();
    });
  }

  /** The connection to the room of this name is open, with the subprotocol that was chosen. */
  enter(name, subprotocol) {
    this.#members = [];
    $("room-name").textContent = name;
    $("room").hidden = subprotocol !== "classroom.v1";
    if ($("room").hidden) return;
    // After a reconnection, take the place again without being asked.
    if (this.#me) this.#send({ type: "join", name: this.#me });
    else $("my-name").focus();
  }

  /** Another room, or none: whoever we were is forgotten. */
  forget() {
    this.#me = "";
    this.#asked = false;
    $("join-form").hidden = false;
    $("joined").hidden = true;
    $("refusal").textContent = "";
    $("heard").replaceChildren();
    $("room").hidden = true;
  }

  /** A text message has come. */
  take(text) {
    if ($("room").hidden) return;
    const message = parse(text);
    switch (message.type) {
      case "welcome":
        this.#me = message.you;
        this.#members = message.members;
        sessionStorage.setItem("name", message.you);
        $("join-form").hidden = true;
        $("joined").hidden = false;
        // Whoever comes back by themselves may be writing elsewhere.
        if (this.#asked) $("words").focus();
        this.#asked = false;
        break;
      case "joined":
        this.#members.push(message.name);
        break;
      case "left":
        this.#members = this.#members.filter((name) => name !== message.name);
        break;
      case "said":
        this.#hear(message.from, message.text);
        break;
      case "whispered":
        this.#hear(`${message.from}, to ${message.to} alone`, message.text);
        break;
      case "refused":
        $("refusal").textContent = message.reason;
        break;
    }
    this.#show();
  }

  #hear(who, text) {
    const row = document.createElement("li");
    const name = document.createElement("b");
    name.textContent = `${who}: `;
    row.append(name, text);
    $("heard").append(row);
    while ($("heard").childElementCount > 200) $("heard").firstChild.remove();
    row.scrollIntoView({ block: "nearest" });
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
