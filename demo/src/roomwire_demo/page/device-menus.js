// The menus in which one chooses camera, microphone and loudspeaker. They follow what is plugged in.

const KINDS = { video: "videoinput", audio: "audioinput", output: "audiooutput" };

export const canChooseOutput = "setSinkId" in HTMLMediaElement.prototype;

export class DeviceMenus {
  /** `selects` has a select element for each of "video", "audio" and, if wanted, "output". `onOutput(deviceId)` hears of another loudspeaker. */
  constructor(devices, selects, onOutput = () => {}) {
    this.devices = devices;
    this.selects = selects;
    for (const [kind, select] of Object.entries(selects)) {
      select.addEventListener("change", () => (kind === "output" ? onOutput(select.value) : devices.choose(kind, select.value)));
    }
    navigator.mediaDevices?.addEventListener("devicechange", () => this.list());
  }

  async list() {
    const present = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
    for (const [kind, select] of Object.entries(this.selects)) {
      const current = kind === "output" ? select.value : this.devices.current(kind);
      // Before the browser's question is answered, devices have neither id nor label.
      const options = present.filter((device) => device.kind === KINDS[kind] && device.deviceId)
        .map((device, index) => new Option(device.label || `Device ${index + 1}`, device.deviceId, false, device.deviceId === current));
      const nothing = this.devices.faults[kind] === "NotAllowedError" ? "Not allowed" : kind === "output" ? "System default" : "None found";
      select.replaceChildren(...(options.length ? options : [new Option(nothing, "")]));
      select.disabled = options.length < 2;
    }
  }
}
