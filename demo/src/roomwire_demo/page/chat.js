// Chat over a data track: one JSON message each. What others send is text, never markup.

const { LocalDataTrack } = window.Twilio.Video;

export class Chat {
  constructor({ messages, form, input, onArrived }) {
    this.messages = messages;
    this.track = new LocalDataTrack({ name: "chat" });
    this.onArrived = onArrived;
    this.input = input;
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
    const text = message.text.slice(0, 2000);
    this.show(participant.identity, text, false);
    this.onArrived(participant.identity, text);
  }

  show(author, text, isOwn) {
    const item = document.createElement("li");
    item.classList.toggle("own", isOwn);
    const head = document.createElement("span");
    head.className = "author";
    head.textContent = `${author} · ${new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}`;
    const body = document.createElement("p");
    body.textContent = text;
    item.append(head, body);
    this.messages.append(item);
    this.messages.scrollTop = this.messages.scrollHeight;
  }
}
