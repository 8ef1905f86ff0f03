/**
 * Softmax over the last dimension, with rows that end early: entries from the row's length on are exactly 0, and so
 * is a row of length 0. A row's values do not depend on how far it is padded, bit for bit.
 */
import { ShapeError } from '../errors.ts';
import { linearGroups, type Tape } from '../scheduler/tape.ts';
import type { Tensor } from '../scheduler/tensor.ts';

// Rows of a workgroup, as in the shader.
const rowsShared = 4;
const rowsAlone = 64;

/** A range of a tensor's rows (all dimensions but the last, flattened): `start` to `end`, exclusive. */
export interface RowRange {
  readonly start: number;
  readonly end: number;
}

/** y ← softmax(x) for some rows; row r has the length `lengths[r % lengths.size]`. */
export function recordSoftmax(
  tape: Tape,
  x: Tensor,
  lengths: Tensor | undefined,
  y: Tensor,
  range: RowRange,
): void {
  tape.dispatch('softmax', tape.software ? 'forward_alone' : 'forward', {
    bindings: { x, lengths: lengths ?? x, y },
    ...grid(tape, x, range, lengths),
  });
}

/** dx (+)= the gradient of the softmax's input, from its output `y` and the gradient `dy` of that. */
export function recordSoftmaxGradient(
  tape: Tape,
  y: Tensor,
  dy: Tensor,
  dx: Tensor,
  range: RowRange,
  accumulate: 0 | 1 = 0,
): void {
  tape.dispatch('softmax', tape.software ? 'backward_alone' : 'backward', {
    bindings: { value: y, dy, dx },
    ...grid(tape, y, range, undefined, accumulate),
  });
}

function grid(tape: Tape, tensor: Tensor, { start, end }: RowRange, lengths?: Tensor, accumulate: 0 | 1 = 0) {
  const { groups, stride } = linearGroups(end - start, tape.software ? rowsAlone : rowsShared);
  const params = {
    start,
    end,
    columns: tensor.dim(-1),
    period: lengths?.size ?? 1,
    hasLengths: lengths ? 1 : 0,
    accumulate,
    stride,
  };
  return { params, workgroups: groups };
}

/**
 * softmax(x) over the last dimension of x [..., N]. `lengths` (u32) gives the entries that count in each row: one
 * for every row, or one for every index of the dimension before the last ([B] for rows of [T, B, S]).
 */
export function softmax(tape: Tape, x: Tensor, lengths?: Tensor): Tensor {
  const rows = x.size === 0 ? 0 : x.size / x.dim(-1);
  if (lengths && lengths.size !== rows && lengths.size !== x.shape.at(-2)) {
    throw new ShapeError(`softmax: ${lengths} are not the lengths of the rows of ${x}`);
  }
  const y = tape.tensor('softmax', x.shape, { needsGradient: x.needsGradient });
  const all = { start: 0, end: rows };
  recordSoftmax(tape, x, lengths, y, all);
  tape.onBackward(() => {
    const upstream = tape.gradientOf(y);
    const target = upstream && tape.gradientTarget(x);
    if (target) recordSoftmaxGradient(tape, y, upstream, target.tensor, all, target.accumulate);
  });
  return y;
}
