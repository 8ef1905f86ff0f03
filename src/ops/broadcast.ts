/** One vector a row, repeated over time: what a decoder gets whose context is an input of every step. */
import { ShapeError } from '../errors.ts';
import type { Tape } from '../scheduler/tape.ts';
import type { Tensor } from '../scheduler/tensor.ts';
import { recordColumnSum } from './column-sum.ts';
import { recordCopyRows } from './copy.ts';

/**
 * x [B, C] at each of `steps` time steps: [T, B, C]. The gradient of x is the sum over the steps.
 *
 * @throws ShapeError where x has other dimensions, or `steps` is no positive integer
 */
export function broadcast(tape: Tape, x: Tensor, steps: number): Tensor {
  if (x.shape.length !== 2) throw new ShapeError(`broadcast: x should be [B, C], not ${x}`);
  if (!(Number.isInteger(steps) && steps > 0)) throw new ShapeError(`broadcast: ${steps} steps`);
  const y = tape.result('broadcast', [steps, ...x.shape], x);
  const rows = { tensor: y, offset: 0, row: x.size };
  recordCopyRows(tape, { tensor: x, offset: 0, row: 0 }, rows, steps, x.size);
  tape.onBackward(() => {
    const dy = tape.gradientOf(y);
    if (dy) recordColumnSum(tape, dy.reshape(steps, x.size), x.reshape(x.size));
  });
  return y;
}
