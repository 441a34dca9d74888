// Before the call: choose devices, see and hear yourself, see who is there, say who you are.

import { attendees } from "./api.js";
import { DeviceMenus } from "./device-menus.js";
import { explainFaults } from "./devices.js";
import { watchLevel } from "./level.js";
import { CAMERA, MICROPHONE, showToggle } from "./toggle.js";

const TYPING_PAUSE_MS = 400;
const LOOK_AGAIN_MS = 10_000;

/** `onJoin(name, room)` is called when the form is sent. */
export class Lobby {
  constructor(root, devices, onJoin) {
    this.root = root;
    this.devices = devices;
    this.levelOf = null;
    this.stopLevel = () => {};
    this.asked = 0;
    this.elements = Object.fromEntries(
      ["preview", "preview-video", "preview-note", "preview-level", "lobby-mic", "lobby-cam", "join", "name", "room", "camera", "microphone", "join-problem", "join-button", "present"]
        .map((id) => [id, root.querySelector(`#${id}`)]),
    );
    const e = this.elements;
    this.menus = new DeviceMenus(devices, { video: e.camera, audio: e.microphone });
    const given = new URLSearchParams(location.search);
    e.room.value = given.get("room") ?? "";
    e.name.value = given.get("name") ?? localStorage.getItem("name") ?? "";
    e.join.addEventListener("submit", (event) => {
      event.preventDefault();
      localStorage.setItem("name", e.name.value.trim());
      onJoin(e.name.value.trim(), e.room.value.trim());
    });
    e["lobby-mic"].addEventListener("click", () => devices.toggle("audio"));
    e["lobby-cam"].addEventListener("click", () => devices.toggle("video"));
    e.room.addEventListener("input", () => this.lookLater(TYPING_PAUSE_MS));
  }

  /** Show the lobby, and open the devices that are wanted. */
  async enter() {
    const e = this.elements;
    this.root.hidden = false;
    this.devices.onChange = (kind) => this.show(kind);
    (e.name.value ? (e.room.value ? e["join-button"] : e.room) : e.name).focus();
    this.lookLater(0);
    e["preview-note"].textContent = "Your browser asks whether it may use your camera and microphone …";
    await this.devices.open();
    for (const kind of ["audio", "video"]) this.show(kind);
  }

  /** Hide it. The devices stay open. */
  leave() {
    this.root.hidden = true;
    this.stopLevel();
    this.levelOf = null;
    clearTimeout(this.timer);
    this.asked++;
    this.elements["preview-video"].srcObject = null;
    this.showProblem(null);
  }

  showBusy(isBusy) {
    const button = this.elements["join-button"];
    button.setAttribute("aria-disabled", String(isBusy));
    button.textContent = isBusy ? "Joining …" : "Join now";
    if (isBusy) this.showProblem(null);
  }

  /** Say why somebody could not join. */
  showProblem(text) {
    const problem = this.elements["join-problem"];
    problem.hidden = !text;
    problem.textContent = text ?? "";
  }

  show(kind) {
    const e = this.elements;
    const track = this.devices.tracks[kind];
    const isOn = this.devices.isOn(kind);
    if (kind === "audio") {
      showToggle(e["lobby-mic"], isOn, MICROPHONE);
      this.showLevel(isOn ? track.mediaStreamTrack : null);
    } else {
      showToggle(e["lobby-cam"], isOn, CAMERA);
      e["preview-video"].srcObject = isOn ? new MediaStream([track.mediaStreamTrack]) : null;
      e.preview.dataset.camera = isOn ? "on" : "off";
    }
    e["preview-note"].textContent = explainFaults(this.devices.faults) || (this.devices.isOn("video") ? "" : "Your camera is off.");
    this.menus.list();
  }

  showLevel(mediaStreamTrack) {
    if (mediaStreamTrack === this.levelOf) return;
    this.levelOf = mediaStreamTrack;
    this.stopLevel();
    const bar = this.elements["preview-level"];
    bar.parentElement.hidden = !mediaStreamTrack;
    this.stopLevel = mediaStreamTrack ? watchLevel(mediaStreamTrack, (level) => bar.style.setProperty("--level", level)) : () => {};
  }

  lookLater(pauseMs) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.look(), pauseMs);
  }

  /** Say who is in the room that the form names. */
  async look() {
    const asked = ++this.asked;
    const room = this.elements.room.value.trim();
    const names = room ? await attendees(room).catch(() => []) : [];
    if (asked !== this.asked) return;
    this.elements.present.textContent = presence(names);
    this.lookLater(LOOK_AGAIN_MS);
  }
}

/** "Ada and Grace are in this room." Empty when nobody is. */
export function presence(names) {
  const shown = names.length > 3 ? [...names.slice(0, 2), `${names.length - 2} others`] : names;
  if (!shown.length) return "";
  const list = new Intl.ListFormat("en").format(shown);
  return `${list} ${names.length === 1 ? "is" : "are"} in this room.`;
}
