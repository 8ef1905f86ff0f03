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
  // By 16 bytes where everything is a multiple of that.
  const spans = [columns, x.offset, y.offset, ...(rows > 1 ? [x.row, y.row] : [])];
  const inFours = spans.every((span) => span % 4 === 0);
  const unit = inFours ? 4 : 1;
  const { groups, stride } = linearGroups((rows * columns) / unit, 64);
  const params = {
    rows,
    columns: columns / unit,
    xOffset: x.offset / unit,
    xRow: rows > 1 ? x.row / unit : 0,
    yOffset: y.offset / unit,
    yRow: rows > 1 ? y.row / unit : 0,
    accumulate,
    stride,
  };
  // Of bits there is nothing to convert.
  const shader = x.tensor.dtype === 'f16' || y.tensor.dtype === 'f16' ? 'convert' : 'copy';
  const call = { params, workgroups: groups };
  if (inFours) {
    tape.dispatch(shader, 'fours', { bindings: { xFours: x.tensor, yFours: y.tensor }, ...call });
  } else {
    tape.dispatch(shader, 'main', { bindings: { x: x.tensor, y: y.tensor }, ...call });
  }
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
