// Wires the page: lobby, call, panels and keys.

import { complete, join } from "./api.js";
import { Call } from "./call.js";
import { canChooseOutput, DeviceMenus } from "./device-menus.js";
import { Devices } from "./devices.js";
import { Lobby } from "./lobby.js";
import { Panels } from "./panels.js";
import { showPeople } from "./people.js";
import { explain } from "./reasons.js";
import { canShareScreen } from "./screen.js";
import { Toasts } from "./toasts.js";
import { CAMERA, MICROPHONE, SCREEN, showToggle } from "./toggle.js";

const $ = (id) => document.getElementById(id);
const TOGGLES = { audio: ["mic", MICROPHONE], video: ["cam", CAMERA] };

let call = null;
let roomName = "";
let unread = 0;
let clock = null;

const devices = new Devices();
const lobby = new Lobby($("lobby"), devices, joinRoom);
const toasts = new Toasts($("toasts"));
const panels = new Panels([[$("chat-panel"), $("chat")], [$("people-panel"), $("people-button")]], (panel) => {
  if (panel === $("chat-panel")) setUnread(0);
  (panel === $("chat-panel") ? $("message") : panel.querySelector("[data-close]")).focus();
});
const menus = new DeviceMenus(
  devices,
  { video: $("call-camera"), audio: $("call-microphone"), ...(canChooseOutput && { output: $("output") }) },
  (deviceId) => call?.useOutput(deviceId),
);

async function joinRoom(name, room) {
  if (joinRoom.isBusy) return;
  joinRoom.isBusy = true;
  lobby.showBusy(true);
  try {
    const admission = await join(name, room);
    const joined = await window.Twilio.Video.connect(admission.token, {
      name: room,
      tracks: devices.live(),
      wsServer: admission.signaling_url,
      wsServerInsights: admission.signaling_url.replace(/\/signaling$/, "/v1/VideoEvents"),
      dominantSpeaker: true,
      networkQuality: { local: 1, remote: 1 },
      preferredVideoCodecs: "auto",
      bandwidthProfile: { video: { mode: "grid" } },
    });
    enter(joined, room);
  } catch (error) {
    lobby.showProblem(explain(error));
  } finally {
    joinRoom.isBusy = false;
    lobby.showBusy(false);
  }
}

function enter(joined, room) {
  roomName = room;
  lobby.leave();
  $("call").hidden = false;
  $("room-name").textContent = room;
  $("screen").hidden = !canShareScreen();
  document.title = `${room} · Roomwire`;
  history.replaceState(null, "", `?room=${encodeURIComponent(room)}`);
  setUnread(0);
  showScreen(false);
  startClock();
  call = new Call(joined, devices, { tiles: $("tiles"), messages: $("messages"), compose: $("compose"), message: $("message") }, {
    state: showState,
    people: (people) => {
      $("count").textContent = people.length;
      $("alone").hidden = people.length > 1;
      $("people-button").setAttribute("aria-label", `People: ${people.length}`);
      showPeople($("people"), people);
    },
    toast: (text) => toasts.show(text),
    message: (author, text) => {
      if (!$("chat-panel").hidden) return;
      setUnread(unread + 1);
      toasts.show(`${author}: ${text}`);
    },
    device: (kind, isOn) => {
      const [id, toggle] = TOGGLES[kind];
      showToggle($(id), isOn, toggle);
    },
    screen: showScreen,
    left,
  });
  call.start();
  $("mic").focus();
}

function left(error) {
  call = null;
  clearInterval(clock);
  panels.open(null);
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  $("call").hidden = true;
  $("ended").hidden = false;
  $("ended-title").textContent = error ? explain(error) : "You have left the room.";
  document.title = "Roomwire";
  $("rejoin").focus();
}

/** Back from the end of a call to the lobby. */
function returnToLobby() {
  $("ended").hidden = true;
  return lobby.enter();
}

/** `text` says what is wrong with the connection; null when nothing is. */
function showState(text) {
  $("banner").hidden = text === null;
  $("banner-text").textContent = text ?? "";
  $("call").dataset.state = text === null ? "connected" : "reconnecting";
}

function showScreen(isOn) {
  showToggle($("screen"), isOn, SCREEN);
  $("sharing").hidden = !isOn;
}

function startClock() {
  const began = performance.now();
  const show = () => {
    const seconds = Math.floor((performance.now() - began) / 1000);
    const parts = [Math.floor(seconds / 60) % 60, seconds % 60].map((part) => String(part).padStart(2, "0"));
    $("clock").textContent = [...(seconds >= 3600 ? [Math.floor(seconds / 3600)] : []), ...parts].join(":");
  };
  show();
  clock = setInterval(show, 1000);
}

function setUnread(count) {
  unread = count;
  $("unread").hidden = count === 0;
  $("unread").textContent = count > 9 ? "9+" : count;
  $("chat").setAttribute("aria-label", count ? `Chat, ${count} unread` : "Chat");
}

async function copyLink() {
  try {
    await navigator.clipboard.writeText(location.href);
    toasts.show("Invite link copied");
  } catch { // a page that is not on https:// has no clipboard
    toasts.show(`Invite link: ${location.href}`);
  }
}

function openSettings() {
  menus.list();
  $("settings").showModal();
}

const ACTIONS = {
  mic: () => call?.toggle("audio"),
  cam: () => call?.toggle("video"),
  screen: () => call?.toggleScreen().catch((error) => toasts.show(`Your screen cannot be shared: ${error.message}`)),
  "stop-sharing": () => call?.stopScreen(),
  leave: () => call?.leave(),
  "copy-link": copyLink,
  "settings-button": openSettings,
  "end-room": () => $("end-dialog").showModal(),
  "end-for-all": () => complete(roomName).catch((error) => toasts.show(error.message)),
  rejoin: () => returnToLobby().then(() => $("join").requestSubmit()),
  "other-room": returnToLobby,
};
const KEYS = { m: "mic", v: "cam", s: "screen", c: "chat", p: "people-button", "?": "settings-button" };

for (const [id, action] of Object.entries(ACTIONS)) $(id).addEventListener("click", action);
$("output-label").hidden = !canChooseOutput;
$("use-keys").checked = localStorage.getItem("keys") !== "off";
$("use-keys").addEventListener("change", ({ target }) => localStorage.setItem("keys", target.checked ? "on" : "off"));

document.addEventListener("keydown", (event) => {
  if (!call || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") return panels.close();
  if (!$("use-keys").checked || event.target.closest("input, textarea, select, dialog")) return;
  const id = KEYS[event.key.toLowerCase()];
  if (id && !$(id).hidden) {
    event.preventDefault();
    $(id).click();
  }
});
window.addEventListener("pagehide", () => call?.leave());

lobby.enter();
