// The list of who is in the room.

import { icon } from "./icon.js";

/** Show `people` in the list: each with name, isLocal, isReconnecting, hasMicrophone and hasCamera. */
export function showPeople(list, people) {
  list.replaceChildren(...people.map((person) => {
    const item = document.createElement("li");
    const label = document.createElement("span");
    label.className = "name";
    label.textContent = person.isLocal ? `${person.name} (you)` : person.name;
    label.title = person.name;
    item.append(label);
    if (person.isReconnecting) {
      const note = document.createElement("span");
      note.className = "aside";
      note.textContent = "reconnecting";
      item.append(note);
    }
    item.append(sign("mic", "Microphone", person.hasMicrophone), sign("cam", "Camera", person.hasCamera));
    return item;
  }));
}

function sign(name, device, isOn) {
  const made = icon(isOn ? `i-${name}` : `i-${name}-off`, `${device} ${isOn ? "on" : "off"}`);
  made.classList.add("sign");
  made.classList.toggle("off", !isOn);
  return made;
}
