// One picture in the grid: a participant's camera, or the screen somebody shares. Shows; decides nothing.

import { icon } from "./icon.js";

const QUALITY_NAMES = ["lost", "very poor", "poor", "fair", "good", "very good"];

function element(tag, className, ...children) {
  const made = document.createElement(tag);
  made.className = className;
  made.append(...children);
  return made;
}

export function initials(name) {
  const words = name.trim().split(/\s+/);
  return [words[0], words.length > 1 ? words.at(-1) : ""].map((word) => [...word][0] ?? "").join("").toUpperCase();
}

function hue(name) {
  return [...name].reduce((sum, character) => (sum * 31 + character.codePointAt(0)) % 360, 7);
}

/** `label` is shown below the picture, `name` makes the avatar. */
export class Tile {
  constructor(name, label, { isScreen = false, isLocal = false } = {}) {
    this.avatar = element("div", "avatar", initials(name));
    this.avatar.setAttribute("aria-hidden", "true");
    this.avatar.style.setProperty("--hue", hue(name));
    this.muted = element("span", "muted", icon("i-mic-off", "Microphone off"));
    const text = element("span", "label", label);
    text.title = label;
    this.bars = element("span", "bars", ...[1, 2, 3, 4, 5].map(() => element("i", "")));
    this.bars.setAttribute("role", "img");
    this.bars.hidden = true;
    this.note = element("span", "note");
    this.root = element("figure", "tile", this.avatar, element("figcaption", "", this.muted, text, this.bars), this.note);
    this.root.dataset.name = name;
    this.root.classList.toggle("screen", isScreen);
    this.root.classList.toggle("local", isLocal);
    if (isScreen && document.fullscreenEnabled) this.root.append(this.fullscreenButton());
    this.noted = "";
    this.isPaused = false;
    this.showMuted(!isScreen);
    this.video = null;
  }

  fullscreenButton() {
    const button = element("button", "enlarge", icon("i-enlarge"));
    button.type = "button";
    button.setAttribute("aria-label", "Full screen");
    button.title = "Full screen";
    button.addEventListener("click", () => (document.fullscreenElement ? document.exitFullscreen() : this.root.requestFullscreen()));
    return button;
  }

  attachVideo(track) {
    this.detachVideo();
    this.video = track.attach();
    this.video.playsInline = true;
    this.video.addEventListener("resize", ({ target }) => this.root.classList.toggle("portrait", target.videoHeight > target.videoWidth));
    this.root.prepend(this.video);
    this.showVideo(track.isEnabled);
  }

  detachVideo() {
    this.video?.remove();
    this.video = null;
    this.showVideo(false);
    this.showPaused(false);
  }

  showVideo(isShown) {
    this.root.classList.toggle("with-video", Boolean(isShown && this.video));
  }

  showMuted(isMuted) {
    this.muted.hidden = !isMuted;
  }

  showSpeaking(isSpeaking) {
    this.root.classList.toggle("speaking", isSpeaking);
  }

  showNote(text) {
    this.noted = text ?? "";
    this.showNotes();
  }

  /** The video is not sent for now; the last picture stays. */
  showPaused(isPaused) {
    this.isPaused = isPaused;
    this.showNotes();
  }

  showNotes() {
    this.note.textContent = this.noted || (this.isPaused ? "Video paused" : "");
    this.root.classList.toggle("dimmed", this.note.textContent !== "");
  }

  showQuality(level) {
    this.bars.hidden = level === null;
    if (level === null) return;
    this.bars.dataset.level = level;
    this.bars.title = `Connection: ${QUALITY_NAMES[level]}`;
    this.bars.setAttribute("aria-label", this.bars.title);
  }

  remove() {
    this.detachVideo();
    this.root.remove();
  }
}
