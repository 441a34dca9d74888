// How large the tiles of a grid can be. Pure arithmetic.

/** Width and height of a tile to each other: upright screens get taller tiles. */
export const tileRatio = (width, height) => (height > width ? 4 / 3 : 16 / 9);

/** Columns and tile width for `count` tiles in a box, all in pixels. */
export function gridShape(count, width, height, gap) {
  const ratio = tileRatio(width, height);
  let best = { columns: 1, tileWidth: 0 };
  for (let columns = 1; columns <= Math.max(1, count); columns++) {
    const rows = Math.ceil(count / columns);
    const byWidth = (width - gap * (columns - 1)) / columns;
    const byHeight = ((height - gap * (rows - 1)) / rows) * ratio;
    const tileWidth = Math.floor(Math.min(byWidth, byHeight));
    if (tileWidth > best.tileWidth) best = { columns, tileWidth };
  }
  return best;
}
