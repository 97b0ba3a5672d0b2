// The lab page: every property and every event of the browser's WebSocket, as they change. This file makes
// the parts of the page and connects them; each part gets the element that it lives in.

import { describeAccess, tabSecret, takeTeacherSecret, withSecrets } from "./access.js";
import { CloseForm } from "./close_form.js";
import { ConnectForm } from "./connect_form.js";
import { Connection } from "./connection.js";
import { logConnection } from "./connection_log.js";
import { roomIn } from "./destination.js";
import { finderIn } from "./dom.js";
import { EventLog } from "./event_log.js";
import { currentLink } from "./link.js";
import { Notice } from "./notice.js";
import { RoomView } from "./room_view.js";
import { SendForm } from "./send_form.js";
import { SocketFacts } from "./socket_facts.js";
import { Tabs } from "./tabs.js";
import { setUpTextSize } from "./text_size.js";
import { setUpTools } from "./tools.js";
import { WireView } from "./wire_view.js";

const find = finderIn(document.body);

const cleanAddress = takeTeacherSecret(location, sessionStorage);
if (cleanAddress) history.replaceState(null, "", cleanAddress);
const tab = tabSecret(sessionStorage);

const connection = new Connection();
const log = new EventLog(find("events"));
logConnection(connection, log);

const sendForm = new SendForm(find("sending"), { connection, log });
const room = new RoomView(find("room"), (text) => sendForm.send(text));
const connectForm = new ConnectForm(find("connect-form"), { connection, log, tab, onConnect: () => room.forget() });
const closeForm = new CloseForm(find("close-form"), {
  connection,
  log,
  onClose(isAccepted) {
    if (isAccepted) connectForm.focus();
    showState();
  },
});
const facts = new SocketFacts(find("facts"), find("states"), connection);
new Notice(find("notice"), { connection, onStop: () => connectForm.focus() });
const wire = new WireView(find("wire"), showAccess);
const tabs = new Tabs(find("views"), (view) => view === "wire" && wire.watch());
setUpTools(find("tools"), () => {
  tabs.show("wire");
  return wire.untilWatching();
});
setUpTextSize(find("sizes"));

function showState() {
  for (const view of [facts, sendForm, connectForm, closeForm]) view.showState();
}
for (const name of ["connecting", "open", "error", "close"]) connection.addEventListener(name, showState);

/** Asks the server whose connections this page may see, and shows the answer. A restart can change it. */
async function showAccess() {
  const response = await fetch(withSecrets("/wire/access", sessionStorage)).catch(() => null);
  if (!response?.ok) return;
  const access = await response.json();
  const sentence = describeAccess(access, sessionStorage.getItem("teacher") !== null);
  wire.showAccess(access.sees_all, sentence);
  room.showAccess(sentence);
}

connection.addEventListener("open", () => {
  showAccess();
  const { protocol, url } = connection.socket;
  room.enter(roomIn(url), protocol);
});
connection.addEventListener("message", ({ detail: { data } }) => {
  if (typeof data === "string") room.receive(data);
});

/** Shows the event that the page's address names, or the wire view as a whole. */
function openLinkedEvent() {
  const { event } = currentLink();
  if (!event) return;
  tabs.show("wire");
  if (event !== "wire") wire.openLink(event);
}
window.addEventListener("hashchange", openLinkedEvent);

// The page connects at once, so that a newcomer only has to press Enter to see an echo.
connectForm.followLink();
openLinkedEvent();
sendForm.selectText();
