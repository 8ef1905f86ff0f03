/** Which elements of large tensors are checked: some rows, spread out, the first and the last among them. */

/** At most `most` of `count` things, in order, evenly spread from the first to the last. */
export function spreadOut(count: number, most: number): number[] {
  if (count <= most) return Array.from({ length: count }, (_, index) => index);
  return Array.from({ length: most }, (_, index) => Math.round((index * (count - 1)) / (most - 1)));
}

/** Rows to check of a matrix: about as many as make 20,000 elements, at least two. */
export function sampledRows(rows: number, columns: number): number[] {
  return spreadOut(rows, Math.max(2, Math.ceil(20_000 / columns)));
}

/** Flat indices of whole rows. */
export function everyIndex(rows: readonly number[], columns: number): Uint32Array {
  return Uint32Array.from(
    { length: rows.length * columns },
    (_, index) => rows[Math.floor(index / columns)]! * columns + (index % columns),
  );
}
