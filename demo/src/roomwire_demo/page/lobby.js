// Before the call: choose devices, see and hear yourself, say who you are.

import { watchLevel } from "./level.js";
import { CAMERA, MICROPHONE, showToggle } from "./toggle.js";

const { createLocalAudioTrack, createLocalVideoTrack } = window.Twilio.Video;
const DEVICES = { audio: "microphone", video: "camera" };
const VIDEO = { width: 640, height: 480, frameRate: 24 };

/** The lobby and the tracks that were made in it. `onJoin(name, room)` is called when the form is sent. */
export class Lobby {
  constructor(root, onJoin) {
    this.root = root;
    this.audio = null;
    this.video = null;
    this.stopLevel = () => {};
    this.faults = { audio: null, video: null };
    this.elements = Object.fromEntries(
      ["preview", "preview-video", "preview-note", "preview-level", "lobby-mic", "lobby-cam", "join", "name", "room", "camera", "microphone", "join-problem", "join-button"]
        .map((id) => [id, root.querySelector(`#${id}`)]),
    );
    const e = this.elements;
    const given = new URLSearchParams(location.search);
    e.room.value = given.get("room") ?? "";
    e.name.value = given.get("name") ?? localStorage.getItem("name") ?? "";
    e.join.addEventListener("submit", (event) => {
      event.preventDefault();
      localStorage.setItem("name", e.name.value.trim());
      onJoin(e.name.value.trim(), e.room.value.trim());
    });
    e["lobby-mic"].addEventListener("click", () => this.toggle("audio"));
    e["lobby-cam"].addEventListener("click", () => this.toggle("video"));
    e.camera.addEventListener("change", () => this.open("video", e.camera.value));
    e.microphone.addEventListener("change", () => this.open("audio", e.microphone.value));
    navigator.mediaDevices?.addEventListener("devicechange", () => this.listDevices());
    (e.name.value ? e.room : e.name).focus();
  }

  async start() {
    await this.open("video");
    await this.open("audio");
    await this.listDevices();
  }

  /** Tracks for the call; the lobby lets go of them. */
  takeTracks() {
    this.stopLevel();
    this.elements["preview-video"].srcObject = null;
    const tracks = [this.audio, this.video].filter(Boolean);
    this.audio = this.video = null;
    return tracks;
  }

  showBusy(isBusy) {
    const button = this.elements["join-button"];
    button.disabled = isBusy;
    button.textContent = isBusy ? "Joining …" : "Join now";
    if (isBusy) this.showProblem(null);
  }

  /** Say why somebody could not join, or calmly, with `isNotice`, why they are here again. */
  showProblem(text, isNotice = false) {
    const problem = this.elements["join-problem"];
    problem.hidden = !text;
    problem.textContent = text ?? "";
    problem.classList.toggle("notice", isNotice);
  }

  async open(kind, deviceId) {
    const wasEnabled = this[kind]?.isEnabled ?? true;
    this[kind]?.stop();
    this[kind] = null;
    const device = deviceId ? { deviceId: { exact: deviceId } } : {};
    try {
      this[kind] = kind === "video"
        ? await createLocalVideoTrack({ ...VIDEO, ...device, name: "camera" })
        : await createLocalAudioTrack({ ...device, name: "microphone" });
      if (!wasEnabled) this[kind].disable();
      this.faults[kind] = null;
    } catch (error) {
      this.faults[kind] = error.name;
    }
    this.show(kind);
  }

  toggle(kind) {
    const track = this[kind];
    if (!track) return this.open(kind);
    track.isEnabled ? track.disable() : track.enable();
    return this.show(kind);
  }

  show(kind) {
    const e = this.elements;
    const track = this[kind];
    const isOn = Boolean(track?.isEnabled);
    if (kind === "audio") {
      showToggle(e["lobby-mic"], isOn, MICROPHONE);
      this.stopLevel();
      this.stopLevel = isOn ? watchLevel(track.mediaStreamTrack, (level) => e["preview-level"].style.setProperty("--level", level)) : () => {};
      e["preview-level"].parentElement.hidden = !isOn;
      this.showNote();
      return;
    }
    showToggle(e["lobby-cam"], isOn, CAMERA);
    e["preview-video"].srcObject = isOn ? new MediaStream([track.mediaStreamTrack]) : null;
    e.preview.dataset.camera = isOn ? "on" : "off";
    this.showNote();
  }

  /** Why there is no picture, or no sound. */
  showNote() {
    const note = this.elements["preview-note"];
    const blocked = ["audio", "video"].filter((kind) => this.faults[kind] === "NotAllowedError").map((kind) => DEVICES[kind]);
    if (blocked.length) note.textContent = `Your browser blocks the ${blocked.join(" and the ")}. Allow it beside the address, then reload; or join without.`;
    else if (!this.video) note.textContent = this.faults.video === "NotReadableError" ? "Another program uses your camera" : "No camera: others will see your name";
    else note.textContent = this.video.isEnabled ? "" : "Your camera is off";
  }

  async listDevices() {
    const devices = await navigator.mediaDevices.enumerateDevices();
    for (const [select, kind, track] of [[this.elements.camera, "videoinput", this.video], [this.elements.microphone, "audioinput", this.audio]]) {
      const chosen = track?.mediaStreamTrack.getSettings().deviceId;
      const options = devices.filter((device) => device.kind === kind && device.deviceId)
        .map((device, index) => new Option(device.label || `Device ${index + 1}`, device.deviceId, false, device.deviceId === chosen));
      select.replaceChildren(...(options.length ? options : [new Option("None found", "")]));
      select.disabled = options.length < 2;
    }
  }
}
