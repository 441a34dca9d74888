// Wires the page: lobby, call, panels and keys.

import { complete, join } from "./api.js";
import { Call } from "./call.js";
import { Lobby } from "./lobby.js";
import { canShareScreen } from "./screen.js";
import { CAMERA, MICROPHONE, SCREEN, showToggle } from "./toggle.js";

const $ = (id) => document.getElementById(id);
const TOAST_MS = 4000;
const REASONS = {
  20104: "Your admission is too old. Join again.",
  53000: "The video server cannot be reached.",
  53001: "The connection was lost and did not come back.",
  53006: "The video server is busy. Try again in a moment.",
  53105: "This room is full.",
  53118: "The room has ended.",
  53205: "You joined from somewhere else with the same name.",
  53216: "Your time in this room is over.",
  53405: "No media gets through: a firewall may block UDP.",
};
/** The error as a sentence. Those of the SDK have a code; the server of this page writes sentences itself. */
const explain = (error) => REASONS[error.code] ?? (error.code ? `${error.message} (${error.code})` : error.message);

let call = null;
let unread = 0;
const lobby = new Lobby($("lobby"), joinRoom);
await lobby.start();

async function joinRoom(name, roomName) {
  lobby.showBusy(true);
  const tracks = [lobby.audio, lobby.video].filter(Boolean);
  try {
    const admission = await join(name, roomName);
    const room = await window.Twilio.Video.connect(admission.token, {
      name: roomName,
      tracks,
      wsServer: admission.signaling_url,
      wsServerInsights: admission.signaling_url.replace(/\/signaling$/, "/v1/VideoEvents"),
      dominantSpeaker: true,
      networkQuality: { local: 1, remote: 1 },
      preferredVideoCodecs: "auto",
      bandwidthProfile: { video: { mode: "grid" } },
    });
    lobby.takeTracks();
    enter(room, roomName);
  } catch (error) {
    lobby.showProblem(explain(error));
  } finally {
    lobby.showBusy(false);
  }
}

function enter(room, roomName) {
  $("lobby").hidden = true;
  $("call").hidden = false;
  $("room-name").textContent = roomName;
  $("messages").replaceChildren();
  $("screen").hidden = !canShareScreen();
  document.title = `${roomName} · Roomwire`;
  history.replaceState(null, "", `?room=${encodeURIComponent(roomName)}`);
  setUnread(0);
  call = new Call(room, { tiles: $("tiles"), messages: $("messages"), compose: $("compose"), message: $("message") }, {
    state: showState,
    people: showPeople,
    toast,
    message: (author, text) => {
      if ($("chat-panel").hidden) {
        setUnread(unread + 1);
        toast(`${author}: ${text}`);
      }
    },
    microphone: (isOn) => showToggle($("mic"), isOn, MICROPHONE),
    camera: (isOn) => showToggle($("cam"), isOn, CAMERA),
    screen: (isOn) => showToggle($("screen"), isOn, SCREEN),
    left: leftRoom,
  });
  call.start().catch((error) => toast(error.message));
  $("mic").focus();
}

async function leftRoom(error) {
  call = null;
  showState("", "connected");
  openPanel(null);
  $("call").hidden = true;
  $("lobby").hidden = false;
  document.title = "Roomwire";
  lobby.showProblem(error ? explain(error) : "You have left the room.", true);
  await lobby.start();
}

function showState(text, state) {
  $("state").textContent = state === "connected" ? "Connected" : "Reconnecting";
  $("state").dataset.state = state;
  $("banner").hidden = state === "connected";
  $("banner-text").textContent = text;
}

function showPeople(people) {
  $("count").textContent = people.length;
  $("alone").hidden = people.length > 1;
  $("people-button").setAttribute("aria-label", `People: ${people.length}`);
  $("people").replaceChildren(...people.map(({ name, isLocal, hasMicrophone, hasCamera }) => {
    const item = document.createElement("li");
    const label = document.createElement("span");
    label.textContent = isLocal ? `${name} (you)` : name;
    item.append(label, sign(hasMicrophone ? "i-mic" : "i-mic-off", hasMicrophone, "microphone"), sign(hasCamera ? "i-cam" : "i-cam-off", hasCamera, "camera"));
    return item;
  }));
}

function sign(name, isOn, what) {
  const made = document.createElement("span");
  made.className = isOn ? "sign" : "sign off";
  made.setAttribute("role", "img");
  made.setAttribute("aria-label", `${what} ${isOn ? "on" : "off"}`);
  made.innerHTML = `<svg><use href="#${name}"/></svg>`;
  return made;
}

function toast(text) {
  const shown = document.createElement("p");
  shown.textContent = text;
  $("toasts").append(shown);
  setTimeout(() => shown.remove(), TOAST_MS);
}

function setUnread(count) {
  unread = count;
  $("unread").hidden = count === 0;
  $("unread").textContent = count > 9 ? "9+" : count;
  $("chat").setAttribute("aria-label", count ? `Chat, ${count} unread` : "Chat");
}

const PANELS = [["chat-panel", "chat"], ["people-panel", "people-button"]];

/** Show one panel, or none. */
function openPanel(id) {
  for (const [panel, button] of PANELS) {
    $(panel).hidden = panel !== id;
    $(button).setAttribute("aria-pressed", String(panel === id));
  }
  if (id === "chat-panel") {
    setUnread(0);
    $("message").focus();
  }
}

/** Close the panel that is open; the button that opens it has the focus then. */
function closePanel() {
  const [, button] = PANELS.find(([panel]) => !$(panel).hidden) ?? [];
  openPanel(null);
  if (button) $(button).focus();
}

const togglePanel = (id) => openPanel($(id).hidden ? id : null);
const ACTIONS = {
  mic: () => call?.toggleMicrophone(),
  cam: () => call?.toggleCamera(),
  screen: () => call?.toggleScreen().catch((error) => toast(error.message)),
  chat: () => togglePanel("chat-panel"),
  "people-button": () => togglePanel("people-panel"),
  leave: () => call?.leave(),
};
const KEYS = { m: "mic", v: "cam", s: "screen", c: "chat", p: "people-button" };

for (const [id, action] of Object.entries(ACTIONS)) $(id).addEventListener("click", action);
for (const button of document.querySelectorAll("[data-close]")) button.addEventListener("click", closePanel);
$("end-room").addEventListener("click", async () => {
  if (!confirm("End the call for everybody?")) return;
  await complete($("room-name").textContent).catch((error) => toast(error.message));
});
$("copy-link").addEventListener("click", async () => {
  await navigator.clipboard.writeText(location.href);
  toast("Invite link copied");
});
document.addEventListener("keydown", (event) => {
  if (!call || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") return closePanel();
  if (event.target.closest("input, textarea, select")) return;
  const id = KEYS[event.key.toLowerCase()];
  if (id && !$(id).hidden) {
    event.preventDefault();
    ACTIONS[id]();
  }
});
window.addEventListener("pagehide", () => call?.leave());
