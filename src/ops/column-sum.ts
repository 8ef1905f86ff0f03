/** Column sums, which are the gradients of biases. */
import type { Tape } from '../scheduler/tape.ts';
import type { Tensor } from '../scheduler/tensor.ts';
import type { Rows } from './copy.ts';

/** y[yOffset…] (+)= the sum over the rows of x, for `rows` × `columns` elements. */
export function recordColumnSumRows(
  tape: Tape,
  x: Rows,
  rows: number,
  columns: number,
  y: { tensor: Tensor; offset?: number; accumulate: 0 | 1 },
): void {
  tape.dispatch('column-sum', tape.software ? 'serial' : 'tree', {
    bindings: { x: x.tensor, y: y.tensor },
    params: {
      rows,
      columns,
      xOffset: x.offset,
      xRow: x.row,
      yOffset: y.offset ?? 0,
      accumulate: y.accumulate,
    },
    workgroups: [Math.ceil(columns / 16)],
  });
}

/** Adds the column sums of `gradient` [rows, columns] to the gradient of `bias` [columns], if it needs one. */
export function recordColumnSum(tape: Tape, gradient: Tensor, bias: Tensor): void {
  const target = tape.gradientTarget(bias);
  if (!target) return;
  const [rows, columns] = [gradient.dim(0), gradient.dim(1)];
  recordColumnSumRows(tape, { tensor: gradient, offset: 0, row: columns }, rows, columns, target);
}
