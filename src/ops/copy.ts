/**
 * Strided copies: slices in and out of time-major sequences, joins and splits along the last dimension. Recorders
 * (`record…`) put dispatches on a tape and nothing else; `slice` is the differentiable op.
 */
import { ShapeError } from '../errors.ts';
import { linearGroups, type Tape } from '../scheduler/tape.ts';
import type { Tensor } from '../scheduler/tensor.ts';

/** Rows of equal length somewhere in a tensor: element (i, j) lies at `offset + i * row + j`. */
export interface Rows {
  readonly tensor: Tensor;
  readonly offset: number;
  /** Distance between rows, in elements. */
  readonly row: number;
}

/** y ← x, or y ← y + x with `accumulate`, for `rows` × `columns` elements; f32 and f16 are converted. */
export function recordCopyRows(
  tape: Tape,
  x: Rows,
  y: Rows,
  rows: number,
  columns: number,
  accumulate: 0 | 1 = 0,
): void {
  const { groups, stride } = linearGroups(rows * columns, 64);
  // Of bits there is nothing to convert.
  const isHalf = x.tensor.dtype === 'f16' || y.tensor.dtype === 'f16';
  tape.dispatch(isHalf ? 'convert' : 'copy', 'main', {
    bindings: { x: x.tensor, y: y.tensor },
    params: {
      rows,
      columns,
      xOffset: x.offset,
      xRow: x.row,
      yOffset: y.offset,
      yRow: y.row,
      accumulate,
      stride,
    },
    workgroups: groups,
  });
}

/** y ← x (or y ← y + x), whole tensors of equal size. */
export function recordCopy(tape: Tape, x: Tensor, y: Tensor, accumulate: 0 | 1 = 0): void {
  if (x.size !== y.size) throw new ShapeError(`cannot copy ${x} to ${y}`);
  recordCopyRows(
    tape,
    { tensor: x, offset: 0, row: 0 },
    { tensor: y, offset: 0, row: 0 },
    1,
    x.size,
    accumulate,
  );
}

/** Rows of `x` gathered into a new tensor [rows, columns]; its gradient is added back to where they came from. */
export function slice(
  tape: Tape,
  label: string,
  x: Tensor,
  { offset, row }: { offset: number; row: number },
  rows: number,
  columns: number,
): Tensor {
  const { dtype, needsGradient } = x;
  const y = tape.tensor(label, [rows, columns], { dtype, needsGradient });
  recordCopyRows(tape, { tensor: x, offset, row }, { tensor: y, offset: 0, row: columns }, rows, columns);
  tape.onBackward(() => {
    const upstream = tape.gradientOf(y);
    const gradient = upstream && tape.gradientPart(x);
    if (!gradient) return;
    const from = { tensor: upstream, offset: 0, row: columns };
    recordCopyRows(tape, from, { tensor: gradient, offset, row }, rows, columns, 1);
  });
  return y;
}
