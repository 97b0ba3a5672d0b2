// The client's side of the subprotocol classroom.v1, without its view. README.md lists the messages.

export const CLASSROOM = "classroom.v1";

/** What a client knows before it has joined: nobody, and not even its own name. */
export const OUTSIDE = { me: "", members: [] };

/** A message from the text of a WebSocket message. A text that is not JSON is a message without a type. */
export function parseMessage(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}

/** What a client knows after a message from the server. */
export function afterMessage({ me, members }, message) {
  switch (message.type) {
    case "welcome":
      return { me: message.you, members: message.members };
    case "joined":
      return { me, members: [...members, message.name] };
    case "left":
      return { me, members: members.filter((name) => name !== message.name) };
    default:
      return { me, members };
  }
}

/** Who says something in this message, as the page shows it; empty if nobody says anything. */
export function speakerIn({ type, from, to }) {
  if (type === "said") return from;
  return type === "whispered" ? `${from} whispers to ${to}` : "";
}

/** The message that says `text` to one member, or to everyone if `to` is empty. */
export function messageTo(to, text) {
  return to ? { type: "whisper", to, text } : { type: "say", text };
}
