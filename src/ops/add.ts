/** The sum of two tensors of equal size, as residual connections need it. */
import { ShapeError } from '../errors.ts';
import type { Tape } from '../scheduler/tape.ts';
import type { Tensor } from '../scheduler/tensor.ts';
import { recordCopy } from './copy.ts';

/** a + b, shaped like a. */
export function add(tape: Tape, a: Tensor, b: Tensor): Tensor {
  if (a.size !== b.size) throw new ShapeError(`cannot add ${a} and ${b}`);
  const y = tape.result('sum', a.shape, a, b);
  recordCopy(tape, a, y);
  recordCopy(tape, b, y, 1);
  tape.onBackward(() => {
    const upstream = tape.gradientOf(y);
    if (!upstream) return;
    for (const term of [a, b]) {
      const target = tape.gradientTarget(term);
      if (target) recordCopy(tape, upstream, target.tensor, target.accumulate);
    }
  });
  return y;
}
