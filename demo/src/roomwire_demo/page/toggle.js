// Buttons that are on or off: icon, tooltip and state always agree. The name stays: whether it is on is said by `aria-pressed`.

/** Make `button` show `isOn`. `icon` is a sprite name. */
export function showToggle(button, isOn, { turnOn, turnOff, icon, iconOff = icon, key }) {
  button.setAttribute("aria-pressed", String(isOn));
  button.title = `${isOn ? turnOff : turnOn} (${key})`;
  button.querySelector("use").setAttribute("href", `#${isOn ? icon : iconOff}`);
}

export const MICROPHONE = { turnOn: "Turn the microphone on", turnOff: "Turn the microphone off", icon: "i-mic", iconOff: "i-mic-off", key: "M" };
export const CAMERA = { turnOn: "Turn the camera on", turnOff: "Turn the camera off", icon: "i-cam", iconOff: "i-cam-off", key: "V" };
export const SCREEN = { turnOn: "Share your screen", turnOff: "Stop sharing your screen", icon: "i-screen", key: "S" };
