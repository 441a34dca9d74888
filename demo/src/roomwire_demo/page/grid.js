// Where the tiles stand: faces in an even grid; screens that are shared large, with the faces beside or below.

import { gridShape } from "./layout.js";

const GAP_PX = 10;

export class Grid {
  /** `root` holds a `.shared` and a `.faces`. */
  constructor(root) {
    this.root = root;
    this.shared = root.querySelector(".shared");
    this.faces = root.querySelector(".faces");
    this.observer = new ResizeObserver(() => this.arrange());
    this.observer.observe(this.faces);
  }

  add(tile) {
    this.faces.append(tile.root);
    this.arrange();
  }

  addScreen(tile) {
    this.shared.append(tile.root);
    this.arrange();
  }

  remove(tile) {
    tile.remove();
    this.arrange();
  }

  /** Take all tiles away. This grid is of no use afterwards. */
  clear() {
    this.observer.disconnect();
    this.shared.replaceChildren();
    this.faces.replaceChildren();
    this.root.classList.remove("presenting");
  }

  arrange() {
    this.root.classList.toggle("presenting", this.shared.childElementCount > 0);
    const { tileWidth, ratio, scrolls } = gridShape(this.faces.childElementCount, this.faces.clientWidth, this.faces.clientHeight, GAP_PX);
    if (scrolls) this.faces.tabIndex = 0; // keys scroll what has the focus
    else this.faces.removeAttribute("tabindex");
    this.root.dataset.shape = ratio > 1 ? "wide" : "upright";
    this.root.style.setProperty("--ratio", ratio);
    this.root.style.setProperty("--tile", `${tileWidth}px`);
  }
}
