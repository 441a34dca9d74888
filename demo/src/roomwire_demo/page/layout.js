// How many columns make the tiles of a grid largest. Pure arithmetic.

export const RATIO = 16 / 9;

/** Columns and tile width for `count` tiles of `RATIO` in a box, all in pixels. */
export function gridShape(count, width, height, gap) {
  let best = { columns: 1, tileWidth: 0 };
  for (let columns = 1; columns <= Math.max(1, count); columns++) {
    const rows = Math.ceil(count / columns);
    const byWidth = (width - gap * (columns - 1)) / columns;
    const byHeight = ((height - gap * (rows - 1)) / rows) * RATIO;
    const tileWidth = Math.floor(Math.min(byWidth, byHeight));
    if (tileWidth > best.tileWidth) best = { columns, tileWidth };
  }
  return best;
}
