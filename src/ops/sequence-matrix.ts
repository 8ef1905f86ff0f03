/** A sequence [T, B, F], or its steps from `start` on, as the matrices that products take. */
import type { Tensor } from '../scheduler/tensor.ts';
import type { Matrix } from './matmul.ts';

/** One matrix [(T - start) * B, F]: every row of every step. */
export function flatSteps(sequence: Tensor, start = 0): Matrix {
  const [batch, width] = [sequence.dim(1), sequence.dim(2)];
  return { tensor: sequence, offset: start * batch * width, row: width };
}

/** A batch of B matrices [T - start, F]: the steps of each row. */
export function stepsOfRows(sequence: Tensor, start = 0): Matrix {
  const [batch, width] = [sequence.dim(1), sequence.dim(2)];
  return { tensor: sequence, offset: start * batch * width, batch: width, row: batch * width };
}
