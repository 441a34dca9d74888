// One's own camera and microphone, from the lobby to the end of the call: opened, switched, turned off and on. Decides; shows nothing.

const { createLocalAudioTrack, createLocalTracks, createLocalVideoTrack } = window.Twilio.Video;

const CONSTRAINTS = { audio: {}, video: { width: 960, height: 540, frameRate: 24 } };
const TRACK_NAMES = { audio: "microphone", video: "camera" };

/** Kinds are those of the SDK: "audio" and "video". `onChange(kind)` is called after every change. */
export class Devices {
  constructor() {
    this.onChange = () => {};
    this.tracks = { audio: null, video: null };
    /** Whether the person wants it on, which outlives a device that cannot be opened. */
    this.wanted = { audio: true, video: true };
    /** Name of the error for which it is not on, or null. */
    this.faults = { audio: null, video: null };
    this.chosen = { audio: null, video: null };
    this.turns = { audio: Promise.resolve(), video: Promise.resolve() };
    this.working = { audio: 0, video: 0 };
    this.opening = 0;
  }

  isOn(kind) {
    const track = this.tracks[kind];
    return Boolean(track?.isEnabled && !track.isStopped);
  }

  /** Tracks that can be published: a camera that is off has let go of its device and has nothing to send. */
  live() {
    return Object.values(this.tracks).filter((track) => track && !track.isStopped);
  }

  /** Open what is wanted: both at once, so that the browser asks once. */
  async open() {
    const kinds = Object.keys(this.tracks).filter((kind) => this.wanted[kind] && !this.tracks[kind]);
    if (!kinds.length) return;
    const opening = ++this.opening;
    if (!navigator.mediaDevices) return kinds.forEach((kind) => this.fail(kind, "Insecure"));
    let made;
    try {
      made = await createLocalTracks(Object.fromEntries(kinds.map((kind) => [kind, { ...this.constraints(kind), name: TRACK_NAMES[kind] }])));
    } catch { // one of them is missing or refused: the other may be there
      if (opening !== this.opening) return;
      return void await Promise.all(kinds.map((kind) => this.take(kind, () => this.make(kind))));
    }
    if (opening !== this.opening) return made.forEach((track) => track.stop());
    for (const track of made) this.hold(track);
  }

  /** Let go of both. What was wanted is still wanted: `open` again brings it back. */
  close() {
    this.opening++;
    for (const [kind, track] of Object.entries(this.tracks)) {
      this.tracks[kind] = null;
      track?.stop();
      track?.detach();
      this.onChange(kind);
    }
  }

  /** Off, or on: then the device is opened if need be. */
  toggle(kind) {
    return this.take(kind, async () => {
      const track = this.tracks[kind];
      this.wanted[kind] = !this.isOn(kind);
      if (!track) return this.make(kind);
      if (this.wanted[kind]) {
        if (track.isStopped) await track.restart(this.constraints(kind));
        track.enable();
        return track;
      }
      track.disable();
      if (kind === "video") track.stop(); // so that the camera's light goes out
      return track;
    });
  }

  /** Use another device. One that is off stays off. */
  choose(kind, deviceId) {
    this.chosen[kind] = deviceId;
    return this.take(kind, async () => {
      const track = this.tracks[kind];
      if (track && this.wanted[kind]) {
        await track.restart(this.constraints(kind));
        track.enable();
      }
      return track ?? (this.wanted[kind] ? this.make(kind) : null);
    });
  }

  /** The id of the device in use, or chosen for later. */
  current(kind) {
    return (this.isOn(kind) && this.tracks[kind].mediaStreamTrack.getSettings().deviceId) || this.chosen[kind];
  }

  constraints(kind) {
    const device = this.chosen[kind] ? { deviceId: { exact: this.chosen[kind] } } : {};
    return { ...CONSTRAINTS[kind], ...device };
  }

  make(kind) {
    if (!navigator.mediaDevices) throw new DOMException("no https", "Insecure");
    const create = kind === "video" ? createLocalVideoTrack : createLocalAudioTrack;
    return create({ ...this.constraints(kind), name: TRACK_NAMES[kind] });
  }

  /** One thing at a time with a device. Holds the track that `work` resolves with, or the fault. */
  take(kind, work) {
    const opening = this.opening;
    this.turns[kind] = this.turns[kind].then(async () => {
      if (opening !== this.opening) return;
      this.working[kind]++;
      try {
        const track = await work();
        if (opening !== this.opening) track?.stop();
        else if (track) this.hold(track);
      } catch (error) {
        this.fail(kind, error.name);
      } finally {
        this.working[kind]--;
      }
    });
    return this.turns[kind];
  }

  hold(track) {
    const { kind } = track;
    if (this.tracks[kind] !== track) track.on("stopped", () => this.lost(track));
    this.tracks[kind] = track;
    this.faults[kind] = null;
    this.onChange(kind);
  }

  /** The device was pulled out, or the system took it away. */
  lost(track) {
    const { kind } = track;
    if (this.tracks[kind] !== track || this.working[kind]) return;
    track.disable();
    this.fail(kind, "Lost");
  }

  fail(kind, name) {
    this.faults[kind] = name;
    this.onChange(kind);
  }
}

const NOUNS = { audio: "microphone", video: "camera" };

/** Why a device is not on, as a sentence. Null when nothing is wrong with it. */
export function explainFault(kind, fault) {
  const noun = NOUNS[kind];
  switch (fault) {
    case null: return null;
    case "Insecure": return "Browsers give cameras and microphones only to https:// pages, or to localhost. You can watch and chat.";
    case "NotAllowedError": return `The browser does not let this page use your ${noun}. You can allow it beside the address.`;
    case "NotFoundError": return `No ${noun} was found.`;
    case "OverconstrainedError": return `The ${noun} that you chose is not there any more.`;
    case "Lost": return `Your ${noun} was disconnected.`;
    default: return `Your ${noun} cannot be used. Another program may be using it.`;
  }
}

/** Both devices' faults as one text for the lobby; what they have in common is said once. */
export function explainFaults(faults) {
  if (faults.audio === faults.video && faults.audio === "NotAllowedError") {
    return "The browser does not let this page use your camera and microphone. You can allow them beside the address, or join without.";
  }
  if (faults.audio === faults.video && faults.audio === "NotFoundError") return "No camera or microphone was found. You can join without.";
  return [...new Set(["video", "audio"].map((kind) => explainFault(kind, faults[kind])))].filter(Boolean).join(" ");
}
