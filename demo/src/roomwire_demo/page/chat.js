// Chat over a data track: one JSON message each. What others send is text, never markup.

const { LocalDataTrack } = window.Twilio.Video;
const LONGEST = 2000;
const ADDRESS = /(https?:\/\/[^\s<>"']*[^\s<>"'.,;:!?)\]])/;

export class Chat {
  /** `onArrived(author, text)` is called for messages of others. */
  constructor({ messages, form, input, onArrived }) {
    this.messages = messages;
    this.track = new LocalDataTrack({ name: "chat" });
    this.onArrived = onArrived;
    this.input = input;
    this.lastHead = "";
    messages.replaceChildren();
    form.onsubmit = (event) => {
      event.preventDefault();
      this.send(input.value.trim());
    };
  }

  send(text) {
    if (!text) return;
    this.track.send(JSON.stringify({ type: "chat", text }));
    this.show("You", text, true);
    this.input.value = "";
  }

  /** Call with what a remote data track received. What is no chat message is ignored. */
  receive(data, participant) {
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      return;
    }
    if (message?.type !== "chat" || typeof message.text !== "string") return;
    const text = message.text.slice(0, LONGEST);
    this.show(participant.identity, text, false);
    this.onArrived(participant.identity, text);
  }

  show(author, text, isOwn) {
    const { messages } = this;
    const log = messages.parentElement;
    const wasAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    const item = document.createElement("li");
    item.classList.toggle("own", isOwn);
    const head = `${author} · ${new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}`;
    if (head !== this.lastHead) {
      const shown = document.createElement("span");
      shown.className = "author";
      shown.textContent = head;
      item.append(shown);
    }
    this.lastHead = head;
    const body = document.createElement("p");
    body.append(...withLinks(text));
    item.append(body);
    messages.append(item);
    if (isOwn || wasAtEnd) log.scrollTop = log.scrollHeight;
  }
}

/** The text in parts, its web addresses as links. */
function withLinks(text) {
  return text.split(ADDRESS).filter(Boolean).map((part) => {
    if (!ADDRESS.test(part)) return part;
    const link = document.createElement("a");
    link.href = part;
    link.textContent = part;
    link.target = "_blank";
    link.rel = "noopener noreferrer";
    return link;
  });
}
