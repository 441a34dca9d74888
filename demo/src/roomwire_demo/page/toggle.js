// Buttons that are on or off: icon, name and state always agree.

/** Make `button` show `isOn`. `icon` is a sprite name; with `-off` for what has a crossed-out twin. */
export function showToggle(button, isOn, { on, off, icon, iconOff = icon }) {
  button.setAttribute("aria-pressed", String(isOn));
  button.setAttribute("aria-label", isOn ? on : off);
  button.querySelector("use").setAttribute("href", `#${isOn ? icon : iconOff}`);
}

export const MICROPHONE = { on: "Microphone on", off: "Microphone off", icon: "i-mic", iconOff: "i-mic-off" };
export const CAMERA = { on: "Camera on", off: "Camera off", icon: "i-cam", iconOff: "i-cam-off" };
export const SCREEN = { on: "Stop sharing your screen", off: "Share your screen", icon: "i-screen" };
