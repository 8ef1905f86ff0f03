/** Column sums, which are the gradients of biases. */
import type { Tape } from '../scheduler/tape.ts';
import type { Tensor } from '../scheduler/tensor.ts';
import type { Rows } from './copy.ts';

/** y[yOffset…] (+)= the sum over the rows of x, for `rows` × `columns` elements; so does `other` from 0 on, if given. */
export function recordColumnSumRows(
  tape: Tape,
  x: Rows,
  rows: number,
  columns: number,
  y: { tensor: Tensor; offset?: number; accumulate: 0 | 1 },
  other?: Tensor,
): void {
  const { tensor, offset, row } = x;
  const params = {
    rows,
    columns,
    xOffset: offset,
    xRow: row,
    yOffset: y.offset ?? 0,
    accumulate: y.accumulate,
  };
  const inFours = tape.software && offset % 4 === 0 && row % 4 === 0;
  const workgroups = [Math.ceil(columns / (inFours ? 32 : 16))] as const;
  const call = { params, workgroups };
  if (inFours && other) {
    tape.dispatch('column-sum', 'foursTwice', { bindings: { xFours: tensor, y: y.tensor, other }, ...call });
  } else if (inFours) {
    tape.dispatch('column-sum', 'fours', { bindings: { xFours: tensor, y: y.tensor }, ...call });
  } else if (other) {
    const entry = tape.software ? 'serialTwice' : 'treeTwice';
    tape.dispatch('column-sum', entry, { bindings: { x: tensor, y: y.tensor, other }, ...call });
  } else {
    const entry = tape.software ? 'serial' : 'tree';
    tape.dispatch('column-sum', entry, { bindings: { x: tensor, y: y.tensor }, ...call });
  }
}

/** Adds the column sums of `gradient` [rows, columns] to the gradient of `bias` [columns], if it needs one. */
export function recordColumnSum(tape: Tape, gradient: Tensor, bias: Tensor): void {
  const target = tape.gradientTarget(bias);
  if (!target) return;
  const [rows, columns] = [gradient.dim(0), gradient.dim(1)];
  recordColumnSumRows(tape, { tensor: gradient, offset: 0, row: columns }, rows, columns, target);
}
