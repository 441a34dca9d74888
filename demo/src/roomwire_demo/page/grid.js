// Where the tiles stand: an even grid, or one shared screen large with the others beside it.

import { gridShape } from "./layout.js";

const GAP_PX = 10;

export class Grid {
  constructor(root) {
    this.root = root;
    new ResizeObserver(() => this.arrange()).observe(root);
  }

  add(tile) {
    this.root.append(tile.root);
    this.arrange();
  }

  remove(tile) {
    tile.remove();
    this.arrange();
  }

  clear() {
    this.root.replaceChildren();
  }

  arrange() {
    const isPresenting = this.root.querySelector(".tile.screen") !== null;
    this.root.classList.toggle("presenting", isPresenting);
    const style = getComputedStyle(this.root);
    const width = this.root.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    const height = this.root.clientHeight - parseFloat(style.paddingTop) - parseFloat(style.paddingBottom);
    const { tileWidth, ratio } = gridShape(this.root.childElementCount, width, height, GAP_PX);
    this.root.style.setProperty("--ratio", ratio);
    this.root.style.setProperty("--tile", `${tileWidth}px`);
  }
}
