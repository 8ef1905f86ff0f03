/** Softmax over the first entries of each row, in float64. */

/** softmax of `x` [rows, columns]; row r counts `lengths[r % lengths.length]` entries, the others are 0. */
export function softmax(x: ArrayLike<number>, columns: number, lengths?: ArrayLike<number>): Float64Array {
  const y = new Float64Array(x.length);
  for (let row = 0; row * columns < x.length; row++) {
    const length = lengths ? Math.min(columns, lengths[row % lengths.length]!) : columns;
    let peak = Number.NEGATIVE_INFINITY;
    for (let j = 0; j < length; j++) peak = Math.max(peak, x[row * columns + j]!);
    let sum = 0;
    for (let j = 0; j < length; j++) sum += Math.exp(x[row * columns + j]! - peak);
    for (let j = 0; j < length; j++) y[row * columns + j] = Math.exp(x[row * columns + j]! - peak) / sum;
  }
  return y;
}

/** The gradient of x from softmax(x) = y and the gradient of y. */
export function softmaxGradient(y: ArrayLike<number>, dy: ArrayLike<number>, columns: number): Float64Array {
  const dx = new Float64Array(y.length);
  for (let row = 0; row * columns < y.length; row++) {
    let sum = 0;
    for (let j = row * columns; j < (row + 1) * columns; j++) sum += y[j]! * dy[j]!;
    for (let j = row * columns; j < (row + 1) * columns; j++) dx[j] = y[j]! * (dy[j]! - sum);
  }
  return dx;
}
