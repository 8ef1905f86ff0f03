/** Embedding and its gradient, in float64. */

export function embedding(ids: ArrayLike<number>, weight: ArrayLike<number>, columns: number): Float64Array {
  return Float64Array.from({ length: ids.length * columns }, (_, i) => {
    const id = ids[Math.floor(i / columns)]!;
    return weight[id * columns + (i % columns)]!;
  });
}

/** The gradient of a table of `rows` rows; the row of `paddingIndex` stays zero. */
export function embeddingGradient(
  ids: ArrayLike<number>,
  dy: ArrayLike<number>,
  rows: number,
  columns: number,
  paddingIndex?: number,
): Float64Array {
  const gradient = new Float64Array(rows * columns);
  for (let n = 0; n < ids.length; n++) {
    if (ids[n] === paddingIndex) continue;
    for (let j = 0; j < columns; j++) gradient[ids[n]! * columns + j]! += dy[n * columns + j]!;
  }
  return gradient;
}
