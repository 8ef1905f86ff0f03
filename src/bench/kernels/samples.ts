/** Which elements of large tensors are checked: some rows, spread out, the first and the last among them. */
import type { Sample } from './kernel.ts';

/** At most `most` (2 or more) of `count` things, in order, evenly spread from the first to the last. */
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

/** All of a tensor. */
export function whole(tensor: string, expected: ArrayLike<number>): Sample {
  return { tensor, at: Uint32Array.from({ length: expected.length }, (_, index) => index), expected };
}

/** Rows and columns of a product of which elements are checked. */
const productSamples = 48;

/**
 * Elements of the [rows, columns] matrix with Σ_k left(i, k) · right(k, j) at (i, j), where rows and columns that are
 * spread out cross.
 */
export function productSample(
  tensor: string,
  [rows, columns, inner]: readonly [number, number, number],
  left: (i: number, k: number) => number,
  right: (k: number, j: number) => number,
  shift: (j: number) => number = () => 0,
): Sample {
  const [is, js] = [spreadOut(rows, productSamples), spreadOut(columns, productSamples)];
  const at = new Uint32Array(is.length * js.length);
  const expected = new Float64Array(at.length);
  let index = 0;
  for (const i of is) {
    for (const j of js) {
      let sum = shift(j);
      for (let k = 0; k < inner; k++) sum += left(i, k) * right(k, j);
      at[index] = i * columns + j;
      expected[index++] = sum;
    }
  }
  return { tensor, at, expected };
}

/** The elements of some rows (of any two leading dimensions, flattened) of a matrix with `columns` columns. */
export function pickRows(data: ArrayLike<number>, rows: readonly number[], columns: number): Float32Array {
  return Float32Array.from(everyIndex(rows, columns), (index) => data[index]!);
}

/** Sets all rows but the given ones to zero: what a gradient owes to them is then all of it. */
export function clearOtherRows(data: Float32Array, rows: readonly number[], columns: number): void {
  const kept = new Set(rows);
  for (let row = 0; row < data.length / columns; row++) {
    if (!kept.has(row)) data.fill(0, row * columns, (row + 1) * columns);
  }
}

/** Rows (step, b) of a sequence [steps, B, …] that belong to some rows of the batch. */
export function rowsOfBatch(steps: number, batch: number, chosen: readonly number[]): number[] {
  return Array.from({ length: steps }, (_, step) => chosen.map((b) => step * batch + b)).flat();
}
