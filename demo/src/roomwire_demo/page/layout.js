// How large the tiles of a grid can be, and of what shape. Pure arithmetic.

/** Width to height of a tile. Upright screens may have upright tiles; the picture fills them and loses its edges. */
const RATIOS = { wide: [16 / 9, 4 / 3], upright: [4 / 3, 1, 3 / 4] };

/** Nobody is to be seen on less. A grid that would need less is as wide as its box, and scrolls. */
const LEAST_WIDTH_PX = 92;
const SCROLLING_RATIO = 4 / 3;

/** Tile width in pixels and ratio that show `count` tiles largest in a box, all in pixels; and whether they need more than the box. */
export function gridShape(count, width, height, gap) {
  const most = Math.max(1, Math.floor((width + gap) / (LEAST_WIDTH_PX + gap)));
  let best = { tileWidth: Math.floor((width - gap * (most - 1)) / most), ratio: SCROLLING_RATIO, area: 0, scrolls: true };
  for (const ratio of RATIOS[height > width ? "upright" : "wide"]) {
    for (let columns = 1; columns <= Math.max(1, count); columns++) {
      const rows = Math.ceil(count / columns);
      const byWidth = (width - gap * (columns - 1)) / columns;
      const byHeight = ((height - gap * (rows - 1)) / rows) * ratio;
      const tileWidth = Math.floor(Math.min(byWidth, byHeight));
      const area = tileWidth * tileWidth / ratio;
      if (tileWidth > LEAST_WIDTH_PX && area > best.area) best = { tileWidth, ratio, area, scrolls: false };
    }
  }
  return best;
}
