// The client's side of the subprotocol classroom.v1, without DOM elements. README.md lists the messages.

export const CLASSROOM = "classroom.v1";

/** The state of a client that has not joined yet: without a name, and without knowing a member. */
export const OUTSIDE = { me: "", members: [] };

/** Parses the text of a WebSocket message. A text that is not JSON becomes a message without a type. */
export function parseMessage(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}

/** Returns the state of a client after a message from the server. */
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

/**
 * Returns who speaks, and for a whisper to whom; `null` if the message is not speech. The page must not put the two
 * names into a sentence, because a name may contain words such as "whispers to".
 */
export function speechIn({ type, from, to, text }) {
  if (type === "said") return { from, to: "", text };
  return type === "whispered" ? { from, to, text } : null;
}

/** Makes the message that says `text` to one member, or to everyone if `to` is empty. */
export function messageTo(to, text) {
  return to ? { type: "whisper", to, text } : { type: "say", text };
}
