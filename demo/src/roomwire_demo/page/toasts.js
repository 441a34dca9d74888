// Short news at the top of the screen, which screen readers say too.

const SHOWN_MS = 5000;
const MOST = 3;

export class Toasts {
  /** `root` is a live region. */
  constructor(root) {
    this.root = root;
  }

  show(text) {
    const shown = document.createElement("p");
    shown.textContent = text;
    this.root.append(shown);
    while (this.root.childElementCount > MOST) this.root.firstElementChild.remove();
    setTimeout(() => shown.remove(), SHOWN_MS);
  }
}
